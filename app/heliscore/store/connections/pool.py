"""The connections to PostgreSQL, and what happens when it does not answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

import asyncpg

from heliscore.domain.errors import Unavailable
from heliscore.settings import Settings
from heliscore.store.connections.json_columns import JsonReader
from heliscore.store.connections.orphan_backends import Strays, WatchfulConnection, watch_client

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

_ACQUIRE_TIMEOUT_S: Final = 2
_MAX_EXPECTED_WAIT_S: Final = 0.5
"""Who would have to wait for longer, at the pace of late, is refused at once."""

_MEAN_OF: Final = 16
_LONG_S: Final = 3.0
_CONNECT_TIMEOUT_S: Final = 3
_RELEASE_TIMEOUT_S: Final = 1
_STRAYS_TIMEOUT_S: Final = 1
_CLOSE_TIMEOUT_S: Final = 0.5

_PASSING: Final = (
    OSError,  # nobody listens, the network is cut; TimeoutError too
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,  # asyncpg's own word for a connection that broke under it
    asyncpg.InternalClientError,  # and for one whose server has just said that it ends
    asyncpg.InsufficientResourcesError,  # no connection left, disk full, out of memory
    asyncpg.OperatorInterventionError,  # shutting down, starting up, statement timeout
    asyncpg.TransactionRollbackError,  # deadlock, serialization
    asyncpg.PostgresSystemError,  # the disk does not read or write
    asyncpg.ObjectNotInPrerequisiteStateError,  # locked, in use, closed to connections
    asyncpg.InvalidCatalogNameError,  # the database is not there
    asyncpg.UndefinedTableError,  # nor its tables: readyz says so
    asyncpg.ReadOnlySQLTransactionError,  # a standby, or a server out of writing
)
"""What may go away by itself: the caller is told to come back."""


class _PooledConnection(WatchfulConnection):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.json = JsonReader()


class Database:
    """A pool of connections; `connection()` is the one way to a statement."""

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        settings: Settings,
        *,
        max_expected_wait_s: float = _MAX_EXPECTED_WAIT_S,
    ) -> None:
        self._pool = pool
        self._max_expected_wait_s = max_expected_wait_s
        self._statement_timeout_ms = settings.statement_timeout_ms
        self._pgbouncer = settings.pgbouncer
        self._max_read_bytes = settings.max_held_bytes
        self._strays = Strays()
        self._waiting = 0
        self._mean_lent_s = 0.0

    def raise_if_crowded(self) -> None:
        """Raise Unavailable where a caller would have to wait too long for a connection. To be asked before
        any work is done for the call: a refusal that costs little is what keeps the others going."""
        if self._waiting * self._mean_lent_s > self._max_expected_wait_s * self._pool.get_max_size():
            raise Unavailable("too many calls wait for the database, please try again")

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection. Raises Unavailable for whatever the database cannot do just now, and
        AnswerTooLarge where more is read than a process can hold."""
        try:
            try:
                async with self._lent(_ACQUIRE_TIMEOUT_S) as connection:
                    yield connection
            finally:
                if self._strays:
                    await self._end_strays()
        except asyncpg.QueryCanceledError as error:
            raise Unavailable(
                f"the database took longer than the limit of {self._statement_timeout_ms} ms; "
                "narrow the filter or the time range"
            ) from error
        except _PASSING as error:
            if (answer := error_of(error)) is None:
                raise
            raise answer from error

    @asynccontextmanager
    async def _lent(self, timeout_s: float) -> AsyncIterator[WatchfulConnection]:
        self.raise_if_crowded()
        self._waiting += 1
        try:
            proxy = await self._pool.acquire(timeout=timeout_s)
        finally:
            self._waiting -= 1
        lent_at = time.monotonic()
        # When the connection breaks the pool takes its proxy back, which cannot be asked any more then.
        connection = cast("_PooledConnection", proxy).itself()
        connection.json.begin(self._max_read_bytes)
        pid = connection.get_server_pid()
        try:
            if self._strays:
                await self._strays.end(connection)
            yield connection
        finally:
            # An upload may keep its connection for as long as it likes: that says nothing of the others.
            lent_s = min(time.monotonic() - lent_at, _LONG_S)
            self._mean_lent_s += (lent_s - self._mean_lent_s) / _MEAN_OF
            try:
                # A statement that was given up is cancelled first; where that fails the connection is closed.
                await self._pool.release(proxy, timeout=_RELEASE_TIMEOUT_S)
            finally:
                # PgBouncer's processes have other numbers, and it passes no orders on.
                if connection.is_closed() and not self._pgbouncer:
                    self._strays.add(pid)

    async def _end_strays(self) -> None:
        """Borrow a connection for it; if that cannot be had, the next that is lent does it."""
        with suppress(Unavailable, *_PASSING):
            async with asyncio.timeout(_STRAYS_TIMEOUT_S), self._lent(_STRAYS_TIMEOUT_S):
                pass

    @property
    def in_use(self) -> int:
        """Connections that are lent."""
        return self._pool.get_size() - self._pool.get_idle_size()

    @property
    def waiting(self) -> int:
        """Calls that wait for a connection."""
        return self._waiting

    async def close(self) -> None:
        """Close the connections, soon even if the database says nothing any more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._pool.close()


def error_of(error: Exception) -> Unavailable | None:
    """What a caller is told of an error that may pass; None for one that is our own mistake."""
    # asyncpg could not encode an argument: a ValueError too.
    if not isinstance(error, _PASSING) or isinstance(error, ValueError):
        return None
    return Unavailable("the database is not available just now, please try again")


async def open_database(
    settings: Settings,
    on_connect: Callable[[Connection], Awaitable[None]] | None = None,
    *,
    size: int | None = None,
    plans: Literal["custom", "generic"] = "custom",
    max_expected_wait_s: float = _MAX_EXPECTED_WAIT_S,
) -> Database:
    """Connect to `settings.database_url`, with the session settings that every statement relies on.

    `on_connect` looks at each new connection, which is not lent if it raises: it may lead to another database
    than the one before, one that was restored from a backup. `size` is the number of connections at most
    (None: the setting's). Filters differ by a factor of 500 in how many rows they match, so each search is
    planned for its own values; a statement whose plan is always the same need not be planned anew each time:
    `plans` says which it is. `max_expected_wait_s` is how long the wait for a connection may come to be until
    callers are refused at once.
    """

    async def init(connection: asyncpg.Connection[asyncpg.Record]) -> None:
        await cast("_PooledConnection", connection).itself().json.attach(connection)
        if not settings.pgbouncer:
            await watch_client(connection)
        if on_connect is not None:
            await on_connect(connection)

    session = {
        "application_name": "heliscore",
        "timezone": "UTC",
        "statement_timeout": str(settings.statement_timeout_ms),
        "plan_cache_mode": f"force_{plans}_plan",
    }
    pool = await asyncpg.create_pool(
        settings.database_url,
        min_size=0,  # a service that starts while the database is away waits for it like one that runs
        max_size=settings.pool_size if size is None else size,
        timeout=_CONNECT_TIMEOUT_S,
        # The server ends a statement that takes too long; this is for a server that says nothing at all.
        command_timeout=settings.statement_timeout_ms / 1000 + 1,
        # PgBouncer in transaction mode gives each transaction another connection: no prepared statement
        # survives, and session settings are refused.
        statement_cache_size=0 if settings.pgbouncer else 256,
        server_settings={} if settings.pgbouncer else session,
        connection_class=_PooledConnection,
        init=init,
        # No statement of ours leaves anything behind in a session; resetting it would be a round trip a call.
        reset=_leave,
    )
    return Database(pool, settings, max_expected_wait_s=max_expected_wait_s)


async def _leave(_: Connection) -> None:
    pass
