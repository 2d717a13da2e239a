"""Takes what was deleted out of the deliveries that name it, those that wait and those that are kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Final

from heliscore.store.connections.pool import Database
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
                arguments = organization_id, position, end, score, before
                await connection.execute(_SQL["cut_deliveries"], *arguments)
        position = end
        yield position
        await asyncio.sleep(0)
