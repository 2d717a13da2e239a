"""Load the statements of sql/queries by file and name, and fill their slots."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

_PACKAGE = Path(__file__).resolve().parents[1]

SQL_FOLDER: Final = next(
    folder for folder in (_PACKAGE.parents[1] / "sql", _PACKAGE / "sql") if (folder / "migrations").is_dir()
)
"""In a checkout sql/ is beside the package, in a wheel inside it. (The checkout comes first: building a wheel
leaves a copy inside the package of an editable install, which would become stale.)"""

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_SLOT = re.compile(r"/\* (\w+) \*/.*?/\* end \*/", re.DOTALL)
_BLOCK = re.compile(r"/\* (\w+) \{ \*/.*?/\* \} \*/", re.DOTALL)


@cache
def load(noun: str, folder: str = "queries") -> dict[str, str]:
    """Read sql/queries/<noun>.sql, or that of another folder: the statements under their `-- name: verb`
    lines, comments included."""
    _, *parts = _NAME.split((SQL_FOLDER / folder / f"{noun}.sql").read_text(encoding="utf-8"))
    return {name: text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}


def fill(statement: str, **slots: str) -> str:
    """Put SQL into a statement's slots (`/* where */ true /* end */`); the others stay as they are."""
    return _SLOT.sub(lambda slot: slots.get(slot[1], slot[0]), statement)


def replace_block(statement: str, name: str, other: str) -> str:
    """Put another statement in the place of a statement's block (`/* hours { */ SELECT … /* } */`), which may
    have slots."""
    return _BLOCK.sub(lambda block: other if block[1] == name else block[0], statement)
