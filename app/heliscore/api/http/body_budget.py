"""How much of clients' bodies a process holds at once: a thousand large ones must not take all its memory.

A body counts as it arrives, so that one which was only announced keeps nobody out, until the call is over.
Decoded, JSON takes up to 25 times its size: the limit leaves room for that.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from heliscore.domain.errors import Unavailable

FREE_BYTES: Final = 64 * 1024
"""Of each body, not counted: most calls are smaller, and pay nothing here."""


class BodyMemory:
    """What there is, and which call holds how much of it."""

    def __init__(self, limit_bytes: int) -> None:
        self._left = limit_bytes
        self._held: dict[asyncio.Task[Any] | None, int] = {}

    def hold(self, size_bytes: int) -> None:
        """Let the call that asks hold so much in all until its task ends. Raises Unavailable."""
        call = asyncio.current_task()
        held = self._held.get(call, 0)
        # In steps, so that small pieces cost little.
        more = size_bytes - held
        if more < FREE_BYTES:
            return
        if more > self._left:
            raise Unavailable("too many large bodies are on their way, please try again")
        if not held and call is not None:
            call.add_done_callback(self._let_go)
        self._held[call] = size_bytes
        self._left -= more

    def _let_go(self, call: asyncio.Task[Any]) -> None:
        self._left += self._held.pop(call)
