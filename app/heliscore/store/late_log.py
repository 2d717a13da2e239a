"""Logs requests whose callers do not wait for it, and later where the database is away.

What waits is bounded, by number and by size. What there is no room for is counted and the log says so: the
calls themselves are over, and nobody could be answered an error.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol

from heliscore.domain.errors import Unavailable
from heliscore.observability import metrics
from heliscore.store import request_log
from heliscore.store.connections.pool import Database
from heliscore.store.request_log import LoggedRequest

_log = logging.getLogger("heliscore")

MAX_WAITING: Final = 10_000
MAX_WAITING_BYTES: Final = 128 * 1024 * 1024
_ROW_BYTES: Final = 2_000
"""Of a request without its bodies."""

_WRITERS: Final = 4
_AWAY_PAUSE_S: Final = 1.0


class LateRequest(Protocol):
    """A request that is over, as it came."""

    @property
    def request_id(self) -> str: ...
    @property
    def size_bytes(self) -> int:
        """Of its bodies."""

    async def make(self) -> LoggedRequest:
        """Make what is stored."""


class LateLog:
    """The requests that wait to be logged. `run` logs them, those of one id in the order of their ends."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queues = [asyncio.Queue[LateRequest]() for _ in range(_WRITERS)]
        self._bytes = 0
        self._unfinished = 0
        """Requests that are in hand or wait."""
        self._drained = asyncio.Event()
        self._drained.set()
        self._is_away = self._is_full = self._closed = False

    def add(self, request: LateRequest) -> None:
        """Log a request soon, or count it as lost where too many wait."""
        size = _ROW_BYTES + request.size_bytes
        if self._closed or self._unfinished >= MAX_WAITING or self._bytes + size > MAX_WAITING_BYTES:
            self._lose(1)
            return
        self._is_full = False
        self._note(1, size)
        self._queues[hash(request.request_id) % _WRITERS].put_nowait(request)

    async def run(self) -> None:
        """Log what comes, for ever."""
        async with asyncio.TaskGroup() as group:
            for queue in self._queues:
                group.create_task(self._log_all(queue))

    async def drained(self) -> None:
        """Wait until nothing waits."""
        await self._drained.wait()

    def close(self) -> None:
        """Take no more, and count what waits as lost."""
        self._closed = True
        if self._unfinished:
            self._lose(self._unfinished)

    def _note(self, requests: int, size: int) -> None:
        self._bytes += size
        self._unfinished += requests
        metrics.set_waiting_logs(self._unfinished)
        if self._unfinished:
            self._drained.clear()
        else:
            self._drained.set()

    async def _log_all(self, queue: asyncio.Queue[LateRequest]) -> None:
        while True:
            request = await queue.get()
            try:
                await self._store(await request.make())
            except Exception as error:
                # As in the middleware: a request that meets a defect must not end the service for all others.
                _log.error("defect in the logging of a forwarded call", exc_info=error)
                self._lose(1)
            self._note(-1, -_ROW_BYTES - request.size_bytes)

    async def _store(self, request: LoggedRequest) -> None:
        """Store a request, as soon as the database is there."""
        while True:
            try:
                async with self._database.connection() as connection:
                    await request_log.log(connection, request)
            except Unavailable as error:
                if not self._is_away:
                    _log.warning("forwarded calls wait to be logged: %s", error)
                self._is_away = True
                await asyncio.sleep(_AWAY_PAUSE_S)
            else:
                self._is_away = False
                return

    def _lose(self, count: int) -> None:
        metrics.count_unlogged(count)
        if not self._is_full:
            _log.warning("forwarded calls are lost to the log: see heliscore_gateway_unlogged_total")
        self._is_full = True
