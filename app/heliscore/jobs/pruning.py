"""Deletes what has served its time: requests that are older than the retention period, calls whose
Idempotency-Keys no longer count, scores that waited too long for a response, events that were sent, the
history of monitors, and changes of scores that were replaced too long ago."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from heliscore.jobs.background import StopService, repeat, running
from heliscore.store import monitors
from heliscore.store.connections.pool import Database
from heliscore.store.retention import (
    days_ago,
    prune,
    prune_calls,
    prune_events,
    prune_history,
    prune_waiting_scores,
)

_log = logging.getLogger("heliscore")

_INTERVAL_S: Final = 600
_HISTORY_INTERVAL_S: Final = 6 * 3600
"""Longer: it reads the whole history each time."""


@asynccontextmanager
async def kept_pruned(
    database: Database, days: int | None, stop_service: StopService, *, interval_s: float = _INTERVAL_S
) -> AsyncIterator[None]:
    """Prune until the block ends. `days` is the retention period; None: requests stay."""

    async def work() -> None:
        await prune_calls(database)
        await prune_waiting_scores(database)
        await prune_events(database)
        await _prune_monitors(database)
        if days is not None:
            await _prune_requests(database, days)

    async with running("retention", _keep_pruning(work, interval_s), stop_service):
        yield


@asynccontextmanager
async def history_kept_pruned(
    database: Database,
    days: int | None,
    stop_service: StopService,
    *,
    interval_s: float = _HISTORY_INTERVAL_S,
) -> AsyncIterator[None]:
    """Prune the history of scores until the block ends, unless `days` is None."""
    if days is None:
        yield
        return

    async def work() -> None:
        deleted, _ = await prune_history(database, days_ago(days))
        if deleted:
            _log.info("retention deleted %d changes of scores replaced over %d days ago", deleted, days)

    async with running("retention of history", _keep_pruning(work, interval_s), stop_service):
        yield


async def _keep_pruning(work: Callable[[], Awaitable[None]], interval_s: float) -> None:
    away_pause_s = min(interval_s, _INTERVAL_S)
    await repeat(work, interval_s, waiting="retention has to wait", away_pause_s=away_pause_s)


async def _prune_monitors(database: Database) -> None:
    is_left = True
    while is_left:
        async with database.connection() as connection:
            is_left = await monitors.prune_changes(connection)


async def _prune_requests(database: Database, days: int) -> None:
    deleted, _ = await prune(database, days_ago(days))
    if deleted.requests:
        _log.info("retention deleted %s older than %d days", deleted, days)
