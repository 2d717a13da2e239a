"""Where a statement about scores reads counts of equal values, made beforehand (`score_counts`), instead.

Then its answer takes as long for millions of scores as for thousands. Counts are exact, and what is not
counted just now is read by the same statement. Where that would be much, all scores are read, by plans
that are quicker for many.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from heliscore.domain.filter_tree import Filter
from heliscore.store.connections.pool import Connection
from heliscore.store.search.count_compiler import CountedStatement, compile_counted
from heliscore.store.search.score_columns import ScoreColumns
from heliscore.store.statements import load

_SQL = load("counted_score")

MOST_READ: Final = 1 / 8
"""Of the scores, or the hours, the share that may have to be read."""


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
    if counted is None or (counted.groupings is None and _is_finer(statement, fixed)):
        return None
    rows = await connection.fetch(_SQL["backlog"], *fixed[:3], scores, counted.groupings)
    is_uncounted, in_counts, read, hours, new_hours = rows[0]
    if is_uncounted or not hours or read > in_counts * MOST_READ or new_hours > hours * MOST_READ:
        return None
    return counted


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
