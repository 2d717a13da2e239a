"""Rows of our own exports; lines of JSONL are sent without being read, unless scores are to be scaled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from heliscore.domain.export_columns import HISTORY, SCORE, SCORE_DETAILS, SCORES
from heliscore.domain.spreadsheet_cells import undefuse
from heliscore.imports.fields import COLUMNS, Found, as_object, is_nothing
from heliscore.imports.row_formats import GivenScore, RowFormat


def _recognises(values: Mapping[str, Any]) -> bool:
    is_ours = {"request_id", "created_at"} <= values.keys()
    return is_ours and any(
        key in (SCORES, SCORE_DETAILS, "cost_is_computed") or key.startswith(SCORE) for key in values
    )


def with_formulas(values: Mapping[str, Any]) -> dict[str, Any]:
    """The cells of a CSV as they were before the export took the danger out of them."""
    return {name: undefuse(cell) if isinstance(cell, str) else cell for name, cell in values.items()}


def _read_scores(row: Found) -> Iterator[GivenScore]:
    """Without `score_details` it is not known who gave them, and when."""
    details = row.get(SCORE_DETAILS)
    if details is not None:
        for name, one in as_object(details).items():
            given = as_object(one)
            at, author, comment = (given.get(key) for key in ("at", "author", "comment"))
            yield GivenScore(name, given.get("value"), None, at, author, comment)
        return
    for column, value in row.values.items():
        if column.startswith(SCORE) and not is_nothing(value):
            yield GivenScore(column.removeprefix(SCORE), value)


HELISCORE: Final = RowFormat(
    "heliscore",
    "Heliscore",
    {**{name: (name,) for name in (*COLUMNS, HISTORY)}, SCORE_DETAILS: (SCORE_DETAILS, SCORES)},
    _recognises,
    _read_scores,
    "scores.<name>, or score_details",
)
