"""Lets only one atomic upload at a time write in an organization: two of them could deadlock, each holding
rows that the other wants.

Uploads of one process wait for each other without a connection, those of other processes for a moment in
PostgreSQL.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from heliscore.domain.errors import Unavailable
from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("score")

_WAIT_S: Final = 30
_WAIT_IN_DATABASE_S: Final = 2
_LOOK_S: Final = 0.25
"""Between two looks at whether an upload that waits is still wanted."""

_RETRY_S: Final = 0.1


class UploadTurns:
    """The organizations that an atomic upload of this process writes in."""

    def __init__(self, wait_s: float = _WAIT_S) -> None:
        self._wait_s = wait_s
        self._running: dict[int, asyncio.Event] = {}

    @asynccontextmanager
    async def turn(self, organization_id: int, raise_if_unwanted: Callable[[], None]) -> AsyncIterator[None]:
        """Wait until no other atomic upload of the organization runs here. Raises Unavailable, and, while
        it waits, whatever `raise_if_unwanted` raises."""
        deadline = time.monotonic() + self._wait_s
        while (other := self._running.get(organization_id)) is not None:
            if time.monotonic() > deadline:
                raise _in_progress()
            raise_if_unwanted()
            await _wait(other)
        over = self._running[organization_id] = asyncio.Event()
        try:
            yield
        finally:
            del self._running[organization_id]
            over.set()


async def _wait(other: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_LOOK_S):
            await other.wait()
    except TimeoutError:
        pass


async def lock_uploads(connection: Connection, organization_id: int) -> None:
    """Keep out the atomic uploads of other processes until the transaction ends. Raises Unavailable."""
    deadline = time.monotonic() + _WAIT_IN_DATABASE_S
    while not await connection.fetchval(_SQL["try_lock_uploads"], organization_id):
        if time.monotonic() > deadline:
            raise _in_progress()
        await asyncio.sleep(_RETRY_S)


def _in_progress() -> Unavailable:
    return Unavailable("another atomic upload of this organization is in progress, please try again")
