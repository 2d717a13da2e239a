"""Limits the calls of each key in a minute.

The window is fixed, not sliding: it begins with a call, and a minute later the next call begins another, so
a client may make twice the calls around the end of a window. The database counts, by its own clock: the
limit is exact across processes and machines. Once a process has seen a key's window used up, it rejects
calls by itself until the window is over: a flood costs the database no more than the calls that are allowed,
and those that were already being counted.
"""

from __future__ import annotations

import math
import time
from typing import Final

import msgspec
from starlette.types import Message, Send

from heliscore.domain.errors import TooManyRequests
from heliscore.store import rate_windows
from heliscore.store.connections.pool import Database

_CAPACITY: Final = 10_000


class Allowance(msgspec.Struct, frozen=True):
    """The calls that a key has left in its window."""

    limit: int
    remaining: int
    reset_s: int
    exceeded: bool

    def raise_if_exceeded(self) -> None:
        """Raises TooManyRequests."""
        if self.exceeded:
            raise TooManyRequests(self.limit, self.reset_s)


class RateLimiter:
    """Counts the calls of each key."""

    def __init__(self, database: Database, limit: int) -> None:
        self._database = database
        self._limit = limit
        self._used_up: dict[int, float] = {}
        """When the windows of keys without calls left end, by the monotonic clock."""

    async def count(self, key_id: int) -> Allowance:
        """Count a call of the key; the allowance says if it exceeds the limit."""
        if (allowance := self._find_used_up(key_id)) is not None:
            return allowance
        async with self._database.connection() as connection:
            # Others may have used the window up while we waited for the connection.
            if (allowance := self._find_used_up(key_id)) is not None:
                return allowance
            calls, left_s = await rate_windows.count_call(connection, key_id)
        if calls >= self._limit:
            if len(self._used_up) >= _CAPACITY:
                self._used_up.clear()
            self._used_up[key_id] = time.monotonic() + left_s
        return self._allowance(max(self._limit - calls, 0), left_s, exceeded=calls > self._limit)

    def _find_used_up(self, key_id: int) -> Allowance | None:
        left_s = self._used_up.get(key_id, 0.0) - time.monotonic()
        return self._allowance(0, left_s, exceeded=True) if left_s > 0 else None

    def _allowance(self, remaining: int, left_s: float, *, exceeded: bool) -> Allowance:
        return Allowance(self._limit, remaining, max(math.ceil(left_s), 1), exceeded)


def announcing(send: Send, allowance: Allowance) -> Send:
    """Add the headers `RateLimit-*` as they are sent. Not to the response: some are shared between calls."""
    headers = [
        (b"ratelimit-limit", b"%d" % allowance.limit),
        (b"ratelimit-remaining", b"%d" % allowance.remaining),
        (b"ratelimit-reset", b"%d" % allowance.reset_s),
    ]

    async def announce(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return announce
