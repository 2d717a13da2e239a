"""Deletes what has served its time, every ten minutes: requests that are older than the retention period, and
calls whose Idempotency-Keys no longer count."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from heliscore.domain.errors import Unavailable
from heliscore.jobs.background import StopService, running
from heliscore.store import idempotent_calls
from heliscore.store.connections.pool import Database
from heliscore.store.retention import days_ago, prune

_log = logging.getLogger("heliscore")

_INTERVAL_S: Final = 600


@asynccontextmanager
async def kept_pruned(
    database: Database, days: int | None, stop_service: StopService, *, interval_s: float = _INTERVAL_S
) -> AsyncIterator[None]:
    """Prune until the block ends. `days` is the retention period; None: requests stay."""
    async with running("retention", _keep_pruned(database, days, interval_s), stop_service):
        yield


async def _keep_pruned(database: Database, days: int | None, interval_s: float) -> None:
    while True:
        try:
            await idempotent_calls.prune(database)
            if days is not None:
                await _prune_requests(database, days)
        except Unavailable as error:
            _log.warning("retention has to wait: %s", error)
        await asyncio.sleep(interval_s)


async def _prune_requests(database: Database, days: int) -> None:
    deleted, _ = await prune(database, days_ago(days))
    if deleted.requests:
        _log.info("retention deleted %s older than %d days", deleted, days)
