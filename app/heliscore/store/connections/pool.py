"""A pool of connections to PostgreSQL, which answers at once or says Unavailable."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import asyncpg

from heliscore.domain.errors import Unavailable
from heliscore.settings import Settings
from heliscore.store.connections.fair_queue import FairQueue, NodeOf, no_node, organization
from heliscore.store.connections.lost_nodes import is_lost_node
from heliscore.store.connections.orphan_backends import OrphanBackends, WatchfulConnection
from heliscore.store.connections.sessions import Plans, ServiceConnection, begin_session, connect_arguments

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

_ACQUIRE_TIMEOUT_S: Final = 2
_MAX_EXPECTED_WAIT_S: Final = 0.5
"""A caller who would have to wait longer, as connections were lent lately, is refused at once."""

_AWAY: Final = "the database is not available just now, please try again"
_RELEASE_TIMEOUT_S: Final = 1
_ORPHANS_TIMEOUT_S: Final = 1
_CLOSE_TIMEOUT_S: Final = 0.5

_FULL_S: Final = 15.0
"""How long a full disk is remembered. Then calls must show whether it still is: there may be room again."""

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


class Database:
    """A pool of connections; `connection()` is the one way to a statement."""

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        settings: Settings,
        *,
        max_expected_wait_s: float = _MAX_EXPECTED_WAIT_S,
        is_fair: bool = True,
        node_of: NodeOf = no_node,
    ) -> None:
        self._pool = pool
        self._node_of = node_of
        self._places = FairQueue(pool.get_max_size(), max_expected_wait_s, is_fair=is_fair, node_of=node_of)
        self._statement_timeout_ms = settings.statement_timeout_ms
        self._pgbouncer = settings.pgbouncer
        self._max_read_bytes = settings.max_held_bytes
        self._full_at = -math.inf
        self._orphans = OrphanBackends()

    def raise_if_crowded(self) -> None:
        """Raise Unavailable where a caller would have to wait too long for a connection. Call it before any
        work is done for a call: under load, a cheap error is what leaves time for the other calls."""
        self._places.raise_if_crowded()

    @asynccontextmanager
    async def connection(self, *, lane: int | None = None) -> AsyncIterator[Connection]:
        """Lend a connection. Raises Unavailable for errors that may pass, and AnswerTooLarge where more JSON
        is read than a process can hold. `lane` stands for the node of a cluster that the statements are for;
        None: for that of the organization for whom the call works, where it is known."""
        node = lane if lane is not None or (holder := organization.get()) is None else self._node_of(holder)
        try:
            try:
                async with self._lent(_ACQUIRE_TIMEOUT_S, node) as connection:
                    yield connection
            finally:
                if self._orphans.concern(node):
                    await self._end_orphans(node)
        except self.too_slow as error:
            raise Unavailable(
                f"the database took longer than the limit of {self._statement_timeout_ms} ms; "
                "narrow the filter or the time range"
            ) from error
        except (*_PASSING, asyncpg.InternalServerError) as error:
            if isinstance(error, asyncpg.DiskFullError):
                self._full_at = time.monotonic()
            if (answer := error_of(error)) is None:
                raise
            raise answer from error

    @asynccontextmanager
    async def _lent(self, timeout_s: float, node: int | None) -> AsyncIterator[WatchfulConnection]:
        async with self._places.place(timeout_s), self._acquired(timeout_s, node) as connection:
            yield connection

    @asynccontextmanager
    async def _acquired(self, timeout_s: float, node: int | None) -> AsyncIterator[WatchfulConnection]:
        try:
            proxy = await self._pool.acquire(timeout=timeout_s)
        except TimeoutError as error:
            raise Unavailable(_AWAY) from error
        # When the connection breaks, the pool takes its proxy back, which then answers no questions.
        connection = cast("ServiceConnection", proxy).itself()
        connection.json.begin(self._max_read_bytes)
        pid = connection.get_server_pid()
        try:
            if self._orphans.concern(node):
                await self._orphans.end(connection, node)
            yield connection
        finally:
            try:
                # An abandoned statement is cancelled first; if that fails, the connection is closed.
                await self._pool.release(proxy, timeout=_RELEASE_TIMEOUT_S)
            finally:
                # The pids that PgBouncer reports are not the server's.
                if connection.is_closed() and not self._pgbouncer:
                    self._orphans.add(pid, node)

    async def _end_orphans(self, node: int | None) -> None:
        """End orphans now if there is a free connection; else it happens when the next one is lent."""
        with suppress(Unavailable, *_PASSING):
            async with asyncio.timeout(_ORPHANS_TIMEOUT_S), self._lent(_ORPHANS_TIMEOUT_S, node):
                pass

    @property
    def too_slow(self) -> tuple[type[Exception], ...]:
        """The errors of a statement that took longer than the limit. Behind PgBouncer no server knows the
        limit, and asyncpg ends the statement; elsewhere, asyncpg waits longer only for a lost server."""
        return (asyncpg.QueryCanceledError, *((TimeoutError,) if self._pgbouncer else ()))

    @property
    def disk_is_full(self) -> bool:
        """Whether a statement failed lately because the server's disk is full."""
        return time.monotonic() - self._full_at < _FULL_S

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
    passes = isinstance(error, _PASSING) and not isinstance(error, ValueError)
    return Unavailable(_AWAY) if passes or is_lost_node(error) else None


async def open_database(
    settings: Settings,
    on_connect: Callable[[Connection], Awaitable[None]] | None = None,
    *,
    size: int | None = None,
    plans: Plans = "custom",
    max_expected_wait_s: float = _MAX_EXPECTED_WAIT_S,
    is_fair: bool = True,
    node_of: NodeOf = no_node,
) -> Database:
    """Connect to `settings.database_url`, with the session settings that every statement relies on.

    `on_connect` checks each new connection, which is not lent if it raises: it may lead to another database,
    one that was restored from a backup. `size` is the maximum number of connections (None: the setting's).
    If the expected wait for a connection exceeds `max_expected_wait_s`, callers are refused at once. With
    `is_fair`, no organization may take all connections, nor may those of one node of a cluster.
    """

    async def init(connection: asyncpg.Connection[asyncpg.Record]) -> None:
        await begin_session(connection, settings)
        if on_connect is not None:
            await on_connect(connection)

    pool = await asyncpg.create_pool(
        **connect_arguments(settings, plans),
        min_size=0,  # so that a service can start while the database is away
        max_size=settings.pool_size if size is None else size,
        init=init,
        # Our statements change no session state, and to reset it would take a round trip for each call.
        reset=_keep_session,
    )
    return Database(pool, settings, max_expected_wait_s=max_expected_wait_s, is_fair=is_fair, node_of=node_of)


async def _keep_session(_: Connection) -> None:
    pass
