"""Three ways to read the requests that match: FROM and WHERE of a statement, by where the reading begins.

In all of them the request's row is called r, and the row of the n-th leading score s1, s2, …
"""

from __future__ import annotations

import msgspec

from heliscore.domain.filter_tree import (
    AllOf,
    AnyOf,
    Column,
    Compare,
    Everything,
    Exists,
    FeedbackTime,
    Filter,
    HasString,
    HasTag,
    Not,
    OneOf,
    Score,
    Scored,
    Sort,
    SortSubject,
    Tagged,
)
from heliscore.store.search.conditions import ConditionCompiler
from heliscore.store.search.leading_conditions import split_leading
from heliscore.store.search.page_order import direction

_CREATED_AT = Column("created_at")


class MatchingRows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows that match."""

    where: str
    joins: str = ""

    source: str | None = None
    """None: the table of requests."""

    created_at: str = "r.created_at"
    """The request's time, or the copy of it by which the first score's index is walked."""

    scores: tuple[str, ...] = ()
    """The names of the leading scores, in order of their aliases."""


def join_leading(conditions: ConditionCompiler, tree: Filter) -> MatchingRows:
    """Join the leading scores, so that the planner can begin at one and walk its index newest first."""
    leading, rest = split_leading(tree)
    if not leading.keys() <= conditions.name_ids.keys():
        return MatchingRows(where="false")
    joins = [
        f"JOIN {conditions.scores_of_request(f's{number}', name, parts, ' ON ')}"
        for number, (name, parts) in enumerate(leading.items(), 1)
    ]
    created_at = "s1.request_created_at" if leading else conditions.created_at
    return MatchingRows(
        where=msgspec.structs.replace(conditions, created_at=created_at).all_of(rest),
        joins="\n".join(joins),
        created_at=created_at,
        scores=tuple(leading),
    )


def begin_at(conditions: ConditionCompiler, tree: Filter, start: str, sort: Sort) -> MatchingRows:
    """Begin at the few rows of the leading score `start` and visit their requests one by one, in the order
    asked for if that is time, so that the search can stop when the page is full.

    The planner would often read a whole table instead: it has one estimate for the values of all scores.
    OFFSET 0 keeps it from merging the subqueries.
    """
    leading, rest = split_leading(tree)
    start_rows = conditions.scores_of_organization(start, leading.pop(start))
    same = "r.organization_id = s1.organization_id AND r.request_no = s1.request_no"
    where = " AND ".join((same, *map(conditions.condition, rest)))
    order = f" ORDER BY s.request_created_at {direction(sort)}" if sort.subject == _CREATED_AT else ""
    columns = "s.organization_id, s.request_no, s.request_created_at, s.value"
    joins = ""
    for number, (name, parts) in enumerate(leading.items(), 2):
        rows = conditions.scores_of_request("s", name, parts, " WHERE ")
        joins += f"\nCROSS JOIN LATERAL (SELECT s.value FROM {rows} OFFSET 0) AS s{number}"
    return MatchingRows(
        source=(
            f"(SELECT {columns} FROM {start_rows}{order} OFFSET 0) AS s1\n"
            f"CROSS JOIN LATERAL (SELECT r.* FROM request AS r WHERE {where} OFFSET 0) AS r"
        ),
        joins=joins,
        where="true",
        created_at="s1.request_created_at",
        scores=(start, *leading),
    )


def stand_in_scores(conditions: ConditionCompiler, tree: Filter) -> MatchingRows:
    """Let the rows of the first leading score stand in for the requests where the filter asks for nothing
    that they do not hold: mostly an index is enough then. Elsewhere as `join_leading`."""
    leading, rest = split_leading(tree)
    if not leading or not leading.keys() <= conditions.name_ids.keys() or not _is_of_scores(tree):
        return join_leading(conditions, tree)
    first, *others = leading
    rows = conditions.scores_of_organization(first, leading[first])
    columns = "s.organization_id, s.request_no, s.request_created_at AS created_at"
    remaining = (*(condition for name in others for condition in leading[name]), *rest)
    return msgspec.structs.replace(
        join_leading(conditions, AllOf(remaining)), source=f"(SELECT {columns} FROM {rows}) AS r"
    )


def subject_expression(conditions: ConditionCompiler, rows: MatchingRows, subject: SortSubject) -> str:
    """The subject's SQL in a statement about the rows. A score must be a leading one."""
    match subject:
        case Score(name):
            return f"s{rows.scores.index(name) + 1}.value"
        case _:
            return msgspec.structs.replace(conditions, created_at=rows.created_at).expression(subject)


def _is_of_scores(tree: Filter) -> bool:
    """Whether a filter asks for nothing but scores and the time, of which scores have a copy."""
    match tree:
        case Not(part):
            return _is_of_scores(part)
        case AllOf(parts) | AnyOf(parts):
            return all(map(_is_of_scores, parts))
        case Compare(subject) | OneOf(subject) | Exists(subject):
            return isinstance(subject, Score | FeedbackTime) or subject == _CREATED_AT
        case Everything() | Scored():
            return True
        case Tagged() | HasTag() | HasString():
            return False
