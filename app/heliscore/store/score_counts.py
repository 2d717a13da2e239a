"""Counts equal values of scores by hour and by day, where scores have changed since (`sql/migrations/0018`).

It happens in small batches with pauses, one batch at a time over all services, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from heliscore.domain.times import exactly_now
from heliscore.store.cluster.groups import for_each_group, groups_of
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.statements import load

_SQL = load("score_count")

_SETTLING: Final = timedelta(seconds=10)
"""Since it was touched: an hour whose scores come in one after the other is not counted each time."""

_MAX_HOURS: Final = 2000
"""Closed at a time, of one organization."""

_MOST_HOURS: Final = 200
"""Counted by one statement, each of one score."""

_MOST_DAYS: Final = 20

_TURN_S: Final = 5.0
"""For the days of one organization, while others wait."""

_SIZES: Final = 100, 0.25
"""How many different values an hour may have, or which share of its scores may differ, whichever is more. Of
more, an array would take as much space as an index, and as long to read as the scores."""

_LEAST_GROUPED: Final = 200
"""Scores of an hour that is counted by group too."""

_PATIENCE_S: Final = 2.0
"""For transactions that were running when an hour was closed; after that, another round counts it."""

_SHORTEST_PAUSE_S: Final = 0.02
_STATEMENT_S: Final = 0.5


class Counted(msgspec.Struct, frozen=True):
    """How much was counted."""

    hours: int = 0
    days: int = 0


NOTHING: Final = Counted()


async def count_touched(
    database: Database, now: datetime | None = None, *, settling: timedelta = _SETTLING
) -> Counted:
    """Count some hours that have ended and were touched, and some days of which all hours are counted, of
    each organization. Raises Unavailable."""
    now = now or exactly_now()
    ends = now - timedelta(hours=1), now - settling, now - timedelta(days=1)
    async with database.connection() as connection:
        everyone = [id_ for (id_,) in await connection.fetch(_SQL["list_all"])]
        groups = await groups_of(connection, everyone)

    async def count(group: int) -> Counted:
        members = [id_ for id_ in everyone if groups[id_] == group]
        return await _count_group(database, group, members, *ends) if members else NOTHING

    done = await for_each_group(database, count)
    return Counted(sum(each.hours for each in done), sum(each.days for each in done))


async def _count_group(
    database: Database,
    group: int,
    members: Sequence[int],
    hour_ended: datetime,
    settled: datetime,
    day_ended: datetime,
) -> Counted:
    async with database.connection() as connection:
        found = await connection.fetch(_SQL["list_organizations"], members, hour_ended, settled, day_ended)
    organizations = [id_ for (id_,) in found]
    for id_ in organizations:
        async with database.connection() as connection:
            await _claimed(connection, "touch_uncounted", id_)
            await connection.execute(_SQL["close_hours"], id_, hour_ended, settled, _MAX_HOURS)
    closed = await _list_closed(database, group, organizations)
    hours = days = 0
    for id_ in organizations:
        rows, size = closed.get(id_, []), _Size(_MOST_HOURS)
        while rows:
            batch, rows = rows[: size.number], rows[size.number :]
            hours += await _count(database, size, "count_hours", id_, batch, *_SIZES, _LEAST_GROUPED)
        size, end, done = _Size(_MOST_DAYS), time.monotonic() + _TURN_S, 1
        while done and time.monotonic() < end:
            done = await _count(database, size, "count_days", id_, day_ended, size.number, *_SIZES)
            days += done
    return Counted(hours, days)


class _Size:
    """How much is counted by one statement: as much as takes half a second. An hour may have a few scores
    or millions."""

    def __init__(self, most: int) -> None:
        self.number = 1
        self._most = most

    def adapt(self, took_s: float) -> None:
        if took_s > _STATEMENT_S:
            self.number = max(self.number // 2, 1)
        elif took_s < _STATEMENT_S / 2:
            self.number = min(self.number * 2, self._most)


async def _list_closed(database: Database, group: int, organizations: Sequence[int]) -> dict[int, list[int]]:
    """Return the rows of each organization of a group that are closed, once no transaction relies on them any
    more; none where one runs for long."""
    closed: dict[int, list[int]] = {}
    async with database.connection() as connection:
        for id_ in organizations:
            closed[id_] = [number for (number,) in await connection.fetch(_SQL["list_closed"], id_)]
        before = await connection.fetchval(_SQL["next_transaction"], group)
    end = time.monotonic() + _PATIENCE_S
    while any(closed.values()):
        async with database.connection() as connection:
            if await connection.fetchval(_SQL["have_ended"], group, before):
                break
        if time.monotonic() > end:
            return {}
        await asyncio.sleep(_SHORTEST_PAUSE_S)
    return closed


async def _count(database: Database, size: _Size, statement: str, *arguments: object) -> int:
    begun = time.monotonic()
    async with database.connection() as connection:
        counted = await _claimed(connection, statement, *arguments)
    took_s = time.monotonic() - begun
    size.adapt(took_s)
    if counted:
        await asyncio.sleep(max(_SHORTEST_PAUSE_S, took_s))  # at most half of the time is ours
    return counted


async def _claimed(connection: Connection, statement: str, *arguments: object) -> int:
    """Run a statement unless another process runs one of these; return what it returns, or 0."""
    async with connection.transaction():
        if not await connection.fetchval(_SQL["claim"]):
            return 0
        # A statement after the claim: it sees what another process counted before.
        return int(await connection.fetchval(_SQL[statement], *arguments))
