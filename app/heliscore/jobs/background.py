"""Runs a job beside the requests; a job that fails is logged by name and ends the service.

A job that died in silence would leave its work undone for as long as the service runs: old requests would
stay, the next restore would go unnoticed. A service that ends with status 1 is started again by systemd or by
the container runtime.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

from heliscore.domain.errors import Unavailable

_log = logging.getLogger("heliscore")

_CANCEL_AGAIN_S: Final = 0.5

StopService = Callable[[], None]
"""Lets the requests in progress finish, then ends the process with status 1."""


@asynccontextmanager
async def running(
    name: str, job: Coroutine[Any, Any, None], stop_service: StopService
) -> AsyncIterator[None]:
    """Run a job until the block ends, then cancel it. `stop_service` is called if the job raises."""

    def report(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("%s has stopped", name, exc_info=error)
            stop_service()

    task = asyncio.create_task(job, name=name)
    task.add_done_callback(report)
    try:
        yield
    finally:
        # More than once: where a connection is given back to a database that hangs, the job gets Unavailable
        # instead, and goes on.
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=_CANCEL_AGAIN_S)


async def repeat(
    work: Callable[[], Awaitable[None]],
    interval_s: float,
    *,
    waiting: str,
    away_pause_s: float,
    first_pause_s: float = 0.0,
) -> None:
    """Work again and again, with a pause after each time, and another one while the database is away, which
    is logged once: `waiting` begins the line."""
    is_away = False
    await asyncio.sleep(first_pause_s)
    while True:
        pause_s = interval_s
        try:
            await work()
            is_away = False
        except Unavailable as error:
            if not is_away:
                _log.warning("%s: %s", waiting, error)
            is_away, pause_s = True, away_pause_s
        await asyncio.sleep(pause_s)
