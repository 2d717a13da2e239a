"""Ways to read the requests that match: FROM and WHERE of a statement, by where the reading begins.

In all of them the request's row is called r, and the row of the n-th leading score s1, s2, …
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

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
    ScorePart,
    Sort,
    SortSubject,
    Tagged,
)
from heliscore.store.search.conditions import HIDDEN, SAME_REQUEST, ConditionCompiler, SubjectCondition
from heliscore.store.search.leading_conditions import split_leading
from heliscore.store.search.page_order import direction

_CREATED_AT: Final = Column("created_at")
_ANY: Final = Sort(None)


class MatchingRows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows that match."""

    where: str
    joins: str = ""

    source: str | None = None
    """None: the table of requests."""

    organization: str | None = None
    """The condition on the organization, None where it is one on r."""

    created_at: str = "r.created_at"
    """The request's time, or the copy of it by which the first score's index is walked."""

    scores: tuple[str, ...] = ()
    """The names of the leading scores, in order of their aliases."""


def join_leading(conditions: ConditionCompiler, tree: Filter) -> MatchingRows:
    """Join requests and leading scores, all found by organization: only to be joined by hash."""
    leading, rest = split_leading(tree)
    if not leading.keys() <= conditions.name_ids.keys():
        return MatchingRows(where="false")
    joins = "\n".join(
        f"JOIN {conditions.joined_scores(f's{number}', name, parts)}"
        for number, (name, parts) in enumerate(leading.items(), 1)
    )
    created_at = "s1.request_created_at" if leading else conditions.created_at
    return MatchingRows(
        where=msgspec.structs.replace(conditions, created_at=created_at).all_of(rest),
        joins=joins,
        created_at=created_at,
        scores=tuple(leading),
    )


def walk_in_time(conditions: ConditionCompiler, tree: Filter) -> MatchingRows:
    """Walk the first leading score, of which there are many, or else the requests, newest or oldest first,
    and look the others up one by one. The bound on the walked score is checked in the table: HIDDEN keeps the
    planner from the index of values."""
    leading, rest = split_leading(tree)
    if not leading or not leading.keys() <= conditions.name_ids.keys():
        return join_leading(conditions, tree)
    (name, parts), *looked_up = leading.items()
    of_time = [part for part in rest if isinstance(part, Compare) and part.subject == _CREATED_AT]
    others = [part for part in rest if part not in of_time]
    return MatchingRows(
        source=f"score AS s1\n{_request_of('s1', conditions, others)}",
        organization=conditions.scores_of_organization("s1", name, parts, hidden=HIDDEN),
        joins=_lookups(conditions, dict(looked_up), 2),
        where=msgspec.structs.replace(conditions, created_at="s1.request_created_at").all_of(of_time),
        created_at="s1.request_created_at",
        scores=tuple(leading),
    )


def begin_at(conditions: ConditionCompiler, tree: Filter, start: str, sort: Sort) -> MatchingRows:
    """Begin at the few rows of the leading score `start` and visit their requests one by one, in the order
    asked for if that is time, so that the search can stop when the page is full.

    The planner would often read a whole table instead: it has one estimate for the values of all scores.
    OFFSET 0 keeps it from merging the subqueries.
    """
    leading, rest = split_leading(tree)
    start_rows = conditions.few_scores("s", start, leading.pop(start))
    order = f" ORDER BY s.request_created_at {direction(sort)}" if sort.subject == _CREATED_AT else ""
    columns = "s.organization_id, s.request_no, s.request_created_at, s.value"
    return MatchingRows(
        source=(
            f"(SELECT {columns} FROM score AS s WHERE {start_rows}{order} OFFSET 0) AS s1\n"
            f"{_request_of('s1', conditions, rest)}"
        ),
        joins=_lookups(conditions, leading, 2),
        where="true",
        created_at="s1.request_created_at",
        scores=(start, *leading),
    )


def stand_in_scores(conditions: ConditionCompiler, tree: Filter, start: str | None) -> MatchingRows:
    """Let the rows of one leading score stand in for the requests where the filter asks for nothing that they
    do not hold: mostly an index is enough then. `start`: a leading score of which there are few. Elsewhere as
    `begin_at` and `join_leading`."""
    leading, rest = split_leading(tree)
    if not leading or not leading.keys() <= conditions.name_ids.keys() or not _is_of_scores(tree):
        return join_leading(conditions, tree) if start is None else begin_at(conditions, tree, start, _ANY)
    first = start or next(iter(leading))
    found = conditions.scores_of_organization if start is None else conditions.few_scores
    rows = found("s", first, leading.pop(first))
    columns = "s.organization_id, s.request_no, s.request_created_at AS created_at"
    others = AllOf(tuple(condition for parts in leading.values() for condition in parts))
    return MatchingRows(
        source=f"(SELECT {columns} FROM score AS s WHERE {rows}{' OFFSET 0' if start else ''}) AS r",
        joins=_lookups(conditions, leading, 1) if start else join_leading(conditions, others).joins,
        where=conditions.all_of(rest),
    )


def _request_of(score: str, conditions: ConditionCompiler, rest: list[Filter]) -> str:
    """Look at the request of each row of a score, and its other conditions."""
    where = " AND ".join((SAME_REQUEST.format("r", score), *map(conditions.condition, rest)))
    return f"CROSS JOIN LATERAL (SELECT r.* FROM request AS r WHERE {where} OFFSET 0) AS r"


def _lookups(
    conditions: ConditionCompiler, leading: Mapping[str, Sequence[SubjectCondition]], first: int
) -> str:
    """Look scores up request by request."""
    return "".join(
        "\nCROSS JOIN LATERAL "
        f"(SELECT s.value FROM {conditions.scores_of_request('s', name, parts)} OFFSET 0) AS s{number}"
        for number, (name, parts) in enumerate(leading.items(), first)
    )


def all_scores(rows: MatchingRows) -> str:
    """All scores, called v, of the requests at which `begin_at` looks."""
    scores = f"SELECT v.* FROM score AS v WHERE {SAME_REQUEST.format('v', 's1')} OFFSET 0"
    return f"{rows.source}{rows.joins}\nCROSS JOIN LATERAL ({scores}) AS v"


def look_up_requests(conditions: ConditionCompiler, tree: Filter) -> tuple[MatchingRows, str]:
    """Look at the requests of scores, called v, one by one: also returns that as FROM."""
    leading, rest = split_leading(tree)
    if not leading.keys() <= conditions.name_ids.keys():
        return MatchingRows(where="false"), "score AS v"
    source = f"score AS v\n{_request_of('v', conditions, rest)}{_lookups(conditions, leading, 1)}"
    return MatchingRows(where="true", scores=tuple(leading)), source


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
            return isinstance(subject, Score | ScorePart | FeedbackTime) or subject == _CREATED_AT
        case Everything() | Scored():
            return True
        case Tagged() | HasTag() | HasString():
            return False
