"""The group commit: while one statement is under way, score maps gather; the next statement writes them all.

Durability costs a commit's wait, and one wait serves everybody who came in the meantime. A caller is answered
after its own rows are committed. There is no timer: alone, a score map is written at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

import asyncpg
import msgspec

from app.errors import Unavailable
from app.store.pool import Connection, Database, refusal_of
from app.store.scores import Post, ScoreNames, merged, record

_MAX_WAITING_SCORES: Final = 100_000
"""More are refused: at 50,000 scores a second a queue this long is two seconds of waiting."""

_MAX_BATCH_SCORES: Final = 5_000


_OF_ONE: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.DeadlockDetectedError,
)
"""What a single score map may be to blame for."""


class _Entry(msgspec.Struct, eq=False):
    post: Post
    written: asyncio.Future[bool]


class Writer:
    """Writes score maps in the order in which they came. One task does it, so that a caller that goes away
    takes nobody's write with it."""

    def __init__(self, database: Database, names: ScoreNames, *, accept_unknown: bool) -> None:
        self._database = database
        self._names = names
        self._accept_unknown = accept_unknown
        self._waiting: deque[_Entry] = deque()
        self._waiting_scores = 0
        self._under_way: list[_Entry] = []
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task = asyncio.create_task(self._run())

    async def record(self, post: Post) -> bool:
        """Write a score map; True when it is durable, False when its request is unknown and that is refused.

        Raises Unavailable when too many are waiting, or the database cannot write just now.
        """
        if self._waiting_scores + len(post.scores) > _MAX_WAITING_SCORES:
            raise Unavailable("too many scores are waiting to be written, please try again")
        entry = _Entry(post, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        self._waiting_scores += len(post.scores)
        self._idle.clear()
        self._arrived.set()
        return await entry.written

    async def close(self) -> None:
        """Finish what is waiting, then stop."""
        await self._idle.wait()
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            try:
                async with self._database.connection() as connection:
                    while self._waiting:
                        self._under_way = self._take()
                        await self._write(connection, self._under_way)
            except Exception as error:  # not to carry on as if nothing were: every caller gets it
                _fail(self._under_way or self._take_all(), error)
            self._under_way = []
            if self._waiting:
                self._arrived.set()
            else:
                self._idle.set()

    def _take(self) -> list[_Entry]:
        batch: list[_Entry] = []
        scores = 0
        while self._waiting and (
            not batch or scores + len(self._waiting[0].post.scores) <= _MAX_BATCH_SCORES
        ):
            batch.append(self._waiting.popleft())
            scores += len(batch[-1].post.scores)
        self._waiting_scores -= scores
        return batch

    def _take_all(self) -> list[_Entry]:
        batch = list(self._waiting)
        self._waiting.clear()
        self._waiting_scores = 0
        return batch

    async def _write(self, connection: Connection, batch: list[_Entry]) -> None:
        """Write a batch in one statement. Should something in it be at fault, or its locks cross another's,
        each score map is written alone, so that only its own caller hears of it."""
        posts = merged(entry.post for entry in batch)
        try:
            written = await record(connection, self._names, posts, accept_unknown=self._accept_unknown)
        except _OF_ONE as error:
            if len(batch) == 1:
                _fail(batch, refusal_of(error) or error)
                return
            for entry in batch:
                await self._write(connection, [entry])
            return
        for entry in batch:
            if not entry.written.done():  # its caller may have gone away
                entry.written.set_result((entry.post.organization_id, entry.post.request_id) in written)


def _fail(batch: list[_Entry], error: Exception) -> None:
    for entry in batch:
        if not entry.written.done():
            entry.written.set_exception(error)
