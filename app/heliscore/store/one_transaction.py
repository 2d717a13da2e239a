"""Makes one transaction of all that a call writes, although its parts each ask a pool for a connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

from heliscore.domain.author import Origin
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.idempotent_calls import AnsweredCall
from heliscore.store.remembered_ids import K, RememberedIds
from heliscore.store.score_origins import ScoreOrigins
from heliscore.store.scores import ScoreIds, ScoreNames, ScoreWrite
from heliscore.store.writing_lanes import WritingLanes


class OneTransaction:
    """A transaction that begins when a connection is first asked for, and ends with the block: by a commit,
    or by a rollback where the block raises. Its errors are those of the pool."""

    def __init__(self, on_begin: Callable[[Connection], Awaitable[None]]) -> None:
        """`on_begin` makes its first statements; what it raises ends it."""
        self._on_begin = on_begin
        self._connection: Connection | None = None
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._exits.__aexit__(kind, error, trace)

    @property
    def has_begun(self) -> bool:
        return self._connection is not None

    async def connection(self, database: Database) -> Connection:
        """Return the transaction's connection, which is one of the database that is asked first."""
        if self._connection is None:
            connection = await self._exits.enter_async_context(database.connection())
            await self._exits.enter_async_context(connection.transaction())
            await self._on_begin(connection)
            self._connection = connection
        return self._connection


class DatabaseInTransaction(Database):
    """Lends the connection of a transaction, as if it were a pool."""

    def __init__(self, transaction: OneTransaction, database: Database) -> None:
        self._transaction = transaction
        self._database = database

    @asynccontextmanager
    async def connection(self, *, lane: int | None = None) -> AsyncIterator[Connection]:  # noqa: ARG002
        yield await self._transaction.connection(self._database)


class LateWriter(WritingLanes):
    """Takes a call's score map, which is written when the call's answer is known, and together with that."""

    def __init__(self) -> None:
        self.post: ScoreWrite | None = None

    async def record(self, post: ScoreWrite, _: AnsweredCall | None = None) -> bool:
        """Always True: whether the request is known turns out later."""
        if self.post is not None:
            raise NotImplementedError("a call with an Idempotency-Key writes one score map")
        self.post = post
        return True


class _Apart(RememberedIds[K]):
    def __init__(self, ids: RememberedIds[K], database: Database) -> None:
        self._remembered = ids
        self._database = database

    def known(self, organization_id: int) -> Mapping[K, int]:
        return self._remembered.known(organization_id)

    def known_by_id(self, organization_id: int) -> Mapping[int, K]:
        return self._remembered.known_by_id(organization_id)

    def remember(self, organization_id: int, key: K, id_: int) -> None:
        self._remembered.remember(organization_id, key, id_)

    async def find(self, connection: Connection, organization_id: int, keys: Collection[K]) -> dict[K, int]:
        return await self._remembered.find(connection, organization_id, keys)

    async def ensure(self, connection: Connection, organization_id: int, keys: Collection[K]) -> dict[K, int]:
        known = await self.find(connection, organization_id, keys)
        if len(known) < len(keys):
            async with self._database.connection() as apart:
                return await self._remembered.ensure(apart, organization_id, keys)
        return known


class _NamesApart(_Apart[str], ScoreNames):
    pass


class _OriginsApart(_Apart[Origin], ScoreOrigins):
    pass


class IdsApart(ScoreIds):
    """Adds new names and origins outside the transaction: the cache of all calls must hold none that is
    rolled back, and nobody who adds the same may have to wait for the transaction's end."""

    def __init__(self, ids: ScoreIds, database: Database) -> None:
        """`database` must not be one that the transaction may take its connection of: who holds the last
        would wait for another."""
        self.names = _NamesApart(ids.names, database)
        self.origins = _OriginsApart(ids.origins, database)
