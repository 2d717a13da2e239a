"""A client that listens to live events, and what waits to be sent to it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from heliscore.domain.event import EventType

MAX_WAITING_BYTES: Final = 1024 * 1024

TOO_SLOW: Final = "the events were read too slowly; resume from the last id"


class Start(msgspec.Struct, frozen=True):
    """From where on a listener hears everything."""

    database: str
    at: datetime
    snapshot: str


class Listener:
    """What waits is shared between listeners. One that falls behind is ended."""

    def __init__(self, organization_id: int, types: frozenset[EventType]) -> None:
        self.organization_id: Final = organization_id
        self.types: Final = types
        self.start: Start | None = None
        """None: it has not started yet."""
        self.waiting_bytes = 0
        self.ended: str | None = None
        """Why, once it was ended."""
        self._waiting: deque[bytes] = deque()
        self._arrived = asyncio.Event()

    def begin(self, start: Start) -> None:
        self.start = start
        self._arrived.set()

    def offer(self, pieces: Iterable[bytes]) -> None:
        """Have something sent."""
        for piece in pieces:
            self._waiting.append(piece)
            self.waiting_bytes += len(piece)
        if self.waiting_bytes > MAX_WAITING_BYTES:
            self.end(TOO_SLOW)
        self._arrived.set()

    def end(self, reason: str) -> None:
        """Send no more but the reason."""
        self.ended = self.ended or reason
        self._waiting.clear()
        self.waiting_bytes = 0
        self._arrived.set()

    def take(self) -> bytes | None:
        """Take the next piece; None: nothing waits."""
        if not self._waiting:
            return None
        piece = self._waiting.popleft()
        self.waiting_bytes -= len(piece)
        return piece

    async def wait(self, timeout_s: float) -> bool:
        """Wait for something new: the start, a piece, or the end. False: nothing came in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._arrived.wait()
        except TimeoutError:
            return False
        self._arrived.clear()
        return True
