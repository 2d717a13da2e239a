"""A pool of connections to PostgreSQL, which answers at once or says Unavailable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

import asyncpg

from heliscore.domain.errors import Unavailable
from heliscore.settings import Settings
from heliscore.store.connections.fair_queue import FairQueue
from heliscore.store.connections.json_columns import JsonReader
from heliscore.store.connections.orphan_backends import OrphanBackends, WatchfulConnection, watch_client

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

_ACQUIRE_TIMEOUT_S: Final = 2
_MAX_EXPECTED_WAIT_S: Final = 0.5
"""A caller who would have to wait longer, as connections were lent lately, is refused at once."""

_CONNECT_TIMEOUT_S: Final = 3
_RELEASE_TIMEOUT_S: Final = 1
_ORPHANS_TIMEOUT_S: Final = 1
_CLOSE_TIMEOUT_S: Final = 0.5

_PASSING: Final = (
    OSError,  # no server listens, or the network is down; TimeoutError too
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,  # asyncpg found its connection broken
    asyncpg.InternalClientError,  # or its server shutting down
    asyncpg.InsufficientResourcesError,  # no connection left, disk full, out of memory
    asyncpg.OperatorInterventionError,  # shutting down, starting up, statement timeout
    asyncpg.TransactionRollbackError,  # deadlock, serialization
    asyncpg.PostgresSystemError,  # an I/O error
    asyncpg.ObjectNotInPrerequisiteStateError,  # locked, in use, closed to connections
    asyncpg.InvalidCatalogNameError,  # the database does not exist
    asyncpg.UndefinedTableError,  # nor do its tables, as /readyz says
    asyncpg.ReadOnlySQLTransactionError,  # a standby, or a server set read-only
)
"""Errors that may pass: the caller is told to try again."""


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
        is_fair: bool = True,
    ) -> None:
        self._pool = pool
        self._places = FairQueue(pool.get_max_size(), max_expected_wait_s, is_fair=is_fair)
        self._statement_timeout_ms = settings.statement_timeout_ms
        self._pgbouncer = settings.pgbouncer
        self._max_read_bytes = settings.max_held_bytes
        self._orphans = OrphanBackends()

    def raise_if_crowded(self) -> None:
        """Raise Unavailable where a caller would have to wait too long for a connection. Call it before any
        work is done for a call: under load, a cheap error is what leaves time for the other calls."""
        self._places.raise_if_crowded()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection. Raises Unavailable for errors that may pass, and AnswerTooLarge where more JSON
        is read than a process can hold."""
        try:
            try:
                async with self._lent(_ACQUIRE_TIMEOUT_S) as connection:
                    yield connection
            finally:
                if self._orphans:
                    await self._end_orphans()
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
        async with self._places.place(timeout_s), self._acquired(timeout_s) as connection:
            yield connection

    @asynccontextmanager
    async def _acquired(self, timeout_s: float) -> AsyncIterator[WatchfulConnection]:
        proxy = await self._pool.acquire(timeout=timeout_s)
        # When the connection breaks, the pool takes its proxy back, which then answers no questions.
        connection = cast("_PooledConnection", proxy).itself()
        connection.json.begin(self._max_read_bytes)
        pid = connection.get_server_pid()
        try:
            if self._orphans:
                await self._orphans.end(connection)
            yield connection
        finally:
            try:
                # An abandoned statement is cancelled first; if that fails, the connection is closed.
                await self._pool.release(proxy, timeout=_RELEASE_TIMEOUT_S)
            finally:
                # The pids that PgBouncer reports are not the server's.
                if connection.is_closed() and not self._pgbouncer:
                    self._orphans.add(pid)

    async def _end_orphans(self) -> None:
        """End orphans now if there is a free connection; else it happens when the next one is lent."""
        with suppress(Unavailable, *_PASSING):
            async with asyncio.timeout(_ORPHANS_TIMEOUT_S), self._lent(_ORPHANS_TIMEOUT_S):
                pass

    @property
    def in_use(self) -> int:
        """Connections that are lent."""
        return self._pool.get_size() - self._pool.get_idle_size()

    @property
    def waiting(self) -> int:
        """Calls that wait for a connection."""
        return self._places.waiting

    async def close(self) -> None:
        """Close the connections, within half a second even if the database does not answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._pool.close()


def error_of(error: Exception) -> Unavailable | None:
    """Return what a caller is told of an error that may pass; None for an error that is a defect of ours."""
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
    is_fair: bool = True,
) -> Database:
    """Connect to `settings.database_url`, with the session settings that every statement relies on.

    `on_connect` checks each new connection, which is not lent if it raises: it may lead to another database,
    one that was restored from a backup. `size` is the maximum number of connections (None: the setting's).
    `plans`: filters differ widely in how many rows they match, so each search is planned for its own values
    ("custom"); a statement whose plan is always the same is planned once ("generic"). If the expected wait
    for a connection exceeds `max_expected_wait_s`, callers are refused at once. With `is_fair`, no
    organization may take all connections.
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
        min_size=0,  # so that a service can start while the database is away
        max_size=settings.pool_size if size is None else size,
        timeout=_CONNECT_TIMEOUT_S,
        # The server cancels a statement that takes too long; this is for a server that does not answer.
        command_timeout=settings.statement_timeout_ms / 1000 + 1,
        # PgBouncer in transaction mode gives each transaction another connection: no prepared statement
        # survives, and session settings are refused.
        statement_cache_size=0 if settings.pgbouncer else 256,
        server_settings={} if settings.pgbouncer else session,
        connection_class=_PooledConnection,
        init=init,
        # Our statements change no session state, and to reset it would take a round trip for each call.
        reset=_keep_session,
    )
    return Database(pool, settings, max_expected_wait_s=max_expected_wait_s, is_fair=is_fair)


async def _keep_session(_: Connection) -> None:
    pass
