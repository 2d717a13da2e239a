"""The connections to PostgreSQL, and what happens when it does not answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg

from app.errors import Unavailable
from app.settings import Settings

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

_ACQUIRE_TIMEOUT_S: Final = 5
_CONNECT_TIMEOUT_S: Final = 5

_PASSING: Final = (
    OSError,  # nobody listens, the network is cut; TimeoutError too
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,  # asyncpg's own word for a connection that broke under it
    asyncpg.InsufficientResourcesError,  # no connection left, disk full, out of memory
    asyncpg.OperatorInterventionError,  # shutting down, starting up, statement timeout
    asyncpg.TransactionRollbackError,  # deadlock, serialization
    asyncpg.ObjectNotInPrerequisiteStateError,  # locked, in use, closed to connections
    asyncpg.InvalidCatalogNameError,  # the database is not there
    asyncpg.UndefinedTableError,  # nor its tables: readyz says so
    asyncpg.ReadOnlySQLTransactionError,  # a standby, or a server out of writing
)
"""What may go away by itself: the caller is told to come back."""


class Database:
    """A pool of connections; `connection()` is the one way to a statement."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], statement_timeout_ms: int) -> None:
        self._pool = pool
        self._statement_timeout_ms = statement_timeout_ms

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection. Raises Unavailable for whatever the database cannot do just now."""
        try:
            async with self._pool.acquire(timeout=_ACQUIRE_TIMEOUT_S) as connection:
                yield connection
        except asyncpg.QueryCanceledError as error:
            raise Unavailable(
                f"the database took longer than the limit of {self._statement_timeout_ms} ms; "
                "narrow the filter or the time range"
            ) from error
        except _PASSING as error:
            if (refusal := refusal_of(error)) is None:
                raise
            raise refusal from error

    async def close(self) -> None:
        await self._pool.close()


def refusal_of(error: Exception) -> Unavailable | None:
    """What a caller is told of an error that may pass; None for one that is our own mistake."""
    # asyncpg could not encode an argument: a ValueError too.
    if not isinstance(error, _PASSING) or isinstance(error, ValueError):
        return None
    return Unavailable("the database is not available just now, please try again")


async def open_database(settings: Settings, on_connect: Callable[[], None] | None = None) -> Database:
    """Connect to `settings.database_url`, with the session settings that every statement relies on.

    `on_connect` is called for each new connection: it may lead to another database than the one before, one
    that was restored from a backup.
    """

    async def init(_: Connection) -> None:
        if on_connect is not None:
            on_connect()

    session = {
        "application_name": "heliscore",
        "timezone": "UTC",
        "statement_timeout": str(settings.statement_timeout_ms),
        # Filters differ by a factor of 500 in how many rows they match: each search is planned for its own
        # values.
        "plan_cache_mode": "force_custom_plan",
    }
    pool = await asyncpg.create_pool(
        settings.database_url,
        min_size=1,
        max_size=settings.pool_size,
        timeout=_CONNECT_TIMEOUT_S,
        # The server ends a statement that takes too long; this is for a server that says nothing at all.
        command_timeout=settings.statement_timeout_ms / 1000 + 1,
        # PgBouncer in transaction mode gives each transaction another connection: no prepared statement
        # survives, and session settings are refused.
        statement_cache_size=0 if settings.pgbouncer else 256,
        server_settings={} if settings.pgbouncer else session,
        init=init,
        # No statement of ours leaves anything behind in a session; resetting it would be a round trip a call.
        reset=_leave,
    )
    return Database(pool, settings.statement_timeout_ms)


async def _leave(_: Connection) -> None:
    pass
