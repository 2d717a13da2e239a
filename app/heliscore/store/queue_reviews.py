"""Who reviews which item of a queue: reserve, finish and skip items, and read what reviewers gave.

An item has a place for each reviewer that is wanted. A place is one row, so that however many reserve at the
same time, no item has more reviewers than places. Only two calls of one reviewer at the same time can break a
key: who reviews is all of a key that changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

import asyncpg

from heliscore.domain.review_queue import QueueOpinion
from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("queue_review")

_ATTEMPTS: Final = 10
_PAUSE_S: Final = 0.005
"""Before the second attempt; longer before each later one."""

_BATCH: Final = 500


async def reserve(connection: Connection, organization_id: int, queue_id: str, reviewer: str) -> str | None:
    """Reserve an item for a reviewer, the one that they have in work or else the next one, and return the id
    of its request; None where none is left, or the queue is closed."""
    arguments = organization_id, queue_id, reviewer
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            async with connection.transaction():
                found: str | None = await connection.fetchval(_SQL["reserve"], *arguments)
            # A place that another call has locked is skipped, and may turn out to be free.
            if found is not None or not await connection.fetchval(_SQL["has_left"], *arguments):
                return found
        except asyncpg.UniqueViolationError:
            # Another call of theirs was quicker: the next attempt sees what it has reserved.
            pass
        await asyncio.sleep(attempt * _PAUSE_S)
    return None


async def has_left(connection: Connection, organization_id: int, queue_id: str, reviewer: str) -> bool:
    """Whether there is an item that could be reserved for a reviewer."""
    return bool(await connection.fetchval(_SQL["has_left"], organization_id, queue_id, reviewer))


async def lock_request(connection: Connection, organization_id: int, request_id: str) -> bool:
    """Keep a request from being deleted until the transaction ends; False where it is gone."""
    return await connection.fetchval(_SQL["lock_request"], organization_id, request_id) is not None


async def finish(
    connection: Connection, organization_id: int, queue_id: str, position: int, reviewer: str
) -> bool:
    """Note that a reviewer has done an item; False where others have all its places. The request must be
    locked."""
    try:
        async with connection.transaction():
            done_at = await connection.fetchval(_SQL["finish"], organization_id, queue_id, position, reviewer)
    except asyncpg.UniqueViolationError:
        # Another call of theirs has just reserved it.
        done_at = await connection.fetchval(_SQL["finish"], organization_id, queue_id, position, reviewer)
    return done_at is not None


async def skip(
    connection: Connection, organization_id: int, queue_id: str, position: int, reviewer: str
) -> bool:
    """Note that a reviewer does not want an item; False where they have done it, or it is gone."""
    arguments = organization_id, queue_id, position, reviewer
    return await connection.fetchval(_SQL["skip"], *arguments) is not None


async def read_opinions(
    connection: Connection, organization_id: int, queue_id: str
) -> AsyncGenerator[list[QueueOpinion], None]:
    """Yield what those who have done items gave under the queue's scores, some items at a time."""
    after: int | None = 0
    while True:
        last = await connection.fetchval(_SQL["last_position"], organization_id, queue_id, after, _BATCH)
        if last is None:
            return
        rows = await connection.fetch(_SQL["opinions"], organization_id, queue_id, after, _BATCH)
        if rows:
            yield [QueueOpinion(*row) for row in rows]
        after = last
