"""Shares look-ups among the calls that wait for the same answer: they may be a thousand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class SharedLookups(Generic[K, V]):
    """The look-ups that can be joined. Each is a task, so that a caller who leaves ends no other's."""

    def __init__(self) -> None:
        self._open: dict[K, asyncio.Task[V]] = {}

    async def join(self, key: K, look_up: Callable[[K], Coroutine[Any, Any, V]]) -> V:
        """Wait for the open look-up of the key, or begin one. Raises what it raises."""
        if (task := self._open.get(key)) is None:
            task = self._open[key] = asyncio.create_task(look_up(key))
            task.add_done_callback(_retrieve_exception)
        return await asyncio.shield(task)

    def close(self, key: K) -> None:
        """Let nobody join the look-up of the key any more."""
        self._open.pop(key, None)

    def is_open(self, key: K) -> bool:
        """Whether the current task is the look-up of the key that can be joined."""
        return self._open.get(key) is asyncio.current_task()


def _retrieve_exception(task: asyncio.Task[Any]) -> None:
    """Retrieve the exception, which asyncio would log if every caller was cancelled."""
    if not task.cancelled():
        task.exception()
