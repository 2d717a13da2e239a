"""Keeps scores counted by hour and by day, so that statistics need not read them all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from heliscore.jobs.background import StopService, repeat, running
from heliscore.store.connections.pool import Database
from heliscore.store.score_counts import NOTHING, count_touched

_PAUSE_S: Final = 5.0
_AWAY_PAUSE_S: Final = 30.0


@asynccontextmanager
async def kept_counted(database: Database, stop_service: StopService) -> AsyncIterator[None]:
    """Count until the block ends."""

    async def work() -> None:
        while await count_touched(database) != NOTHING:
            pass

    job = repeat(
        work, _PAUSE_S, waiting="counting has to wait", away_pause_s=_AWAY_PAUSE_S, first_pause_s=_PAUSE_S
    )
    async with running("counting of scores", job, stop_service):
        yield
