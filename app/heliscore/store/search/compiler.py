"""Compile a filter for each statement that takes one.

`name_ids` holds the organization's score names; no request has a score of another name. Parameters are
numbered from `first_parameter`, behind the statement's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from heliscore.domain.filter_tree import (
    NEWEST_FIRST,
    Cases,
    Column,
    Filter,
    Property,
    Score,
    ScorePart,
    Sort,
)
from heliscore.domain.rater import Rater
from heliscore.store.search.arguments import Arguments
from heliscore.store.search.author_groups import LOOKED_UP, OWN, GroupOf, grouped_opinions, join_authors
from heliscore.store.search.cases import compile_cases
from heliscore.store.search.conditions import OUTCOME, ConditionCompiler
from heliscore.store.search.covariates import join_covariate
from heliscore.store.search.leading_conditions import indexed_conditions, value_conditions
from heliscore.store.search.matching_rows import (
    MatchingRows,
    all_scores,
    begin_at,
    join_leading,
    look_up_requests,
    named_scores,
    stand_in_scores,
    subject_expression,
    walk_in_time,
)
from heliscore.store.search.page_order import Position, beyond, direction, order_by
from heliscore.store.search.raters import FOLD_OF_UNIT, ratings_of, ratings_of_request, scores_of_request
from heliscore.store.search.score_columns import NO_COLUMNS, ScoreColumns
from heliscore.store.search.score_conditions import ScoreConditions
from heliscore.store.search.score_table import ScoreTable
from heliscore.store.search.slots import Compiled, Slots

Bodies = Literal["whole", "preview", "none"]
"""How much a search reads of bodies; `preview` is the request's, if it is not large."""

_BODIES: Final[dict[Bodies, str | None]] = {
    "whole": None,
    # By the size on disk, which is known without reading the body.
    "preview": (
        "CASE WHEN pg_column_size(r.request_body) <= 32768 THEN r.request_body END AS request_body, "
        "NULL::jsonb AS response_body"
    ),
    "none": "NULL::jsonb AS request_body, NULL::jsonb AS response_body",
}


def compile_search(
    tree: Filter,
    sort: Sort,
    after: Position | None,
    name_ids: Mapping[str, int],
    first_parameter: int,
    start: Sequence[str] = (),
    bodies: Bodies = "whole",
    *,
    by_hash: bool = False,
) -> Compiled:
    """Compile a page's filter and order. `start`: leading scores that few rows meet, at which the search
    shall begin, whatever the planner thinks."""
    conditions = _conditions(name_ids, first_parameter, by_hash=by_hash)
    if start:
        rows = begin_at(conditions, tree, start, sort)
    elif sort.subject == NEWEST_FIRST.subject and not by_hash:
        rows = walk_in_time(conditions, tree)
    else:
        rows = join_leading(conditions, tree)
    where, order, sort_value = rows.where, "random()", "NULL"
    if sort.subject is not None:
        sort_value = subject_expression(conditions, rows, sort.subject)
        order = order_by(sort, sort_value, rows.created_at)
        if after is not None:
            where += f" AND {beyond(after, sort, sort_value, rows.created_at, conditions.arguments)}"
    slots = Slots(
        bodies=_BODIES[bodies],
        outcome=OUTCOME,
        source=rows.source,
        organization=rows.organization,
        joins=rows.joins,
        where=where,
        order=order,
        sort_value=sort_value,
    )
    return Compiled(slots, conditions.arguments.all())


def compile_rows(request_nos: list[int], sort: Sort, first_parameter: int, bodies: Bodies) -> Compiled:
    """Compile a search for rows that are known by their numbers. The order must not be one of a score."""
    conditions = _conditions({}, first_parameter)
    source = (
        f"unnest({conditions.arguments.add(request_nos, 'bigint[]')}) AS p (request_no)\n"
        "CROSS JOIN LATERAL "
        "(SELECT r.* FROM request AS r WHERE r.request_no = p.request_no OFFSET 0) AS r"
    )
    order, sort_value = "random()", "NULL"
    if sort.subject is not None:
        sort_value = subject_expression(conditions, MatchingRows(where="true"), sort.subject)
        order = order_by(sort, sort_value, "r.created_at")
    slots = Slots(bodies=_BODIES[bodies], outcome=OUTCOME, source=source, order=order, sort_value=sort_value)
    return Compiled(slots, conditions.arguments.all())


def compile_count(
    tree: Filter,
    name_ids: Mapping[str, int],
    first_parameter: int,
    start: Sequence[str] = (),
    *,
    by_hash: bool = False,
) -> Compiled:
    """Compile a filter whose matches are counted."""
    conditions = _conditions(name_ids, first_parameter, by_hash=by_hash)
    rows = stand_in_scores(conditions, tree, start)
    slots = Slots(source=rows.source, organization=rows.organization, joins=rows.joins, where=rows.where)
    return Compiled(slots, conditions.arguments.all())


def compile_requests(
    tree: Filter,
    name_ids: Mapping[str, int],
    first_parameter: int,
    start: Sequence[str] = (),
    *,
    by_hash: bool = False,
    group_by: Column | Property | Cases | None = None,
    scores: Sequence[str] = (),
    value: Score | None = None,
) -> Compiled:
    """Compile a filter for a statement that reads all requests that match. It may ask for their group, for a
    row for each of the named scores that they have, called v, and for the value of a leading score."""
    conditions = _conditions(name_ids, first_parameter, by_hash=by_hash)
    group = _group(conditions, group_by)  # first: its conditions on scores are joined with all
    rows = begin_at(conditions, tree, start, Sort(None)) if start else join_leading(conditions, tree)
    slots = Slots(
        source=rows.source,
        organization=rows.organization,
        joins=rows.joins + (named_scores(conditions, tree, scores, by_hash=by_hash) if scores else ""),
        where=rows.where,
        group=group,
        sort_value=subject_expression(conditions, rows, value) if value else None,
    )
    return Compiled(slots, conditions.arguments.all())


def compile_scores(
    tree: Filter, name_ids: Mapping[str, int], first_parameter: int, names: Sequence[str]
) -> Compiled:
    """Compile a filter that asks for nothing but time for a statement that reads the named scores, called v,
    and of their requests r no more than the time."""
    conditions = _conditions(name_ids, first_parameter)
    ids = [conditions.scores.name_ids[name] for name in names]
    in_time = msgspec.structs.replace(conditions, created_at="v.request_created_at").condition(tree)
    slots = Slots(
        source="score AS v CROSS JOIN LATERAL (SELECT v.request_created_at AS created_at) AS r",
        organization="v.organization_id = $1",
        joins="",
        where=f"v.name_id = ANY({conditions.arguments.add(ids, 'integer[]')}) AND {in_time}",
    )
    return Compiled(slots, conditions.arguments.all())


def compile_size(tree: Filter, first_parameter: int) -> Compiled:
    """Compile the conditions of a filter that an index of requests answers."""
    conditions = _conditions({}, first_parameter)
    return Compiled(Slots(where=conditions.all_of(indexed_conditions(tree))), conditions.arguments.all())


def compile_condition(tree: Filter, name_ids: Mapping[str, int], first_parameter: int) -> Compiled:
    """Compile a filter for a statement that asks about known requests, each looked up by its number."""
    conditions = _conditions(name_ids, first_parameter)
    return Compiled(Slots(where=conditions.condition(tree)), conditions.arguments.all())


def compile_conditions(
    tree: Filter,
    name_ids: Mapping[str, int],
    first_parameter: int,
    columns: ScoreColumns = NO_COLUMNS,
    group_of: GroupOf = OWN,
) -> Compiled:
    """Compile a filter for a statement that reads many scores, and may do without the request's row."""
    conditions = _conditions(name_ids, first_parameter, by_hash=True)
    added = _add_columns(conditions, columns, group_of)  # first: its conditions on scores are joined with all
    rows = join_leading(conditions, tree)
    needs_request = rows.where != "true" or rows.joins != "" or columns.need_request
    slots = Slots(
        source=f"score AS v{added.joins}" if added.joins else None,
        joins=rows.joins,
        where=rows.where,
        request=None if needs_request else "",
        group=added.group,
        unit=added.unit,
        covariate=added.covariate,
        **_rating_slots(columns),
    )
    return Compiled(slots, conditions.arguments.all())


def compile_lookups(
    tree: Filter,
    name_ids: Mapping[str, int],
    first_parameter: int,
    columns: ScoreColumns,
    start: Sequence[str],
) -> Compiled:
    """Compile a filter for a statement that reads few scores, or those of few requests: of the rows of the
    leading scores `start`."""
    conditions = _conditions(name_ids, first_parameter)
    added = _add_columns(conditions, columns, LOOKED_UP)
    if start:
        rows = begin_at(conditions, tree, start, Sort(None))
        source = all_scores(rows)
    else:
        rows, source = look_up_requests(conditions, tree)
    slots = Slots(
        source=source + added.joins,
        request="",
        group=added.group,
        unit=added.unit,
        covariate=added.covariate,
        **_rating_slots(columns),
    )
    return Compiled(slots, conditions.arguments.all())


def compile_raters(
    tree: Filter,
    name_ids: Mapping[str, int],
    first_parameter: int,
    raters: Sequence[Rater],
    unit: Column | Property | None,
    *,
    by_hash: bool,
) -> Compiled:
    """Compile a filter for a statement about the ratings of raters, some of which are authors."""
    conditions = _conditions(name_ids, first_parameter, by_hash=by_hash)
    rows = join_leading(conditions, tree) if by_hash else MatchingRows(where=conditions.condition(tree))
    slots = Slots(
        source=ratings_of(conditions, rows, raters, unit, by_hash=by_hash),
        request="",
        rater="v.rater",
        unit="v.unit",
        ratings=ratings_of_request(len(raters)),
        fold=None if unit is None else FOLD_OF_UNIT,
    )
    return Compiled(slots, conditions.arguments.all())


def compile_opinions(
    tree: Filter, name_ids: Mapping[str, int], first_parameter: int, group_by: ScorePart, *, by_hash: bool
) -> Compiled:
    """Compile a filter for a statement about the opinions on one score, instead of the scores themselves."""
    conditions = _conditions(name_ids, first_parameter, by_hash=by_hash)
    rows = join_leading(conditions, tree) if by_hash else MatchingRows(where=conditions.condition(tree))
    source = grouped_opinions(conditions, rows, group_by, by_hash=by_hash)
    slots = Slots(source=source, request="", where="v.value IS NOT NULL", group="v.group_value")
    return Compiled(slots, conditions.arguments.all())


def _rating_slots(columns: ScoreColumns) -> dict[str, str]:
    fold = {} if columns.unit is None else {"fold": FOLD_OF_UNIT}
    return {"ratings": scores_of_request(columns.raters), **fold} if columns.raters else {}


class _Added(msgspec.Struct, frozen=True):
    """The SQL of columns beside the scores v, and the joins that these need behind v."""

    joins: str
    group: str | None
    unit: str | None
    covariate: str | None


def _add_columns(conditions: ConditionCompiler, columns: ScoreColumns, of: GroupOf) -> _Added:
    group, joins, covariate = None, "", None
    if isinstance(columns.group_by, ScorePart):
        joins, group = join_authors(conditions.scores, columns.group_by, of)
    else:
        group = _group(conditions, columns.group_by)
    if columns.covariate is not None:
        joined, covariate = join_covariate(conditions, columns.covariate, by_hash=of is not LOOKED_UP)
        joins += joined
    unit = None if columns.unit is None else conditions.expression(columns.unit)
    return _Added(joins, group, unit, covariate)


def _group(conditions: ConditionCompiler, group_by: Column | Property | Cases | None) -> str | None:
    match group_by:
        case None:
            return None
        case Cases(filters):
            return compile_cases(conditions, filters)
        case Column() | Property() as subject:
            return conditions.expression(subject)


def compile_selectivity(tree: Filter, name_ids: Mapping[str, int], first_parameter: int) -> Compiled:
    """Compile a count for each leading score: how many rows meet its conditions on the value,
    counted up to the statement's threshold."""
    conditions = _conditions(name_ids, first_parameter)
    counts = (
        f"(SELECT count(*) FROM (SELECT FROM score AS s WHERE {of_name} LIMIT threshold) AS first)"
        for of_name in (
            conditions.scores.of_organization("s", *one) for one in value_conditions(tree).items()
        )
    )
    return Compiled(Slots(counts=", ".join(counts)), conditions.arguments.all())


def compile_probe(
    tree: Filter, score: Score, sort: Sort, name_ids: Mapping[str, int], first_parameter: int
) -> Compiled:
    """Compile the conditions on a leading score's value, to walk its values in order."""
    conditions = _conditions(name_ids, first_parameter)
    of_name = conditions.scores.of_organization("s", score.name, value_conditions(tree)[score.name])
    slots = Slots(scores=f"score AS s WHERE {of_name}", direction=direction(sort))
    return Compiled(slots, conditions.arguments.all())


def _conditions(
    name_ids: Mapping[str, int], first_parameter: int, *, by_hash: bool = False
) -> ConditionCompiler:
    scores = ScoreConditions(name_ids, Arguments(first_parameter))
    return ConditionCompiler(scores, ScoreTable() if by_hash else None)
