"""Compile statements about scores so that they read counts of equal values (`score_counts`) instead.

Some can where filter and groups are of models, of providers, or of prompts and their versions, or where there
are none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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

_LAST_INSTANT: Final = "(h.begins_at + interval '3599.999 seconds')"


def _in_bucket(bucket: str) -> dict[str, str]:
    """The slots of a statement that reads sums of hours: of those whose first and last instant are in one
    bucket."""
    first, last = bucket.format("h.begins_at"), bucket.format(_LAST_INSTANT)
    return {"groupings": "'{}'", "whole_day": "false", "whole_hour": f"{first} = {last}"}


def _on_one_side(start: str, end: str) -> dict[str, str]:
    """The slots of a statement that keeps scores before `end` apart from those from `start` on."""
    apart = "NOT ({0}.begins_at < {1} AND {0}.begins_at + interval '{2}' > {3})"
    return {
        "whole_day": apart.format("d", start, "1 day", end),
        "whole_hour": apart.format("h", start, "1 hour", end),
    }


_WIDTH: Final = "width_bucket({}, $4::timestamptz[])"

_HOURS: Final[dict[str, dict[str, str]]] = {
    "over_time": {
        "names": _ALL_NAMES,
        **_in_bucket("date_trunc($4::text, {} AT TIME ZONE 'UTC' - make_interval(mins => $5::integer))"),
        "counted": "h.begins_at",
        "bucket": "date_bin($6::interval, v.request_created_at, $7::timestamptz)",
    },
    "over_time_in_zone": {
        "names": _ALL_NAMES,
        **_in_bucket("date_trunc($4::text, {}, $5::text)"),
        "counted": "h.begins_at",
        "bucket": "date_bin(CASE WHEN v.request_created_at >= timestamptz '1972-02-01Z' "
        "THEN least(interval '1 minute', $6::interval) ELSE interval '1 second' END, "
        "v.request_created_at, timestamptz '2000-01-01Z')",
    },
    "trends": {
        "names": _ALL_NAMES,
        **_in_bucket(_WIDTH),
        "counted": _WIDTH.format("h.begins_at"),
        "bucket": _WIDTH.format("v.request_created_at"),
    },
    "measure": {"names": _NAMED, **_in_bucket("0"), "counted": "0", "bucket": "0"},
}
"""Of statements that read sums of hours: the slots of these."""

_GROUPS: Final[dict[str, dict[str, str]]] = {
    "distributions": {"names": _ALL_NAMES},
    "spread": {"names": _NAMED},
    "compare": {
        "names": _NAMED,
        **_on_one_side("$6::timestamptz", "$6::timestamptz"),
        "last": "r.begins_at >= $6::timestamptz",
        "last_score": "v.request_created_at >= $6::timestamptz",
    },
}
"""Of statements that read counts of values by group: the slots of these."""

_TWO_TIMES: Final = _on_one_side("$5::timestamptz", "$6::timestamptz")
_BIN: Final = "date_bin($7::interval, {}, timestamptz '2000-01-01Z')"

_SUMS: Final[dict[str, dict[str, str]]] = {
    "changes": {"names": _NAMED, **_TWO_TIMES, "counted": "y.begins_at", "bucket": "$5::timestamptz"},
    "changes_over_time": {
        "names": _NAMED,
        **_TWO_TIMES,
        "whole_day": f"$7::interval >= interval '1 day' AND {_TWO_TIMES['whole_day']}",
        "counted": _BIN.format("y.begins_at"),
        "bucket": _BIN.format("v.request_created_at"),
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
    if statement in _HOURS and grouping == _ALL:
        return CountedStatement(_put(statement, "hours", _HOURS[statement]))
    if statement not in _GROUPS:
        return None
    conditions = make_conditions({}, first_parameter)
    slots = Slots(
        where=conditions.condition(tree),
        group=compile_group(conditions, group_by),
        request="" if grouping == _ALL else None,
    )
    compiled = Compiled(slots, conditions.arguments.all())
    of_grouping = {"groupings": f"'{{{grouping}}}'", "columns": _GROUPINGS[grouping][1]}
    counted = _put(statement, "groups", of_grouping | _GROUPS[statement])
    return CountedStatement(compiled.fill(counted), compiled.arguments, (grouping,))


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
    slots = {"groupings": f"'{{{','.join(wanted)}}}'", "places": ", ".join(places)}
    return CountedStatement(_put(statement, "places", slots | _SUMS[statement]), (), wanted)


def _put(statement: str, block: str, slots: Mapping[str, str]) -> str:
    """Put counts in the place of a statement's block."""
    counts = replace_block(_SQL[block], "spans", _SQL["spans"])
    return replace_block(_EVALUATION[statement], block, fill(counts, **slots))


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
