"""Deletes a score everywhere: its values, their history and comments, in steps over all requests."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from datetime import datetime

import msgspec

from heliscore.domain.audit import Actor
from heliscore.domain.deletion import Deleted
from heliscore.domain.times import exactly_now
from heliscore.store.audit_entries import GrowingEntry
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.request_steps import BATCH, LONGEST, SHORTEST, find_end, lock_requests, rest
from heliscore.store.statements import load

_SQL = load("deletion")


class Wanted(msgspec.Struct, frozen=True):
    """Which score is to be deleted, and by whom."""

    organization_id: int
    name: str
    name_id: int
    by: Actor


async def count(connection: Connection, organization_id: int, name_id: int) -> int:
    """Count the present values of a score."""
    return int(await connection.fetchval(_SQL["count_score"], organization_id, name_id))


async def delete(
    database: Database, wanted: Wanted, after: int = 0
) -> AsyncGenerator[tuple[Deleted, int | None], None]:
    """Delete a score from the request number `after` on, and yield after each step how much that was, and the
    number after which the next one begins, None at the end.

    Raises Unavailable, also where a request is locked for long; what was done until then stays.
    """
    subject = {"score": wanted.name}
    entry = GrowingEntry(wanted.organization_id, wanted.by, "score.deleted", subject)
    position: int | None = after
    width = SHORTEST
    while position is not None:
        begun = time.monotonic()
        async with database.connection() as connection:
            deleted, position = await _step(connection, wanted, entry, position, width)
        yield deleted, position
        if deleted.requests:
            width = SHORTEST
            await rest(begun)
        else:
            width = min(2 * width, LONGEST)


async def _step(
    connection: Connection, wanted: Wanted, entry: GrowingEntry, after: int, width: int
) -> tuple[Deleted, int | None]:
    end = await find_end(connection, after, width)
    if end is None:
        return Deleted(), None
    arguments = wanted.organization_id, after, end, wanted.name_id, BATCH
    numbers = [number for (number,) in await connection.fetch(_SQL["find_scored"], *arguments)]
    deleted = await _delete(connection, wanted, entry, numbers) if numbers else Deleted()
    return deleted, numbers[-1] if len(numbers) == BATCH else end


async def _delete(connection: Connection, wanted: Wanted, entry: GrowingEntry, numbers: list[int]) -> Deleted:
    organization_id = wanted.organization_id
    async with connection.transaction():
        await lock_requests(connection, organization_id, numbers)
        await connection.execute(_SQL["touch"], organization_id, numbers, exactly_now())
        statuses = [
            await connection.execute(_SQL[statement], organization_id, numbers, wanted.name_id)
            for statement in ("remove_values", "remove_changes", "remove_comments")
        ]
        deleted = Deleted(len(numbers), *(int(status.rpartition(" ")[2]) for status in statuses))
        await entry.add(connection, msgspec.to_builtins(deleted))
    return deleted


async def remove_rest(connection: Connection, wanted: Wanted, before: datetime) -> None:
    """Remove the events of the score, and what waits for its response, from before that time."""
    for statement in ("remove_score_events", "remove_waiting"):
        await connection.execute(_SQL[statement], wanted.organization_id, wanted.name_id, before)
