"""Strings in files that a spreadsheet may open, and run as formulas."""

from __future__ import annotations

import re
from typing import Final

_SUSPECT: Final = frozenset("=+-@\t\r'")
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")


def defuse(string: str) -> str:
    """Keep a spreadsheet from running a string as a formula. Reversible: a string that looks defused gets
    another quote."""
    if string[:1] in _SUSPECT and _FORMULA.match(string):
        return f"'{string}"
    return string


def undefuse(cell: str) -> str:
    """The string that `defuse` made a cell of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
