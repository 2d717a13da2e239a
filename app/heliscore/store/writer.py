"""Group commit: score maps that arrive while a statement runs are written together by the next statement.

A durable write waits for a commit, and one commit can serve all callers who arrived in the meantime. A caller
is answered after its own rows are committed. There is no timer: alone, a score map is written at once.

A batch that meets a row which stays locked (by an atomic upload, or an operator's session) is set aside, and
split there until the locked posts are found: nobody waits for a lock on another caller's request. A write in
progress holds back later posts to the same request, so that they are written in order of arrival.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from typing import Final

import asyncpg
import msgspec

from heliscore.domain.errors import Unavailable
from heliscore.observability import metrics
from heliscore.observability.score_totals import ScoreTotals
from heliscore.store.cluster.placements import Place, Placements
from heliscore.store.connections.carrying import carries
from heliscore.store.connections.pool import Connection, Database, error_of
from heliscore.store.idempotent_calls import AnsweredCall
from heliscore.store.keyed_posts import record_posts
from heliscore.store.scores import ScoreIds, ScoreWrite

CONNECTIONS: Final = 3
"""The most that a writer uses: one to write, one to find the posts that are locked, one to wait for those."""

MOST_LANES: Final = 8
"""Of a service, each with a writer. A cluster with more nodes has several in a lane."""

_MAX_WAITING_SCORES: Final = 100_000
"""More are refused. At 50,000 scores a second, a queue of this length takes two seconds."""

_MAX_BATCH_SCORES: Final = 5_000

_LOCK_TIMEOUT_MS: Final = 100
"""How long a batch may wait for locks before it is set aside: longer than other processes' batches take."""

_SPLIT_LOCK_TIMEOUT_MS: Final = 5
"""The same for the parts of a batch that is split to find its locked posts."""

_ENTRY_ERRORS: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.DeadlockDetectedError,
)
"""Errors that a single score map can cause."""

_Request = tuple[int, str]
"""Organization and request id."""


class _Entry(msgspec.Struct, eq=False):
    post: ScoreWrite
    request: _Request
    written: asyncio.Future[bool]
    done: bool = False
    call: AnsweredCall | None = None
    """The call that posts it, where that has an Idempotency-Key."""


class Writer:
    """Writes score maps, those of one request in order of arrival. A separate task writes, so that a caller
    who disconnects cancels no other caller's write."""

    def __init__(
        self,
        database: Database,
        ids: ScoreIds,
        *,
        accept_unknown: bool,
        placements: Placements | None = None,
        lock_timeout_ms: int = _LOCK_TIMEOUT_MS,
        lane: int | None = None,
    ) -> None:
        self._database = database
        self._ids = ids
        self._accept_unknown = accept_unknown
        self._placements = placements or Placements()
        self._lock_timeout_ms = lock_timeout_ms
        self._lane = lane
        self._waiting: deque[_Entry] = deque()
        self._in_progress: set[_Request] = set()
        self._held_back: dict[_Request, list[_Entry]] = {}
        self._pending_scores = 0
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._splitting = asyncio.Lock()
        self._set_aside: set[asyncio.Task[None]] = set()
        self._task = asyncio.create_task(self._run())

    async def record(self, post: ScoreWrite, call: AnsweredCall | None = None) -> bool:
        """Write a score map, and with it the call's key and answer; True when they are durable, False when
        its request is unknown and that is refused.

        Raises Unavailable when too many scores are waiting, or the database cannot write just now, and
        Repeated when another call had the key.
        """
        if self._closed:
            raise Unavailable("the service is shutting down, please try again")
        if self._pending_scores + len(post.scores) > _MAX_WAITING_SCORES:
            raise Unavailable("too many scores are waiting to be written, please try again")
        request = post.organization_id, post.request_id
        entry = _Entry(post, request, asyncio.get_running_loop().create_future(), call=call)
        self._pending_scores += len(post.scores)
        self._idle.clear()
        self._waiting.append(entry)
        self._arrived.set()
        return await entry.written

    @property
    def lane(self) -> int | None:
        """The lane of a cluster's node; None on a single PostgreSQL."""
        return self._lane if self._placements.is_cluster else None

    @property
    def waiting_scores(self) -> int:
        """How many scores are not written yet."""
        return self._pending_scores

    @property
    def disk_is_full(self) -> bool:
        """Whether scores could not be written lately because the server's disk is full."""
        return self._database.disk_is_full

    async def close(self) -> None:
        """Refuse new score maps, write those that wait, then stop."""
        self._closed = True
        await self._idle.wait()
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        """Write batches, on one connection until it breaks."""
        while True:
            await self._arrived.wait()
            batch: list[_Entry] = []
            try:
                async with self._database.connection(lane=self._lane) as connection:
                    while not connection.is_closed():
                        if batch := self._take():
                            await self._write_or_set_aside(connection, batch)
                        else:
                            self._arrived.clear()
                            await self._arrived.wait()
            except Exception as error:  # not swallowed: every caller gets it
                self._fail(batch or self._take_all(), error)

    def _take(self) -> list[_Entry]:
        """Take the next batch; hold back posts to requests with a write in progress."""
        batch: list[_Entry] = []
        scores = 0
        while self._waiting and (
            not batch or scores + len(self._waiting[0].post.scores) <= _MAX_BATCH_SCORES
        ):
            entry = self._waiting.popleft()
            if entry.request in self._in_progress:
                self._held_back.setdefault(entry.request, []).append(entry)
            else:
                batch.append(entry)
                scores += len(entry.post.scores)
        self._in_progress.update(entry.request for entry in batch)
        return batch

    def _take_all(self) -> list[_Entry]:
        entries = list(self._waiting)
        self._waiting.clear()
        self._arrived.clear()
        return entries

    async def _write_or_set_aside(self, connection: Connection, batch: list[_Entry]) -> None:
        try:
            await self._write(connection, batch, self._lock_timeout_ms)
        except asyncpg.LockNotAvailableError:
            task = asyncio.create_task(self._write_set_aside(batch))
            self._set_aside.add(task)
            task.add_done_callback(self._set_aside.discard)

    async def _write_set_aside(self, batch: list[_Entry]) -> None:
        """Write the posts that are not locked, then wait for the locks of the rest."""
        try:
            async with self._splitting, self._database.connection(lane=self._lane) as connection:
                locked = await self._write_unlocked(connection, batch)
            if locked:
                async with self._database.connection(lane=self._lane) as connection:
                    await self._write(connection, locked)
        except Exception as error:  # every caller gets it, as above
            self._fail(batch, error)

    async def _write_unlocked(self, connection: Connection, batch: list[_Entry]) -> list[_Entry]:
        """Write all posts that are not locked, and return the locked ones, in order."""
        batch = [entry for entry in batch if not entry.done]
        try:
            await self._write(connection, batch, _SPLIT_LOCK_TIMEOUT_MS)
            return []
        except asyncpg.LockNotAvailableError:
            requests = list(dict.fromkeys(entry.request for entry in batch))
            if len(requests) == 1:
                return batch
            first = set(requests[: len(requests) // 2])
            return [
                *await self._write_unlocked(connection, [entry for entry in batch if entry.request in first]),
                *await self._write_unlocked(
                    connection, [entry for entry in batch if entry.request not in first]
                ),
            ]

    async def _write(
        self,
        connection: Connection,
        batch: list[_Entry],
        lock_timeout_ms: int = 0,
        *,
        is_second: bool = False,
    ) -> None:
        """Write a batch in one statement. If one score map makes it fail, or it deadlocks with another
        writer, each score map is written alone, so that only its own caller gets the error.

        Raises LockNotAvailableError when a row stays locked for longer than the timeout (0: the statement's);
        then a part of the batch may have been written, and is done.
        """
        places = await self._find_places(connection, batch)
        if len({place.node for place in places.values()}) > 1:
            await self._write_by_node(connection, batch, places, lock_timeout_ms)
            return
        begun = time.perf_counter()
        try:
            written, errors = await record_posts(
                connection,
                self._ids,
                [(entry.post, entry.call) for entry in batch],
                accept_unknown=self._accept_unknown,
                lock_timeout_ms=lock_timeout_ms,
                shards={organization_id: place.shard for organization_id, place in places.items()},
            )
        except _ENTRY_ERRORS as error:
            if len(batch) == 1:
                self._fail(batch, error_of(error) or error)
                return
            for entry in batch:
                await self._write(connection, [entry], lock_timeout_ms)
            return
        except asyncpg.ObjectNotInPrerequisiteStateError as error:
            if not places or is_second or isinstance(error, asyncpg.LockNotAvailableError):
                raise
            self._placements.forget(places)  # some have moved
            await self._write(connection, batch, lock_timeout_ms, is_second=True)
            return
        except self._database.too_slow:
            self._fail(batch, Unavailable("the scores could not be written in time, please try again"))
            return
        for place, reason in errors.items():
            self._fail([batch[place]], reason)
        batch = [entry for entry in batch if not entry.done]
        for entry in batch:
            if not entry.written.done():  # its caller may have disconnected
                entry.written.set_result(entry.request in written)
        self._finish(batch)
        _count(
            (entry.post for entry in batch if entry.request in written),
            time.perf_counter() - begun,
            self.lane,
        )

    async def _write_by_node(
        self,
        connection: Connection,
        batch: list[_Entry],
        places: dict[int, Place],
        lock_timeout_ms: int,
    ) -> None:
        """Write the posts of each node by themselves; where one node is away, those of the others are written
        all the same. Raises its error in the end."""
        failure: Exception | None = None
        for node in {place.node for place in places.values()}:
            part = [entry for entry in batch if places[entry.post.organization_id].node == node]
            try:
                await self._write(connection, part, lock_timeout_ms)
            except asyncpg.LockNotAvailableError:
                raise
            except asyncpg.PostgresError as error:
                self._fail(part, error_of(error) or error)
                failure = error
        if failure is not None:
            raise failure

    async def _find_places(self, connection: Connection, batch: list[_Entry]) -> dict[int, Place]:
        """Where the organizations are, on a cluster. Each node's posts are committed by themselves: a
        commit over several takes two phases, and a fault between these delays what was acknowledged."""
        if not carries(connection):
            return {}
        return await self._placements.find(connection, {entry.post.organization_id for entry in batch})

    def _fail(self, batch: Iterable[_Entry], error: Exception) -> None:
        unfinished = [entry for entry in batch if not entry.done]
        for entry in unfinished:
            if not entry.written.done():
                entry.written.set_exception(error)
        self._finish(unfinished)

    def _finish(self, batch: list[_Entry]) -> None:
        """Mark a batch as done; posts that were held back for its requests are next."""
        for entry in batch:
            entry.done = True
            self._pending_scores -= len(entry.post.scores)
            self._in_progress.discard(entry.request)
        if self._held_back:
            freed = [self._held_back.pop(entry.request, ()) for entry in batch]
            self._waiting.extendleft(entry for later in reversed(freed) for entry in reversed(later))
            self._arrived.set()
        if not self._pending_scores:
            self._idle.set()


def _count(posts: Iterable[ScoreWrite], seconds: float, lane: int | None) -> None:
    """Count the posts of one statement."""
    totals = ScoreTotals()
    for post in posts:
        totals.add(post.organization_id, post.scores)
    metrics.observe_batch(totals.count(), seconds, lane)
