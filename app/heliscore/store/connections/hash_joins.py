"""Let PostgreSQL read and join whole tables in ways that need no statistics.

An organization or a score that its statistics do not know is expected to have one row. Then PostgreSQL joins
tables by a loop in a loop, and for n rows reads n². Statements that read many rows therefore forbid it, by
settings of their transaction: these end with it, as PgBouncer needs it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("connection")


@asynccontextmanager
async def joined_by_hash(connection: Connection) -> AsyncIterator[None]:
    """Let the statements in this context, which must only read, join by hash and read tables page by page.

    Without an index's order, because PostgreSQL takes an index of several columns for as well sorted as its
    first one, the organization: of an index of values, it would read every row from another page.
    """
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.fetch(_SQL["join_by_hash"])
        yield
    finally:
        # Not committed: within another transaction, that would keep the settings until its end.
        await transaction.rollback()


@asynccontextmanager
async def planned_by_hash(connection: Connection) -> AsyncIterator[None]:
    """The same for cursors from which rows are first fetched in this context, and which outlive it: they keep
    their plan, and the statements after it are planned as usual. Only within a transaction."""
    await connection.fetch(_SQL["join_by_hash"])
    yield
    await connection.fetch(_SQL["join_as_usual"])


@asynccontextmanager
async def grouped_by_hash(connection: Connection) -> AsyncIterator[None]:
    """Let them also group by hash: for statements that make few groups of many rows."""
    async with joined_by_hash(connection):
        await connection.fetch(_SQL["group_by_hash"])
        yield


@asynccontextmanager
async def counted_by_hash(connection: Connection) -> AsyncIterator[None]:
    """The same for statements that make far fewer groups than PostgreSQL expects, in several processes."""
    async with joined_by_hash(connection):
        await connection.fetch(_SQL["count_by_hash"])
        yield
