"""Takes what was deleted out of the deliveries that name it, those that wait and those that are kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from datetime import datetime
from typing import Any, Final

from heliscore.store.connections.pool import Connection, Database
from heliscore.store.request_steps import limit_wait
from heliscore.store.statements import load

_SQL = load("deletion")

_WIDTH: Final = 200
"""Deliveries of a step, of up to a hundred events each."""


async def cut(
    database: Database,
    organization_id: int,
    after: int = 0,
    *,
    score: str | None = None,
    before: datetime | None = None,
) -> AsyncGenerator[int | None, None]:
    """Cut an organization's deliveries, from the one of the number `after` on: take the events out that are
    about requests which are gone, or about the score, from before that time. Yields after each step the
    number after which the next one begins, None at the end.

    Raises Unavailable. A delivery that is being sent just now arrives as it was.
    """
    async with database.connection() as connection, connection.transaction():
        await limit_wait(connection)
        await connection.execute(_SQL["wait_for_dispatcher"])
    position: int | None = after
    while position is not None:
        async with database.connection() as connection, connection.transaction():
            await limit_wait(connection)
            end = await connection.fetchval(_SQL["step"], position, _WIDTH)
            if end is not None:
                step = organization_id, position, end
                if score is not None:
                    await connection.execute(_SQL["cut_deliveries"], *step, [], [], score, before)
                else:
                    await _cut_gone(connection, *step)
        position = end
        yield position
        await asyncio.sleep(0)


async def _cut_gone(connection: Connection, organization_id: int, after: int, end: int) -> None:
    """Cut what is about requests that are gone. They are looked for by a statement of their own: deliveries
    and requests may be on different servers."""
    told = _columns(await connection.fetch(_SQL["list_told"], organization_id, after, end))
    gone = _columns(await connection.fetch(_SQL["find_gone"], organization_id, *told))
    if any(gone):
        await connection.execute(_SQL["cut_deliveries"], organization_id, after, end, *gone, None, None)


def _columns(rows: Iterable[Iterable[Any]]) -> tuple[list[str], list[int]]:
    """The ids and the numbers of requests, of which each row has one."""
    ids, numbers = [], []
    for id_, number in rows:
        if id_ is not None:
            ids.append(id_)
        elif number is not None:
            numbers.append(number)
    return ids, numbers
