"""Compile a filter for each statement that reads scores, with their groups, units and raters.

As `compiler` does for statements that read requests: `name_ids` holds the organization's score names, and
parameters are numbered from `first_parameter`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from heliscore.domain.filter_tree import (
    Column,
    Filter,
    Property,
    ScorePart,
    Sort,
)
from heliscore.domain.rater import Rater
from heliscore.store.search.author_groups import LOOKED_UP, OWN, GroupOf, grouped_opinions, join_authors
from heliscore.store.search.conditions import ConditionCompiler, make_conditions
from heliscore.store.search.covariates import join_covariate
from heliscore.store.search.matching_rows import (
    MatchingRows,
    all_scores,
    begin_at,
    join_leading,
    look_up_requests,
)
from heliscore.store.search.raters import FOLD_OF_UNIT, ratings_of, ratings_of_request, scores_of_request
from heliscore.store.search.request_groups import compile_group, compile_keys
from heliscore.store.search.score_columns import NO_COLUMNS, ScoreColumns
from heliscore.store.search.slots import Compiled, Slots


def compile_conditions(
    tree: Filter,
    name_ids: Mapping[str, int],
    first_parameter: int,
    columns: ScoreColumns = NO_COLUMNS,
    group_of: GroupOf = OWN,
) -> Compiled:
    """Compile a filter for a statement that reads many scores, and may do without the request's row."""
    conditions = make_conditions(name_ids, first_parameter, by_hash=True)
    added = _add_columns(conditions, columns, group_of)  # first: its conditions on scores are joined with all
    rows = join_leading(conditions, tree)
    needs_request = rows.where != "true" or rows.joins != "" or columns.need_request
    slots = Slots(
        source=f"score AS v{added.joins}" if added.joins else None,
        joins=rows.joins,
        where=rows.where,
        request=None if needs_request else "",
        group=added.group,
        keys=added.keys,
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
    conditions = make_conditions(name_ids, first_parameter)
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
        keys=added.keys,
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
    conditions = make_conditions(name_ids, first_parameter, by_hash=by_hash)
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
    conditions = make_conditions(name_ids, first_parameter, by_hash=by_hash)
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
    keys: str | None
    unit: str | None
    covariate: str | None


def _add_columns(conditions: ConditionCompiler, columns: ScoreColumns, of: GroupOf) -> _Added:
    group, keys, joins, covariate = None, None, "", None
    if isinstance(columns.group_by, ScorePart):
        joins, group = join_authors(conditions.scores, columns.group_by, of)
    elif columns.groups:
        keys = compile_keys(conditions, columns.groups)
        group = f"ARRAY[{keys}]::text[]"
    else:
        group = compile_group(conditions, columns.group_by)
    if columns.covariate is not None:
        joined, covariate = join_covariate(conditions, columns.covariate, by_hash=of is not LOOKED_UP)
        joins += joined
    unit = None if columns.unit is None else conditions.expression(columns.unit)
    return _Added(joins, group, keys, unit, covariate)
