"""Limits the memory that request bodies and answers take in a process: a thousand large ones must not take
all of it, and those of one organization must leave some for the others.

A body counts by the bytes that have arrived, not by its Content-Length, until its call is over; an answer by
its size, until the client has taken it. Decoded, JSON takes up to 25 times its size: the limit leaves room
for that.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Final

import msgspec

from heliscore.domain.errors import Unavailable
from heliscore.domain.fair_shares import may_take

FREE_BYTES: Final = 64 * 1024
"""The part of each body that is not counted: most calls are smaller, and pay nothing here."""


class _Held(msgspec.Struct):
    organization_id: int | None
    size_bytes: int = 0


class MemoryBudget:
    """The memory that is left for bodies or answers, and how much each call holds."""

    def __init__(self, limit_bytes: int, noun: str) -> None:
        """`noun` says in errors what the memory is for."""
        self._left = limit_bytes
        self._noun = noun
        self._held: dict[asyncio.Task[Any] | None, _Held] = {}
        self._shares: Counter[int | None] = Counter()

    def hold(self, size_bytes: int, organization_id: int | None) -> None:
        """Let the current call hold that much in all until its task ends. Raises Unavailable."""
        call = asyncio.current_task()
        held = self._held.get(call)
        # In steps, so that small pieces cost little.
        more = size_bytes - (held.size_bytes if held is not None else 0)
        if more < FREE_BYTES:
            return
        if held is None:
            held = _Held(organization_id)
        if not may_take(self._shares[held.organization_id], more, self._left):
            raise Unavailable(f"too many large {self._noun} in progress, please try again")
        if not held.size_bytes:
            self._held[call] = held
            if call is not None:
                call.add_done_callback(self._let_go)
        held.size_bytes = size_bytes
        self._shares[held.organization_id] += more
        self._left -= more

    def _let_go(self, call: asyncio.Task[Any]) -> None:
        held = self._held.pop(call)
        self._left += held.size_bytes
        self._shares[held.organization_id] -= held.size_bytes
        if not self._shares[held.organization_id]:
            del self._shares[held.organization_id]
