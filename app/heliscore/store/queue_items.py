"""The requests of review queues: add, remove and list them, and find one for a reviewer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime

from heliscore.domain.errors import FieldError, InvalidInput, NotFound
from heliscore.domain.filter_tree import Filter, Sort
from heliscore.domain.review_queue import MAX_ITEMS, QueueItem, ReviewedItem
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreNames
from heliscore.store.search import request_search
from heliscore.store.statements import load

_SQL = load("queue_item")

_PAGE = 500
"""Requests that are read at a time to be added."""


async def find_numbers(connection: Connection, organization_id: int, request_ids: Sequence[str]) -> list[int]:
    """Return the numbers of those of the requests that there are, in their order."""
    return [no for (no,) in await connection.fetch(_SQL["find_numbers"], organization_id, request_ids)]


async def find_matching(
    connection: Connection, names: ScoreNames, organization_id: int, tree: Filter, sort: Sort, size: int
) -> AsyncGenerator[list[str], None]:
    """Yield the ids of the first requests that a filter finds, page by page."""
    after, left = None, size
    while left > 0:
        page = await request_search.search(
            connection,
            names,
            organization_id,
            tree,
            sort=sort,
            after=after,
            limit=min(_PAGE, left),
            bodies="none",
        )
        yield [request.request_id for request in page.requests]
        after, left = page.next, left - len(page.requests)
        if after is None:
            return


async def add_items(
    connection: Connection, organization_id: int, queue_id: str, request_nos: Sequence[int]
) -> int:
    """Add requests at the end of a queue and return how many were new; the others are handed out again to
    those who skipped them. Raises NotFound, and InvalidInput where there would be too many: then none is
    added."""
    async with connection.transaction():
        queue = await connection.fetchrow(_SQL["lock"], organization_id, queue_id)
        if queue is None:
            raise NotFound(f"there is no queue {queue_id}")
        await connection.execute(_SQL["unskip"], organization_id, queue_id, list(request_nos))
        places, room = queue["reviewers_per_item"], MAX_ITEMS - queue["items"]
        added = await connection.fetchval(
            _SQL["add"], organization_id, queue_id, list(request_nos), places, room
        )
        if added > room:
            raise InvalidInput(
                [FieldError("", f"a queue has at most {MAX_ITEMS} requests, there is room for {room}")]
            )
        return int(added)


async def remove_item(connection: Connection, organization_id: int, queue_id: str, request_id: str) -> bool:
    """Take a request out of a queue; False when it is not in it."""
    return await connection.fetchval(_SQL["remove"], organization_id, queue_id, request_id) is not None


async def list_items(
    connection: Connection, organization_id: int, queue_id: str, after: int, limit: int
) -> list[QueueItem]:
    """Return the items of a queue in order, from behind that position."""
    rows = await connection.fetch(_SQL["list"], organization_id, queue_id, after, limit)
    return [QueueItem(*row) for row in rows]


async def find_item(
    connection: Connection, organization_id: int, queue_id: str, request_id: str, reviewer: str
) -> ReviewedItem | None:
    """Return a request of a queue as it is to a reviewer; None where it is not in it."""
    row = await connection.fetchrow(_SQL["find"], organization_id, queue_id, request_id, reviewer)
    return None if row is None else ReviewedItem(*row)


async def list_requests(
    connection: Connection, organization_id: int, queue_id: str
) -> list[tuple[str, datetime]]:
    """Return ids and times of a queue's requests, in order."""
    return [(id_, at) for id_, at in await connection.fetch(_SQL["requests"], organization_id, queue_id)]
