"""Keeps logging the calls that the gateway forwarded; at the end, what waits is logged first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from heliscore.jobs.background import StopService, running
from heliscore.store.late_log import LateLog

_FLUSH_S: Final = 0.5
"""As for scores that wait to be written."""


@asynccontextmanager
async def kept_logging(late_log: LateLog | None, stop_service: StopService) -> AsyncIterator[None]:
    """Log until the block ends, then what is left; None: nothing is forwarded."""
    if late_log is None:
        yield
        return
    async with running("logging of forwarded calls", late_log.run(), stop_service):
        yield
        with suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH_S):
                await late_log.drained()
        late_log.close()
