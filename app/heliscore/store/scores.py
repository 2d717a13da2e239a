"""Scores: record score maps, all or nothing; find and remove them; the ids of their names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from heliscore.domain.score import Score
from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("score")


class ScoreWrite(msgspec.Struct, frozen=True):
    """A score map to be written, of at least one score."""

    organization_id: int
    request_id: str
    scores: Mapping[str, Score]
    posted_at: datetime


class ScoreNames:
    """Caches the ids of score names, which never change within one database (database_identity.py)."""

    _CAPACITY: Final = 100_000

    def __init__(self) -> None:
        self._ids: dict[int, dict[str, int]] = {}
        self._count = 0

    def known(self, organization_id: int) -> Mapping[str, int]:
        """Return the cached ids. Use them before the next `await`: then the cache may be emptied."""
        return self._ids.get(organization_id, {})

    async def find(
        self, connection: Connection, organization_id: int, names: Collection[str]
    ) -> dict[str, int]:
        """Return the ids of those names that the organization has used."""
        # Into a new dict: while we wait, another call may empty the cache.
        remembered = self.known(organization_id)
        found = {name: remembered[name] for name in names if name in remembered}
        missing = [name for name in names if name not in found]
        if missing:
            for name, id_ in await connection.fetch(_SQL["find_names"], organization_id, missing):
                found[name] = id_
                self._remember(organization_id, name, id_)
        return found

    def _remember(self, organization_id: int, name: str, id_: int) -> None:
        if self._count >= self._CAPACITY:
            self._ids, self._count = {}, 0
        self._ids.setdefault(organization_id, {})[name] = id_
        self._count += 1

    async def ensure(
        self, connection: Connection, organization_id: int, names: Collection[str]
    ) -> dict[str, int]:
        """Return the ids of all those names, adding those that are new. A name without a score is invisible.
        Do not call this in a transaction: if that is rolled back, the cache holds names that do not exist."""
        known = await self.find(connection, organization_id, names)
        if len(known) < len(names):
            missing = [name for name in names if name not in known]
            await connection.execute(_SQL["add_names"], organization_id, missing)
            known = await self.find(connection, organization_id, names)
        return known


def merged(posts: Iterable[ScoreWrite]) -> list[ScoreWrite]:
    """Merge the posts to each request, the newest value of each name: a statement can write no row twice."""
    by_request: dict[tuple[int, str], ScoreWrite] = {}
    for post in posts:
        key = post.organization_id, post.request_id
        earlier = by_request.get(key)
        if earlier is not None:
            scores = {**earlier.scores, **post.scores}
            post = msgspec.structs.replace(earlier, scores=scores)
        by_request[key] = post
    return list(by_request.values())


async def record(
    connection: Connection,
    names: ScoreNames,
    posts: Sequence[ScoreWrite],
    *,
    accept_unknown: bool = True,
    lock_timeout_ms: int = 0,
) -> set[tuple[int, str]]:
    """Write a batch of posts in one statement and return the (organization, request id) that were written.

    A request may occur only once in a batch. With `accept_unknown` false, posts to requests that do not exist
    are neither written nor returned. Waits for locked rows up to the timeout (0: without one).
    """
    numbers: list[int] = []
    name_ids: list[int] = []
    values: list[int] = []
    booleans: list[bool] = []
    for number, post in enumerate(posts, 1):
        ids = names.known(post.organization_id)
        if not post.scores.keys() <= ids.keys():
            ids = await names.ensure(connection, post.organization_id, post.scores.keys())
        for name, score in post.scores.items():
            numbers.append(number)
            name_ids.append(ids[name])
            values.append(score.value)
            booleans.append(score.is_boolean)
    rows = await connection.fetch(
        _SQL["record"],
        [post.organization_id for post in posts],
        [post.request_id for post in posts],
        [post.posted_at for post in posts],
        array_literal(numbers),
        array_literal(name_ids),
        array_literal(values),
        array_literal(booleans),
        accept_unknown,
        str(lock_timeout_ms),
    )
    if accept_unknown:
        return {(post.organization_id, post.request_id) for post in posts}
    return set(map(tuple, rows))


def array_literal(values: list[int] | list[bool]) -> str:
    """Return PostgreSQL's literal of an array. asyncpg encodes a list item by item, ten times as slowly."""
    return f"{{{msgspec.json.encode(values)[1:-1].decode()}}}"


async def remove_score(
    connection: Connection, organization_id: int, request_id: str, name_id: int, at: datetime
) -> bool:
    """Remove one score; False when there was none."""
    arguments = (organization_id, request_id, name_id, at)
    return await connection.fetchval(_SQL["remove_score"], *arguments) is not None


async def remove_scores(connection: Connection, organization_id: int, request_nos: list[int]) -> int:
    """Remove all scores of requests that this transaction has removed, and return how many there were."""
    status = await connection.execute(_SQL["remove_scores"], organization_id, request_nos)
    return int(status.rpartition(" ")[2])


async def find_scores(connection: Connection, organization_id: int, request_id: str) -> dict[str, Score]:
    """Return the scores of one request by name, none where there is no such request."""
    rows = await connection.fetch(_SQL["find_scores"], organization_id, request_id)
    return {name: Score(value, is_boolean) for name, value, is_boolean in rows}


async def list_kinds(connection: Connection, organization_id: int, limit: int) -> dict[str, bool]:
    """Return the organization's first score names, sorted, and whether each was last sent as a boolean."""
    return dict(map(tuple, await connection.fetch(_SQL["list_kinds"], organization_id, limit)))
