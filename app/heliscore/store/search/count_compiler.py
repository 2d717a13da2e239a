"""Compile statements about scores so that they read counts of equal values (`score_counts`) instead.

Some can where filter and groups are of models, of providers, or of prompts and their versions, or where there
are none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from heliscore.domain.changes.period_scores import PROMPT, PROMPT_VERSION
from heliscore.domain.filter_tree import (
    AllOf,
    AnyOf,
    Cases,
    Column,
    Compare,
    Everything,
    Exists,
    Filter,
    Not,
    OneOf,
    Property,
    ScorePart,
)
from heliscore.store.search.conditions import make_conditions
from heliscore.store.search.request_groups import compile_group
from heliscore.store.search.score_columns import ScoreColumns
from heliscore.store.search.slots import Compiled, Slots
from heliscore.store.statements import fill, load, replace_block

_SQL = load("counted_score")
_EVALUATION = load("evaluation")

_ALL_NAMES: Final = "ARRAY(SELECT n.id FROM score_name AS n WHERE n.organization_id = $1)"
_NAMED: Final = "$4::integer[]"

_LAST_INSTANT: Final = "h.begins_at + interval '3599.999 seconds'"

_IN_BUCKET: Final = (
    "date_trunc($4::text, {} AT TIME ZONE 'UTC' - make_interval(mins => $5::integer)) "
    "= date_trunc($4::text, {} AT TIME ZONE 'UTC' - make_interval(mins => $5::integer))"
)

_HOURS: Final[dict[str, dict[str, str]]] = {
    "over_time": {
        "names": _ALL_NAMES,
        "whole": _IN_BUCKET.format("h.begins_at", f"({_LAST_INSTANT})"),
        "counted": "h.begins_at",
        "bucket": "date_bin($6::interval, v.request_created_at, $7::timestamptz)",
    },
    "over_time_in_zone": {
        "names": _ALL_NAMES,
        "whole": "date_trunc($4::text, h.begins_at, $5::text) "
        f"= date_trunc($4::text, {_LAST_INSTANT}, $5::text)",
        "counted": "h.begins_at",
        "bucket": "date_bin(CASE WHEN v.request_created_at >= timestamptz '1972-02-01Z' "
        "THEN least(interval '1 minute', $6::interval) ELSE interval '1 second' END, "
        "v.request_created_at, timestamptz '2000-01-01Z')",
    },
    "trends": {
        "names": _ALL_NAMES,
        "whole": "width_bucket(h.begins_at, $4::timestamptz[]) "
        f"= width_bucket({_LAST_INSTANT}, $4::timestamptz[])",
        "counted": "width_bucket(h.begins_at, $4::timestamptz[])",
        "bucket": "width_bucket(v.request_created_at, $4::timestamptz[])",
    },
    "measure": {"names": _NAMED, "counted": "0", "bucket": "0"},
}
"""Of statements that read sums of hours: the slots of these."""

_GROUPS: Final[dict[str, dict[str, str]]] = {
    "distributions": {"names": _ALL_NAMES},
    "spread": {"names": _NAMED},
    "compare": {
        "names": _NAMED,
        "whole_day": "NOT (d.begins_at < $6::timestamptz "
        "AND d.begins_at + interval '1 day' > $6::timestamptz)",
        "whole_hour": "NOT (h.begins_at < $6::timestamptz "
        "AND h.begins_at + interval '1 hour' > $6::timestamptz)",
        "last": "r.begins_at >= $6::timestamptz",
        "last_score": "v.request_created_at >= $6::timestamptz",
    },
}
"""Of statements that read counts of values by group: the slots of these."""

_SUMS: Final[dict[str, dict[str, str]]] = {
    "changes": {"names": _NAMED, "counted": "y.begins_at", "bucket": "$5::timestamptz"},
    "changes_over_time": {
        "names": _NAMED,
        "whole_day": "$7::interval >= interval '1 day'",
        "counted": "date_bin($7::interval, y.begins_at, timestamptz '2000-01-01Z')",
        "bucket": "date_bin($7::interval, v.request_created_at, timestamptz '2000-01-01Z')",
    },
}
"""Of statements that read sums of several groupings at once: the slots of these."""

_ALL: Final = "all"

_GROUPINGS: Final[dict[str, tuple[frozenset[str], str]]] = {
    _ALL: (frozenset(), "g.group_value"),
    "model": (frozenset(("model",)), "g.group_value AS model"),
    "provider": (frozenset(("provider",)), "g.group_value AS provider"),
    "prompt": (
        frozenset(("prompt_id", "prompt_version")),
        "g.within AS prompt_id, g.group_value AS prompt_version",
    ),
}
"""The columns of requests that each grouping keeps apart, and where it has them."""


class CountedStatement(msgspec.Struct, frozen=True):
    """A statement that reads counts, and the arguments after its own."""

    sql: str
    arguments: tuple[object, ...] = ()
    groupings: tuple[str, ...] | None = None
    """By which it reads values; None: it reads sums of hours."""


def compile_counted(
    statement: str, tree: Filter, columns: ScoreColumns, first_parameter: int
) -> CountedStatement | None:
    """Put counts in the place of scores where there are some that suffice."""
    if statement in _SUMS:
        return _compile_sums(statement, tree, columns.groups)
    group_by = columns.group_by
    if isinstance(group_by, Property | ScorePart) or columns.need_more_than_group:
        return None
    grouping = _find_grouping(tree, group_by)
    if grouping is None:
        return None
    sql = _EVALUATION[statement]
    if statement in _HOURS and grouping == _ALL:
        return CountedStatement(replace_block(sql, "hours", fill(_SQL["hours"], **_HOURS[statement])))
    if statement not in _GROUPS:
        return None
    conditions = make_conditions({}, first_parameter)
    slots = Slots(
        where=conditions.condition(tree),
        group=compile_group(conditions, group_by),
        request="" if grouping == _ALL else None,
    )
    compiled = Compiled(slots, conditions.arguments.all())
    of_grouping = {"grouping": f"'{grouping}'", "columns": _GROUPINGS[grouping][1]}
    counts = compiled.fill(fill(_SQL["groups"], **of_grouping, **_GROUPS[statement]))
    return CountedStatement(replace_block(sql, "groups", counts), compiled.arguments, (grouping,))


def _compile_sums(
    statement: str, tree: Filter, groups: Sequence[Column | Property]
) -> CountedStatement | None:
    if _columns_of((tree,)) != frozenset():
        return None
    found = [_find_grouping(tree, group) for group in groups if isinstance(group, Column)]
    groupings = [grouping for grouping in found if grouping is not None]
    if len(groupings) < len(groups):
        return None
    wanted = tuple(dict.fromkeys((_ALL, *groupings)))
    places = [f"(0, '{_ALL}', '', false)"]
    for number, (grouping, group) in enumerate(zip(groupings, groups, strict=True), 1):
        of = "within" if group == PROMPT else "value"
        places.append(f"({number}, '{grouping}', '{of}', {'true' if group == PROMPT_VERSION else 'false'})")
    slots = {"groupings": f"'{{{','.join(wanted)}}}'", "places": ", ".join(places), **_SUMS[statement]}
    sql = replace_block(_EVALUATION[statement], "places", fill(_SQL["places"], **slots))
    return CountedStatement(sql, (), wanted)


def _find_grouping(tree: Filter, group_by: Column | Cases | None) -> str | None:
    """Find the grouping that has all that a filter and groups are of."""
    filters = (tree, *(group_by.filters if isinstance(group_by, Cases) else ()))
    found = _columns_of(filters)
    if found is None:
        return None
    if isinstance(group_by, Column):
        found |= {group_by.name}
    return next((grouping for grouping, (has, _) in _GROUPINGS.items() if found <= has), None)


def _columns_of(filters: Iterable[Filter]) -> frozenset[str] | None:
    """The columns that filters are of; None where they are of anything else too."""
    found: frozenset[str] = frozenset()
    for tree in filters:
        match tree:
            case Everything():
                of_tree: frozenset[str] | None = frozenset()
            case AllOf(parts) | AnyOf(parts):
                of_tree = _columns_of(parts)
            case Not(part):
                of_tree = _columns_of((part,))
            case Compare(Column(name)) | OneOf(Column(name)) | Exists(Column(name)):
                of_tree = frozenset((name,))
            case _:
                of_tree = None
        if of_tree is None:
            return None
        found |= of_tree
    return found
