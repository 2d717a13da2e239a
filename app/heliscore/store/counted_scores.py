"""Where a statement about scores reads counts of equal values, made beforehand (`score_counts`), instead.

It can where its filter and groups are of models, of providers, or of prompts and their versions, or where
there are none: then its answer takes as long for millions of scores as for thousands. Counts are exact, and
what is not counted just now is read by the same statement. Where that would be much, all scores are read, by
plans that are quicker for many.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from heliscore.domain.filter_tree import (
    AllOf,
    AnyOf,
    Cases,
    Column,
    Compare,
    Everything,
    Exists,
    Filter,
    GroupBy,
    Not,
    OneOf,
)
from heliscore.store.connections.pool import Connection
from heliscore.store.search.conditions import make_conditions
from heliscore.store.search.request_groups import compile_group
from heliscore.store.search.score_columns import ScoreColumns
from heliscore.store.search.slots import Compiled, Slots
from heliscore.store.statements import fill, load, replace_block

_SQL = load("counted_score")
_EVALUATION = load("evaluation")

MOST_READ: Final = 1 / 8
"""Of the scores, or the hours, the share that may have to be read."""

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
    grouping: str | None = None
    """By which it reads values; None: it reads sums."""


async def find_counted(
    connection: Connection,
    statement: str,
    tree: Filter,
    columns: ScoreColumns,
    fixed: tuple[object, ...],
    scores: list[int] | None,
) -> CountedStatement | None:
    """Return the statement so that it reads counts; None where it cannot, or should not.

    `fixed` are its own arguments: organization, start and end of the time, and others.
    """
    counted = compile_counted(statement, tree, columns, len(fixed) + 1)
    if counted is None or (counted.grouping is None and _is_finer(statement, fixed)):
        return None
    rows = await connection.fetch(_SQL["backlog"], *fixed[:3], scores, counted.grouping)
    is_uncounted, in_counts, read, hours, new_hours = rows[0]
    if is_uncounted or not hours or read > in_counts * MOST_READ or new_hours > hours * MOST_READ:
        return None
    return counted


def compile_counted(
    statement: str, tree: Filter, columns: ScoreColumns, first_parameter: int
) -> CountedStatement | None:
    """Put counts in the place of scores where there are some that suffice."""
    if columns.groups or columns.unit is not None or columns.covariate is not None or columns.raters:
        return None
    grouping = _find_grouping(tree, columns.group_by)
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
        group=compile_group(conditions, columns.group_by),
        request="" if grouping == _ALL else None,
    )
    compiled = Compiled(slots, conditions.arguments.all())
    of_grouping = {"grouping": f"'{grouping}'", "columns": _GROUPINGS[grouping][1]}
    counts = compiled.fill(fill(_SQL["groups"], **of_grouping, **_GROUPS[statement]))
    return CountedStatement(replace_block(sql, "groups", counts), compiled.arguments, grouping)


def _find_grouping(tree: Filter, group_by: GroupBy | None) -> str | None:
    """Find the grouping that has all that a filter and groups are of."""
    filters = (tree, *(group_by.filters if isinstance(group_by, Cases) else ()))
    found = _columns_of(filters)
    match group_by:
        case Column(name):
            found = None if found is None else found | {name}
        case None | Cases():
            pass
        case _:
            return None
    if found is None:
        return None
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


def _is_finer(statement: str, fixed: tuple[object, ...]) -> bool:
    """Whether no hour lies within one bucket, so that counts would be of no use."""
    if statement not in ("over_time", "over_time_in_zone"):
        return False
    unit, clock = fixed[3:5]
    return unit == "minute" or (unit == "hour" and _minutes_of(clock) != 0)


def _minutes_of(clock: object) -> int:
    """How far the clock's hours are from those of UTC, in minutes."""
    if isinstance(clock, int):
        return clock % 60
    try:
        offset = datetime.now(UTC).astimezone(ZoneInfo(str(clock))).utcoffset() or timedelta()
    except ZoneInfoNotFoundError:
        return 0
    return int(offset.total_seconds()) // 60 % 60
