"""Rows of our own exports; lines of JSONL are sent without being read, unless scores are to be scaled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from heliscore.imports.fields import COLUMNS, Found, as_object, is_nothing
from heliscore.imports.row_formats import GivenScore, RowFormat

SCORE_PREFIX: Final = "scores."
PROPERTY_PREFIX: Final = "properties."
DETAILS: Final = "score_details"

_DEFUSED: Final = re.compile(r"'+[=+\-@\t\r]")
"""A cell that a spreadsheet must not run as a formula, as an export writes it."""


def _recognises(values: Mapping[str, Any]) -> bool:
    is_ours = {"request_id", "created_at"} <= values.keys()
    return is_ours and any(
        key in ("scores", DETAILS, "cost_is_computed") or key.startswith(SCORE_PREFIX) for key in values
    )


def with_formulas(values: Mapping[str, Any]) -> dict[str, Any]:
    """The cells of a CSV as they were before the export took the danger out of them."""
    return {
        name: cell[1:] if isinstance(cell, str) and _DEFUSED.match(cell) else cell
        for name, cell in values.items()
    }


def _read_scores(row: Found) -> Iterator[GivenScore]:
    """Without `score_details` it is not known who gave them, and when."""
    details = row.get(DETAILS)
    if details is not None:
        for name, one in as_object(details).items():
            given = as_object(one)
            at, author, comment = (given.get(key) for key in ("at", "author", "comment"))
            yield GivenScore(name, given.get("value"), None, at, author, comment)
        return
    for column, value in row.values.items():
        if column.startswith(SCORE_PREFIX) and not is_nothing(value):
            yield GivenScore(column.removeprefix(SCORE_PREFIX), value)


HELISCORE: Final = RowFormat(
    "heliscore",
    "Heliscore",
    {**{name: (name,) for name in (*COLUMNS, "history")}, DETAILS: (DETAILS, "scores")},
    _recognises,
    _read_scores,
    "scores.<name>, or score_details",
)
