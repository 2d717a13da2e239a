"""Writes what the reviewers of a queue gave, a row for each reviewer, request and score: JSONL and CSV."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from heliscore.domain.review_queue import QueueOpinion
from heliscore.domain.spreadsheet_cells import defuse
from heliscore.domain.times import format_time
from heliscore.exports.csv_file import write_rows

_NAMES: Final = ("position", "request_id", "reviewer", "score", "value", "comment", "scored_at", "done_at")

HEADER: Final = write_rows([_NAMES])
"""The first line of a CSV file."""


def write_lines(opinions: Iterable[QueueOpinion]) -> bytes:
    """A JSON object a line."""
    lines = [msgspec.json.encode(dict(zip(_NAMES, _values(one), strict=True))) for one in opinions]
    return b"".join(line + b"\n" for line in lines)


def write_csv(opinions: Iterable[QueueOpinion]) -> bytes:
    """Rows without the header, safe to open in a spreadsheet."""
    return write_rows([_cell(value) for value in _values(one)] for one in opinions)


def _values(one: QueueOpinion) -> tuple[Any, ...]:
    return (
        one.position,
        one.request_id,
        one.reviewer,
        one.name,
        bool(one.value) if one.is_boolean else one.value,
        one.comment,
        format_time(one.scored_at),
        format_time(one.done_at),
    )


def _cell(value: object) -> object:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return defuse(value)
    return value
