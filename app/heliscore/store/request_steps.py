"""Long work on many requests, in steps: each is one transaction that locks its requests as every writer does,
and others get on between two of them."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from heliscore.store.connections.pool import Connection, Database
from heliscore.store.statements import load

_SQL = load("request_step")

SHORTEST: Final = 1000
LONGEST: Final = 32_000
"""In requests: steps grow while there is nothing to do."""

BATCH: Final = 500
"""Requests of one transaction: writers of their scores wait for its end."""

_REST: Final = 0.5
"""How long a step that did something is followed by a rest, as a share of its own time: others are to get on
meanwhile."""


async def find_end(connection: Connection, after: int, width: int) -> int | None:
    """Return the number of the last of the next so many requests, None behind the last one."""
    end: int | None = await connection.fetchval(_SQL["step"], after, width)
    return end


async def find_last(database: Database) -> int:
    """Return the highest number of a request: where steps end."""
    async with database.connection() as connection:
        return int(await connection.fetchval(_SQL["last"]))


async def limit_wait(connection: Connection) -> None:
    """Let no statement of the transaction wait for a lock for long: it fails then, which is Unavailable."""
    await connection.execute(_SQL["limit_wait"])


async def lock_requests(connection: Connection, organization_id: int, numbers: list[int]) -> None:
    """Lock requests until the transaction ends; for a short time only, as `limit_wait` says."""
    await limit_wait(connection)
    await connection.execute(_SQL["lock"], organization_id, numbers)


async def rest(begun: float) -> None:
    """Rest after a step that began at that time, by the monotonic clock."""
    await asyncio.sleep((time.monotonic() - begun) * _REST)
