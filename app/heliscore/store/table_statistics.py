"""Renew PostgreSQL's statistics of requests and scores after a large write, before anybody reads it.

Autovacuum does so too, some time after the commit: until then PostgreSQL expects a few rows where there are
millions.
"""

from __future__ import annotations

from typing import Final

import asyncpg

from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("table_statistics")

MIN_SCORES: Final = 100_000
"""Fewer are left to autovacuum: analyzing takes up to a second, however few rows are new."""


async def analyze(connection: Connection, scores_written: int) -> bool:
    """Analyze both tables, if so many new scores are worth it, in the transaction that wrote them: the
    statistics become visible with the rows. Returns whether it did.

    PostgreSQL leaves tables out, with a warning, that the role does not own. Where another session keeps a
    table locked, or it takes too long, nothing is done: a write must not fail because of statistics.
    """
    if scores_written < MIN_SCORES or not await connection.fetchval(_SQL["is_large"], scores_written):
        return False
    try:
        async with connection.transaction():
            await connection.execute(_SQL["limit_waiting"])
            await connection.execute(_SQL["analyze"])
    except (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError):
        return False
    return True
