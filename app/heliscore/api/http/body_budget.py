"""Limits the memory that request bodies take in a process: a thousand large ones must not take all of it.

A body counts by the bytes that have arrived, not by its Content-Length, until its call is over.
Decoded, JSON takes up to 25 times its size: the limit leaves room for that.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from heliscore.domain.errors import Unavailable

FREE_BYTES: Final = 64 * 1024
"""The part of each body that is not counted: most calls are smaller, and pay nothing here."""


class BodyBudget:
    """The memory that is left for bodies, and how much each call holds."""

    def __init__(self, limit_bytes: int) -> None:
        self._left = limit_bytes
        self._held: dict[asyncio.Task[Any] | None, int] = {}

    def hold(self, size_bytes: int) -> None:
        """Let the current call hold that much in all until its task ends. Raises Unavailable."""
        call = asyncio.current_task()
        held = self._held.get(call, 0)
        # In steps, so that small pieces cost little.
        more = size_bytes - held
        if more < FREE_BYTES:
            return
        if more > self._left:
            raise Unavailable("too many large request bodies in progress, please try again")
        if not held and call is not None:
            call.add_done_callback(self._let_go)
        self._held[call] = size_bytes
        self._left -= more

    def _let_go(self, call: asyncio.Task[Any]) -> None:
        self._left += self._held.pop(call)
