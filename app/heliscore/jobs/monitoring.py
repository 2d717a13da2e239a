"""Evaluates monitors once each of their periods has ended, whichever of the services gets to it.

Services share the work by claims in the database (store.monitors), without a leader. The connections are the
monitors' alone, few, and with a statement timeout of their own: slow monitors keep each other waiting for
some seconds, and nobody else.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from heliscore.jobs.background import StopService, repeat, running
from heliscore.jobs.monitor_evaluation import Evaluator
from heliscore.store.monitors import CLAIM, claim

CONNECTIONS: Final = 2
"""As many monitors are evaluated at a time."""

STATEMENT_TIMEOUT_MS: Final = 5_000

_BATCH: Final = 16
_LAST_BEGIN_S: Final = CLAIM.total_seconds() / 2
"""After a claim so old no evaluation is begun: the claim must not run out meanwhile."""

_PAUSE_S: Final = 2.0
"""Between two looks for monitors that are due, of each of CONNECTIONS."""

_AWAY_PAUSE_S: Final = 5.0


@asynccontextmanager
async def kept_monitored(evaluator: Evaluator, stop_service: StopService) -> AsyncIterator[None]:
    """Evaluate monitors until the block ends."""
    async with AsyncExitStack() as stack:
        for number in range(CONNECTIONS):
            job = _keep_evaluating(evaluator, _PAUSE_S * (number + 1) / CONNECTIONS)
            await stack.enter_async_context(running(f"monitors ({number + 1})", job, stop_service))
        yield


async def evaluate_due(evaluator: Evaluator) -> int:
    """Evaluate some of the monitors that are due; return how many were claimed. Raises Unavailable."""
    begun = time.monotonic()
    async with evaluator.database.connection() as connection:
        claimed = await claim(connection, _BATCH)
    await evaluator.evaluate(claimed, begun + _LAST_BEGIN_S)
    return len(claimed)


async def _keep_evaluating(evaluator: Evaluator, first_pause_s: float) -> None:
    async def work() -> None:
        while await evaluate_due(evaluator):
            pass

    await repeat(
        work,
        _PAUSE_S,
        waiting="monitors have to wait",
        away_pause_s=_AWAY_PAUSE_S,
        first_pause_s=first_pause_s,
    )
