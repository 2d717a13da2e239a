"""Reads large bodies in processes beside the service, where they cannot hold up other calls.

Decoding JSON is one call into C that holds the interpreter, in a thread too: 16 MiB of empty lists take a
second and more. A process is started when a large body comes, and ends with the service. It is given bytes
and returns what is small, or bytes again: unpacking many objects would take as long as decoding them.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any, Final, TypeVar

from anyio import BrokenWorkerProcess, CapacityLimiter, to_process

from heliscore.api.http.json_codec import decode
from heliscore.domain.errors import FieldError, InvalidInput, Unavailable

T = TypeVar("T")

LARGE_BYTES: Final = 1 << 18
"""A body of which decoding may take 20 ms and more: empty lists and objects."""

_SMALL_BYTES: Final = 1 << 16
"""Up to here, a thread would cost more than it saves."""

_MAX_PROCESSES: Final = 2
_MAX_VALUES: Final = 500_000
_MAX_CONTAINERS: Final = 200_000
"""Lists and objects in the JSON of a call that is no log and no upload: decoding them takes 20 to 40 ms."""


class LargeWork:
    """Runs functions of bytes at a distance from the event loop that their size asks for."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(_MAX_PROCESSES)

    async def run(self, function: Callable[..., T], *arguments: Any, size_bytes: int) -> T:
        """Call a function that works on that many bytes; everything must be picklable. Raises Unavailable
        where the process ended, and what the function raises."""
        if size_bytes <= _SMALL_BYTES:
            return function(*arguments)
        if size_bytes <= LARGE_BYTES:
            return await asyncio.to_thread(function, *arguments)
        try:
            return await to_process.run_sync(
                _without_gc, function, arguments, cancellable=True, limiter=self._limiter
            )
        except BrokenWorkerProcess as error:
            raise Unavailable("the body could not be read just now, please try again") from error


def _without_gc(function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    """Collecting garbage among millions of new objects takes three times as long as making them."""
    gc.disable()
    try:
        return function(*arguments)
    finally:
        gc.enable()


def check_value_count(body: bytes) -> None:
    """Raises InvalidInput for what is no JSON, or holds too many values to be decoded at once."""
    values = containers = 0
    left: list[Any] = [[decode(body)]]
    while left:
        some = left.pop()
        held = [value for value in some if type(value) in (list, dict)]
        values += len(some)
        containers += len(held)
        if values > _MAX_VALUES or containers > _MAX_CONTAINERS:
            limits = f"{_MAX_VALUES} values, or {_MAX_CONTAINERS} lists and objects"
            raise InvalidInput([FieldError("", f"the body holds more than {limits}")])
        left.extend(value.values() if type(value) is dict else value for value in held)
