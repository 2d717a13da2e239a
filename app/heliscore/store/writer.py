"""The group commit: while statements are under way, score maps gather; the next statement writes them all.

Durability costs a commit's wait, and one wait serves everybody who came in the meantime. A caller is answered
after its own rows are committed. There is no timer: alone, a score map is written at once.

A batch that meets a locked row for longer than a moment (an atomic upload holds it, or an operator's session)
is put aside and taken apart there: nobody waits for a lock on another's request. What is under way for a
request holds back later posts to that request, so that the order of arrival is kept.
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
from heliscore.store.connections.pool import Connection, Database, error_of
from heliscore.store.scores import ScoreNames, ScoreWrite, merged, record

CONNECTIONS: Final = 3
"""What a writer uses at most: one to write, one to find out what is locked, one to wait for that."""

_MAX_WAITING_SCORES: Final = 100_000
"""More are refused: at 50,000 scores a second a queue this long is two seconds of waiting."""

_MAX_BATCH_SCORES: Final = 5_000

_LOCK_TIMEOUT_MS: Final = 100
"""How long a batch may wait for locks before it is put aside: longer than other processes' batches take."""

_TOUCH_TIMEOUT_MS: Final = 5
"""The same, where it is to be found out which posts of a batch are locked."""

_OF_ONE: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.DeadlockDetectedError,
)
"""What a single score map may be to blame for."""

_Request = tuple[int, str]
"""Organization and request id."""


class _Entry(msgspec.Struct, eq=False):
    post: ScoreWrite
    request: _Request
    written: asyncio.Future[bool]
    settled: bool = False


class Writer:
    """Writes score maps in the order in which they came, request by request. A task of its own does it, so
    that a caller that goes away takes nobody's write with it."""

    def __init__(
        self,
        database: Database,
        names: ScoreNames,
        *,
        accept_unknown: bool,
        lock_timeout_ms: int = _LOCK_TIMEOUT_MS,
    ) -> None:
        self._database = database
        self._names = names
        self._accept_unknown = accept_unknown
        self._lock_timeout_ms = lock_timeout_ms
        self._waiting: deque[_Entry] = deque()
        self._under_way: set[_Request] = set()
        self._held_back: dict[_Request, list[_Entry]] = {}
        self._unsettled_scores = 0
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._taking_apart = asyncio.Lock()
        self._aside: set[asyncio.Task[None]] = set()
        self._task = asyncio.create_task(self._run())

    async def record(self, post: ScoreWrite) -> bool:
        """Write a score map; True when it is durable, False when its request is unknown and that is refused.

        Raises Unavailable when too many are waiting, or the database cannot write just now.
        """
        if self._closed:
            raise Unavailable("the service is shutting down, please try again")
        if self._unsettled_scores + len(post.scores) > _MAX_WAITING_SCORES:
            raise Unavailable("too many scores are waiting to be written, please try again")
        request = post.organization_id, post.request_id
        entry = _Entry(post, request, asyncio.get_running_loop().create_future())
        self._unsettled_scores += len(post.scores)
        self._idle.clear()
        self._waiting.append(entry)
        self._arrived.set()
        return await entry.written

    @property
    def waiting_scores(self) -> int:
        """Scores that are not written yet."""
        return self._unsettled_scores

    async def close(self) -> None:
        """Take no more, finish what is waiting, then stop."""
        self._closed = True
        await self._idle.wait()
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        """Write what waits, with one connection for as long as it lives."""
        while True:
            await self._arrived.wait()
            batch: list[_Entry] = []
            try:
                async with self._database.connection() as connection:
                    while not connection.is_closed():
                        if batch := self._take():
                            await self._write_or_put_aside(connection, batch)
                        else:
                            self._arrived.clear()
                            await self._arrived.wait()
            except Exception as error:  # not to carry on as if nothing were: every caller gets it
                self._fail(batch or self._take_all(), error)

    def _take(self) -> list[_Entry]:
        """The next batch; what is for requests that are being written is held back."""
        batch: list[_Entry] = []
        scores = 0
        while self._waiting and (
            not batch or scores + len(self._waiting[0].post.scores) <= _MAX_BATCH_SCORES
        ):
            entry = self._waiting.popleft()
            if entry.request in self._under_way:
                self._held_back.setdefault(entry.request, []).append(entry)
            else:
                batch.append(entry)
                scores += len(entry.post.scores)
        self._under_way.update(entry.request for entry in batch)
        return batch

    def _take_all(self) -> list[_Entry]:
        entries = list(self._waiting)
        self._waiting.clear()
        self._arrived.clear()
        return entries

    async def _write_or_put_aside(self, connection: Connection, batch: list[_Entry]) -> None:
        try:
            await self._write(connection, batch, self._lock_timeout_ms)
        except asyncpg.LockNotAvailableError:
            task = asyncio.create_task(self._write_aside(batch))
            self._aside.add(task)
            task.add_done_callback(self._aside.discard)

    async def _write_aside(self, batch: list[_Entry]) -> None:
        """Write what can be written at once, then wait for the locks of the rest."""
        try:
            async with self._taking_apart, self._database.connection() as connection:
                locked = await self._write_free(connection, batch)
            if locked:
                async with self._database.connection() as connection:
                    await self._write(connection, locked)
        except Exception as error:  # every caller gets it, as above
            self._fail(batch, error)

    async def _write_free(self, connection: Connection, batch: list[_Entry]) -> list[_Entry]:
        """Write all but what is locked, and return that, in order."""
        batch = [entry for entry in batch if not entry.settled]
        try:
            await self._write(connection, batch, _TOUCH_TIMEOUT_MS)
            return []
        except asyncpg.LockNotAvailableError:
            requests = list(dict.fromkeys(entry.request for entry in batch))
            if len(requests) == 1:
                return batch
            first = set(requests[: len(requests) // 2])
            return [
                *await self._write_free(connection, [entry for entry in batch if entry.request in first]),
                *await self._write_free(connection, [entry for entry in batch if entry.request not in first]),
            ]

    async def _write(self, connection: Connection, batch: list[_Entry], lock_timeout_ms: int = 0) -> None:
        """Write a batch in one statement. Should something in it be at fault, or its locks cross another's,
        each score map is written alone, so that only its own caller hears of it.

        Raises LockNotAvailableError when a row stays locked for longer than the timeout (0: the statement's);
        then some of the batch may have been written, and are settled.
        """
        begun = time.perf_counter()
        try:
            written = await record(
                connection,
                self._names,
                merged(entry.post for entry in batch),
                accept_unknown=self._accept_unknown,
                lock_timeout_ms=lock_timeout_ms,
            )
        except _OF_ONE as error:
            if len(batch) == 1:
                self._fail(batch, error_of(error) or error)
                return
            for entry in batch:
                await self._write(connection, [entry], lock_timeout_ms)
            return
        except asyncpg.QueryCanceledError:
            self._fail(batch, Unavailable("the scores could not be written in time, please try again"))
            return
        for entry in batch:
            if not entry.written.done():  # its caller may have gone away
                entry.written.set_result(entry.request in written)
        self._settle(batch)
        _count((entry.post for entry in batch if entry.request in written), time.perf_counter() - begun)

    def _fail(self, batch: Iterable[_Entry], error: Exception) -> None:
        unsettled = [entry for entry in batch if not entry.settled]
        for entry in unsettled:
            if not entry.written.done():
                entry.written.set_exception(error)
        self._settle(unsettled)

    def _settle(self, batch: list[_Entry]) -> None:
        """Let go of the requests of a batch: what was held back for them is next."""
        for entry in batch:
            entry.settled = True
            self._unsettled_scores -= len(entry.post.scores)
            self._under_way.discard(entry.request)
        if self._held_back:
            freed = [self._held_back.pop(entry.request, ()) for entry in batch]
            self._waiting.extendleft(entry for later in reversed(freed) for entry in reversed(later))
            self._arrived.set()
        if not self._unsettled_scores:
            self._idle.set()


def _count(posts: Iterable[ScoreWrite], seconds: float) -> None:
    """Count the posts of one statement."""
    totals = ScoreTotals()
    for post in posts:
        totals.add(post.organization_id, post.scores)
    metrics.observe_batch(totals.count(), seconds)
