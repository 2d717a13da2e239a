"""Retention: requests that were created long enough ago go, with all their scores, and so do old values of
scores that were replaced long enough ago, calls whose Idempotency-Keys no longer count, and events that were
sent.

It happens in small batches with pauses, so that writers and disks get on meanwhile, one batch at a time over
all processes. A request that is being written is left to a later batch. A score that is posted to one that is
being deleted waits for the batch, and then begins the request anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from heliscore.domain.times import EPOCH
from heliscore.store import event_cursor, events, idempotent_calls, waiting_scores
from heliscore.store.cluster.groups import for_each_group, list_groups
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.scores import erase_scores
from heliscore.store.statements import load

_SQL = load("retention")

_BATCH: Final = 1000
_HISTORY_BATCH: Final = 5000
"""Rows that are walked; few of them may be old."""

_EVENT_BATCH: Final = 10_000

_BEGINNING: Final = (-1, 0, 0, EPOCH)
_SHORTEST_PAUSE_S: Final = 0.02


class Deleted(msgspec.Struct, frozen=True):
    """How much a batch, or several, took away."""

    requests: int = 0
    scores: int = 0

    def __add__(self, other: Deleted) -> Deleted:
        return Deleted(self.requests + other.requests, self.scores + other.scores)

    def __str__(self) -> str:
        return f"{self.requests} requests with {self.scores} scores"


def days_ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


async def prune(
    database: Database, before: datetime, progress: Callable[[Deleted], None] | None = None
) -> tuple[Deleted, bool]:
    """Delete all requests created before that time. Returns how much that was, and whether it came to the
    end: it leaves the rest to another process that is at it. `progress` hears the sum after each batch.

    Raises Unavailable.
    """
    total = Deleted()
    for organization_id in await _list_organizations(database):
        batch: Deleted | None = None
        while batch is None or batch.requests == _BATCH:
            begun = time.monotonic()
            async with database.connection() as connection:
                batch = await prune_batch(connection, organization_id, before)
            if batch is None:
                return total, False
            if batch.requests:
                total += batch
                if progress:
                    progress(total)
                await _rest(begun)
    return total, True


async def prune_calls(database: Database) -> None:
    """Delete the calls whose Idempotency-Keys no longer count. Raises Unavailable."""
    for organization_id in await _list_organizations(database):
        forgotten = _BATCH
        while forgotten == _BATCH:
            begun = time.monotonic()
            async with database.connection() as connection:
                forgotten = await idempotent_calls.forget(connection, organization_id, _BATCH)
            if forgotten:
                await _rest(begun)


async def prune_waiting_scores(database: Database) -> None:
    """Delete the scores that waited too long for a response to be logged. Raises Unavailable."""
    for organization_id in await _list_organizations(database):
        removed = _BATCH
        while removed == _BATCH:
            begun = time.monotonic()
            async with database.connection() as connection:
                removed = await waiting_scores.prune(connection, organization_id, _BATCH)
            if removed:
                await _rest(begun)


async def prune_events(database: Database) -> None:
    """Delete the events that have served their time. Raises Unavailable."""
    async with database.connection() as connection:
        look = await event_cursor.look(connection)

    async def prune_group(group: int) -> None:
        removed = _EVENT_BATCH
        while removed == _EVENT_BATCH:
            begun = time.monotonic()
            async with database.connection() as connection:
                removed = await events.prune(connection, look.of(group), _EVENT_BATCH, group)
            if removed:
                await _rest(begun)

    await for_each_group(database, prune_group)


async def _list_organizations(database: Database) -> list[int]:
    async with database.connection() as connection:
        return [id_ for (id_,) in await connection.fetch(_SQL["list_organizations"])]


async def _rest(begun: float) -> None:
    """At most half of the time is ours."""
    await asyncio.sleep(max(_SHORTEST_PAUSE_S, time.monotonic() - begun))


async def prune_history(
    database: Database, before: datetime, progress: Callable[[int], None] | None = None
) -> tuple[int, bool]:
    """Delete the changes of scores that were replaced before that time, with their comments. Returns how many
    that was, and whether it came to the end, as `prune` does.

    The present values stay, whatever their age, and what cannot be deleted just now waits for the next time.
    It reads the whole history: no index knows when a change was replaced. Raises Unavailable.
    """
    async with database.connection() as connection:
        groups = await list_groups(connection)
    total = 0
    for group in groups:
        after: tuple[object, ...] = _BEGINNING
        while after[0] is not None:
            begun = time.monotonic()
            async with database.connection() as connection, connection.transaction():
                if not await connection.fetchval(_SQL["claim_history"]):
                    return total, False
                arguments = *after, before, _HISTORY_BATCH, group
                [row] = await connection.fetch(_SQL["remove_history"], *arguments)
            removed, *last = row
            total, after = total + removed, tuple(last)
            if after[0] is not None:
                if progress:
                    progress(total)
                await _rest(begun)
    return total, True


async def prune_batch(connection: Connection, organization_id: int, before: datetime) -> Deleted | None:
    """Delete up to a thousand of an organization's requests; None while another process does."""
    async with connection.transaction():
        if not await connection.fetchval(_SQL["claim"]):
            return None
        removed = await connection.fetch(_SQL["remove_requests"], organization_id, before, _BATCH)
        numbers = [number for (number,) in removed]
        erased = await erase_scores(connection, organization_id, numbers)
    return Deleted(erased.requests, erased.scores)
