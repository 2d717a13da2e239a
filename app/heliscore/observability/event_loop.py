"""Keeps the event loop free: long work gives way to other calls, and a watch counts the stalls.

No piece of work may hold the event loop for more than 50 ms: all calls of all organizations wait meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from heliscore.observability import metrics

_TURN_S: Final = 0.01
"""How long a piece of work may hold the event loop before it gives way: several may follow each other."""

_LOOK_S: Final = 0.025
"""Between two looks of the watch; a stall shorter than that may go unseen."""


class Turn:
    """The time for which a piece of work has held the event loop."""

    __slots__ = ("_begun",)

    def __init__(self) -> None:
        self._begun = time.perf_counter()

    async def give_way(self) -> None:
        """Let other calls run if the turn has lasted long enough. Call it between small pieces of work."""
        if time.perf_counter() - self._begun > _TURN_S:
            await asyncio.sleep(0)
            self._begun = time.perf_counter()


async def watch_stalls() -> None:
    """Count for as long as it runs how late the event loop is."""
    while True:
        due = time.perf_counter() + _LOOK_S
        await asyncio.sleep(_LOOK_S)
        metrics.observe_stall(time.perf_counter() - due)
