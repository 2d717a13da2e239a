"""The order of a page, and the position from which the next one goes on."""

from __future__ import annotations

from datetime import datetime

import msgspec

from heliscore.domain.filter_tree import Score, Sort, Value, kind_of
from heliscore.store.search.arguments import Arguments


class Position(msgspec.Struct, frozen=True):
    """Where a page ended: the last row's sort value, and its time and id, which break ties."""

    value: Value | None
    created_at: datetime
    request_id: str


def direction(sort: Sort) -> str:
    return "DESC" if sort.descending else "ASC"


def order_by(sort: Sort, sort_value: str, created_at: str) -> str:
    """Compile ORDER BY for a page sorted by the expression `sort_value`: missing values last either way.

    Times and scores are never missing here, and NULLS LAST would keep the planner from reading their index
    backwards.
    """
    first = f"{sort_value} {direction(sort)}"
    if sort_value == created_at:
        return f"{first}, r.request_id"
    if not isinstance(sort.subject, Score):
        first += " NULLS LAST"
    return f"{first}, {created_at} DESC, r.request_id"


def beyond(position: Position, sort: Sort, sort_value: str, created_at: str, arguments: Arguments) -> str:
    """Compile the condition that a row comes after the position. Nothing is counted, so rows that arrive in
    the meantime shift nothing."""
    further = "<" if sort.descending else ">"
    time = arguments.add(position.created_at, "timestamptz")
    later_id = f"r.request_id > {arguments.add(position.request_id, 'text')}"
    if sort_value == created_at:
        return f"{sort_value} {further}= {time} AND ({sort_value} {further} {time} OR {later_id})"
    tied = f"({created_at} < {time} OR ({created_at} = {time} AND {later_id}))"
    if position.value is None or sort.subject is None:
        return f"{sort_value} IS NULL AND {tied}"
    value = arguments.add_value(position.value, kind_of(sort.subject))
    return f"({sort_value} {further} {value} OR {sort_value} IS NULL OR ({sort_value} = {value} AND {tied}))"
