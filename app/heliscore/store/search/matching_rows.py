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
from heliscore.store.search.comparisons import SubjectCondition
from heliscore.store.search.conditions import ConditionCompiler
from heliscore.store.search.leading_conditions import indexed_conditions, needs_score, split_leading
from heliscore.store.search.page_order import direction
from heliscore.store.search.score_conditions import HIDDEN, SAME_REQUEST, VISIBLE
from heliscore.store.search.score_table import ScoreTable

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


_Leading = Mapping[str, Sequence[SubjectCondition]]


def join_leading(conditions: ConditionCompiler, tree: Filter) -> MatchingRows:
    """Join requests, leading scores and the table of other scores: only to be joined by hash."""
    leading, rest = split_leading(tree)
    if not leading.keys() <= conditions.scores.name_ids.keys():
        return MatchingRows(where="false")
    created_at = "s1.request_created_at" if leading else conditions.created_at
    joins = _joins(conditions, leading)
    where = msgspec.structs.replace(conditions, created_at=created_at).all_of(rest)
    return MatchingRows(
        where=where, joins=joins + _table(conditions), created_at=created_at, scores=tuple(leading)
    )


def walk_in_time(conditions: ConditionCompiler, tree: Filter) -> MatchingRows:
    """Walk the first leading score, of which there are many, or else the requests, newest or oldest first,
    and look the others up one by one. The bound on the walked score is checked in the table: HIDDEN keeps the
    planner from the index of values."""
    leading, rest = split_leading(tree)
    if not leading or not leading.keys() <= conditions.scores.name_ids.keys():
        return join_leading(conditions, tree)
    (name, parts), *looked_up = leading.items()
    of_time = [part for part in rest if isinstance(part, Compare) and part.subject == _CREATED_AT]
    others = [part for part in rest if part not in of_time]
    return MatchingRows(
        source="score AS s1",
        organization=conditions.scores.of_organization("s1", name, parts, hidden=HIDDEN),
        joins=_look_up(conditions, "s1", dict(looked_up), others, 2),
        where=msgspec.structs.replace(conditions, created_at="s1.request_created_at").all_of(of_time),
        created_at="s1.request_created_at",
        scores=tuple(leading),
    )


def begin_at(conditions: ConditionCompiler, tree: Filter, start: Sequence[str], sort: Sort) -> MatchingRows:
    """Begin at the few rows of the leading scores `start` and visit their requests one by one, in the order
    asked for if that is time, so that the search can stop when the page is full. Several scores are read
    before the first request is visited, without an order.

    The planner would often read a whole table instead: it has one estimate for the values of all scores.
    OFFSET 0 keeps it from merging the subqueries.
    """
    leading, rest = split_leading(tree)
    columns = "s.organization_id, s.request_no, s.request_created_at"
    if len(start) == 1:
        columns += ", s.value"
    rows = _few(conditions, columns, {name: leading.pop(name) for name in start})
    order = f" ORDER BY s.request_created_at {direction(sort)}" if sort.subject == _CREATED_AT else ""
    return MatchingRows(
        source=f"({rows}{order} OFFSET 0) AS s1",
        joins=_look_up(conditions, "s1", leading, rest, 2),
        where="true",
        created_at="s1.request_created_at",
        scores=(start[0], *leading),
    )


def stand_in_scores(conditions: ConditionCompiler, tree: Filter, start: Sequence[str]) -> MatchingRows:
    """Let scores stand in for the requests where the filter asks for nothing that they do not hold: the rows
    of one leading score, for which mostly an index is enough, or the table of scores. `start`: leading scores
    of which there are few. Elsewhere as `begin_at` and `join_leading`."""
    leading, rest = split_leading(tree)
    is_of_scores = _is_of_scores(tree) and leading.keys() <= conditions.scores.name_ids.keys()
    if is_of_scores and leading:
        return _stand_in_leading(conditions, leading, rest, start)
    if is_of_scores and conditions.score_table is not None and needs_score(tree):
        return _stand_in_table(conditions, conditions.score_table, rest)
    return begin_at(conditions, tree, start, _ANY) if start else join_leading(conditions, tree)


def _stand_in_leading(
    conditions: ConditionCompiler,
    leading: dict[str, list[SubjectCondition]],
    rest: list[Filter],
    start: Sequence[str],
) -> MatchingRows:
    columns = "s.organization_id, s.request_no, s.request_created_at AS created_at"
    if start:
        few = _few(conditions, columns, {name: leading.pop(name) for name in start})
        source = f"({few} OFFSET 0) AS r"
        joins = _look_up_scores(conditions, "r", leading, 1)[0]
    else:
        name = next(iter(leading))
        rows = conditions.scores.of_organization("s", name, leading.pop(name))
        source = f"(SELECT {columns} FROM score AS s WHERE {rows}) AS r"
        joins = _joins(conditions, leading)
    where = conditions.all_of(rest)
    return MatchingRows(source=source, joins=joins + _table(conditions), where=where)


def _stand_in_table(conditions: ConditionCompiler, table: ScoreTable, rest: list[Filter]) -> MatchingRows:
    where = msgspec.structs.replace(conditions, created_at="m.created_at").all_of(rest)
    # It is empty where the organization has none of the scores: then the condition is false.
    source = table.source() if table else "request AS m"
    return MatchingRows(source=source, organization="m.organization_id = $1", where=where)


def all_scores(rows: MatchingRows) -> str:
    """All scores, called v, of the requests at which `begin_at` looks."""
    scores = f"SELECT v.* FROM score AS v WHERE {SAME_REQUEST.format('v', 's1')} OFFSET 0"
    return f"{rows.source}{rows.joins}\nCROSS JOIN LATERAL ({scores}) AS v"


def named_scores(conditions: ConditionCompiler, tree: Filter, names: Sequence[str], *, by_hash: bool) -> str:
    """Join the scores of those names, called v, to the requests r. By hash, those of the filter's time are
    read: scores have a copy of it."""
    ids = [conditions.scores.name_ids[name] for name in names]
    these = f"= ANY({conditions.arguments.add(ids, 'integer[]')})"
    if by_hash:
        of_time = [part for part in indexed_conditions(tree) if part.subject == _CREATED_AT]
        in_time = msgspec.structs.replace(conditions, created_at="v.request_created_at").all_of(of_time)
        return f"\nJOIN score AS v ON {VISIBLE.format('v')} AND v.name_id {these} AND {in_time}"
    scores = f"score AS v WHERE {SAME_REQUEST.format('v', 'r')} AND v.name_id{HIDDEN} {these}"
    return f"\nCROSS JOIN LATERAL (SELECT v.name_id, v.value FROM {scores} OFFSET 0) AS v"


def look_up_requests(conditions: ConditionCompiler, tree: Filter) -> tuple[MatchingRows, str]:
    """Look at the requests of scores, called v, one by one: also returns that as FROM."""
    leading, rest = split_leading(tree)
    if not leading.keys() <= conditions.scores.name_ids.keys():
        return MatchingRows(where="false"), "score AS v"
    source = f"score AS v{_look_up(conditions, 'v', leading, rest, 1)}"
    return MatchingRows(where="true", scores=tuple(leading)), source


def _few(conditions: ConditionCompiler, columns: str, start: _Leading) -> str:
    """The requests that have all of some scores, of each of which there are few."""
    return " INTERSECT ".join(
        f"SELECT {columns} FROM score AS s WHERE {conditions.scores.few('s', name, parts)}"
        for name, parts in start.items()
    )


def _joins(conditions: ConditionCompiler, leading: _Leading) -> str:
    return "\n".join(
        f"JOIN {conditions.scores.joined(f's{number}', name, parts)}"
        for number, (name, parts) in enumerate(leading.items(), 1)
    )


def _table(conditions: ConditionCompiler) -> str:
    """The join of the scores that the conditions compiled so far ask for."""
    return "" if conditions.score_table is None else conditions.score_table.join()


def _look_up(
    conditions: ConditionCompiler, row: str, leading: _Leading, rest: list[Filter], first: int
) -> str:
    """Look up leading scores, then the request and its other conditions, of each row of a score."""
    joins, row = _look_up_scores(conditions, row, leading, first)
    where = " AND ".join((SAME_REQUEST.format("r", row), *map(conditions.condition, rest)))
    return f"{joins}\nCROSS JOIN LATERAL (SELECT r.* FROM request AS r WHERE {where} OFFSET 0) AS r"


def _look_up_scores(
    conditions: ConditionCompiler, row: str, leading: _Leading, first: int
) -> tuple[str, str]:
    """Look up leading scores of each row. Each is found by the one before it, so that the planner cannot
    choose another order; also returns the last one's alias."""
    joins = ""
    for number, (name, parts) in enumerate(leading.items(), first):
        scores = conditions.scores.of_request("s", row, name, parts)
        columns = "s.organization_id, s.request_no, s.value"
        row = f"s{number}"
        joins += f"\nCROSS JOIN LATERAL (SELECT {columns} FROM {scores} OFFSET 0) AS {row}"
    return joins, row


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
