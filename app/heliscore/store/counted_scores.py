"""Where a statement about scores reads counts of equal values, made beforehand (`score_counts`), instead.

Only where it reads all scores of a time, of requests without a filter: then its answer takes as long for
millions of scores as for thousands. Counts are exact, and what is not counted just now is read by the same
statement: where that is much, all scores are, because that is quicker.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from heliscore.domain.filter_tree import Column
from heliscore.store.connections.pool import Connection
from heliscore.store.search.score_columns import ScoreColumns
from heliscore.store.statements import fill, load, replace_block

_SQL = load("counted_score")
_EVALUATION = load("evaluation")

MOST_TOUCHED: Final = 1 / 8
"""Of the hours that are counted, the share that may have to be read from the scores."""

_ALL_NAMES: Final = "ARRAY(SELECT n.id FROM score_name AS n WHERE n.organization_id = $1)"
_NAMED: Final = "$4::integer[]"

_LAST_INSTANT: Final = "h.begins_at + interval '3599.999 seconds'"

_IN_BUCKET: Final = (
    "date_trunc($4::text, {} AT TIME ZONE 'UTC' - make_interval(mins => $5::integer)) "
    "= date_trunc($4::text, {} AT TIME ZONE 'UTC' - make_interval(mins => $5::integer))"
)


class _Block(msgspec.Struct, frozen=True):
    """What stands in for a block of a statement."""

    name: Literal["hours", "values"]
    slots: dict[str, str] = {}


_BLOCKS: Final = {
    "over_time": _Block(
        "hours",
        {
            "names": _ALL_NAMES,
            "whole": _IN_BUCKET.format("h.begins_at", f"({_LAST_INSTANT})"),
            "counted": "h.begins_at",
            "bucket": "date_bin($6::interval, v.request_created_at, $7::timestamptz)",
        },
    ),
    "over_time_in_zone": _Block(
        "hours",
        {
            "names": _ALL_NAMES,
            "whole": "date_trunc($4::text, h.begins_at, $5::text) "
            f"= date_trunc($4::text, {_LAST_INSTANT}, $5::text)",
            "counted": "h.begins_at",
            "bucket": "date_bin(CASE WHEN v.request_created_at >= timestamptz '1972-02-01Z' "
            "THEN least(interval '1 minute', $6::interval) ELSE interval '1 second' END, "
            "v.request_created_at, timestamptz '2000-01-01Z')",
        },
    ),
    "trends": _Block(
        "hours",
        {
            "names": _ALL_NAMES,
            "whole": "width_bucket(h.begins_at, $4::timestamptz[]) "
            f"= width_bucket({_LAST_INSTANT}, $4::timestamptz[])",
            "counted": "width_bucket(h.begins_at, $4::timestamptz[])",
            "bucket": "width_bucket(v.request_created_at, $4::timestamptz[])",
        },
    ),
    "measure": _Block("hours", {"names": _NAMED, "counted": "0", "bucket": "0"}),
    "distributions": _Block("values", {"names": _ALL_NAMES}),
    "spread": _Block("values", {"names": _NAMED}),
}
"""By statement, where it does not group by anything."""

_GROUPINGS: Final = {
    "model": ("model", "g.group_value"),
    "provider": ("provider", "g.group_value"),
    "prompt_id": ("prompt", "g.within"),
    "prompt_version": ("prompt", "g.group_value"),
}
"""By column, the grouping of its counts and the group in them."""

_SINCE: Final = {
    "whole_day": "NOT (d.begins_at < $6::timestamptz AND d.begins_at + interval '1 day' > $6::timestamptz)",
    "whole_hour": "NOT (h.begins_at < $6::timestamptz AND h.begins_at + interval '1 hour' > $6::timestamptz)",
    "last": "g.begins_at >= $6::timestamptz",
    "last_score": "v.request_created_at >= $6::timestamptz",
}

_GROUPED: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "compare": ("groups", _SINCE),
    "spread": ("values", {}),
}
"""By statement, its block and the slots of counts by group."""


async def read_counts(
    connection: Connection,
    statement: str,
    columns: ScoreColumns,
    fixed: tuple[object, ...],
    scores: list[int] | None,
) -> str | None:
    """Return the statement so that it reads counts; None where it cannot, or should not.

    `fixed` are its own arguments: organization, start and end of the time, and others.
    """
    counted = _find(statement, columns)
    if counted is None or _is_finer(statement, fixed):
        return None
    [(is_uncounted, hours, touched)] = await connection.fetch(_SQL["backlog"], *fixed[:3], scores)
    return None if is_uncounted or hours == 0 or touched > hours * MOST_TOUCHED else counted


def _find(statement: str, columns: ScoreColumns) -> str | None:
    if columns.groups or columns.unit is not None or columns.covariate is not None or columns.raters:
        return None
    sql = _EVALUATION[statement]
    match columns.group_by:
        case None if block := _BLOCKS.get(statement):
            return replace_block(sql, block.name, fill(_SQL[block.name], **block.slots))
        case Column(name) if name in _GROUPINGS and statement in _GROUPED:
            (replaced, slots), (grouping, group) = _GROUPED[statement], _GROUPINGS[name]
            of_group = {"grouping": f"'{grouping}'", "counted": group, "group": f"r.{name}"}
            return replace_block(sql, replaced, fill(_SQL["groups"], names=_NAMED, **of_group, **slots))
        case _:
            return None


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
