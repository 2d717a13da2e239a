"""Scores: record score maps, all or nothing; find and remove them; the ids of their names and origins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import msgspec

from heliscore.domain.author import Origin
from heliscore.domain.deletion import Deleted
from heliscore.domain.score import Score
from heliscore.store.connections.carrying import CarryingConnection
from heliscore.store.connections.pool import Connection
from heliscore.store.made_rows import MadeRows
from heliscore.store.remembered_ids import RememberedIds
from heliscore.store.score_origins import ScoreOrigins
from heliscore.store.statements import load

_SQL = load("score")

_RECORD: Final = MadeRows(_SQL["record"], "request_no")


MICROSECOND: Final = timedelta(microseconds=1)

NO_COMMENTS: Final[Mapping[str, str]] = MappingProxyType({})


class ScoreWrite(msgspec.Struct, frozen=True):
    """A score map to be written, of at least one score."""

    organization_id: int
    request_id: str
    scores: Mapping[str, Score]
    posted_at: datetime
    """To the microsecond."""

    origin: Origin
    comments: Mapping[str, str] = NO_COMMENTS
    """Of some of the scores."""

    yielding: frozenset[str] = frozenset()
    """The names of which a human's value stays (store.precedence)."""


class ScoreNames(RememberedIds[str]):
    """Caches the ids of score names."""

    async def _fetch(
        self, connection: Connection, organization_id: int, keys: list[str]
    ) -> list[tuple[str, int]]:
        return list(map(tuple, await connection.fetch(_SQL["find_names"], organization_id, keys)))

    async def _add(self, connection: Connection, organization_id: int, keys: list[str]) -> None:
        await connection.execute(_SQL["add_names"], organization_id, keys)


class ScoreIds:
    """The ids that scores are written with."""

    def __init__(self) -> None:
        self.names = ScoreNames()
        self.origins = ScoreOrigins()


class PostIds(msgspec.Struct, frozen=True):
    """The ids that one post is written with."""

    names: Mapping[str, int]
    origin: int


async def ensure_ids(connection: Connection, ids: ScoreIds, posts: Iterable[ScoreWrite]) -> list[PostIds]:
    """Return the ids of each post's names and origin, adding those that are new: not in a transaction."""
    found = []
    for post in posts:
        organization_id = post.organization_id
        names = ids.names.known(organization_id)
        if not post.scores.keys() <= names.keys():
            names = await ids.names.ensure(connection, organization_id, post.scores.keys())
        origin = ids.origins.known(organization_id).get(post.origin)
        if origin is None:
            origin = (await ids.origins.ensure(connection, organization_id, {post.origin}))[post.origin]
        found.append(PostIds(names, origin))
    return found


async def record(
    connection: Connection,
    ids: ScoreIds,
    posts: Sequence[ScoreWrite],
    *,
    accept_unknown: bool = True,
    lock_timeout_ms: int = 0,
) -> set[tuple[int, str]]:
    """Write a batch of posts, those to one request in their order, in one statement, and return the
    (organization, request id) that were written.

    With `accept_unknown` false, posts to requests that do not exist are neither written nor returned. Waits
    for locked rows up to the timeout (0: without one).
    """
    requests = {(post.organization_id, post.request_id) for post in posts}
    post_ids = await ensure_ids(connection, ids, posts)
    statement, [values] = _arguments(connection, [(post_ids, posts)], requests)
    if accept_unknown:
        await connection.execute(statement, accept_unknown, str(lock_timeout_ms), *values)
        return requests
    return set(map(tuple, await connection.fetch(statement, accept_unknown, str(lock_timeout_ms), *values)))


async def record_by_shard(
    connection: CarryingConnection,
    ids: ScoreIds,
    batches: Sequence[Sequence[ScoreWrite]],
    *,
    lock_timeout_ms: int,
) -> set[tuple[int, str]]:
    """The same for batches of which each is of one shard of a cluster, in one transaction. Unknown requests
    are accepted."""
    requests = {(post.organization_id, post.request_id) for posts in batches for post in posts}
    given = [(await ensure_ids(connection, ids, posts), posts) for posts in batches]
    statement, values = _arguments(connection, given, requests)
    await connection.execute_each(statement, [(True, str(lock_timeout_ms), *those) for those in values])
    return requests


def _arguments(
    connection: Connection,
    batches: Sequence[tuple[Sequence[PostIds], Sequence[ScoreWrite]]],
    requests: set[tuple[int, str]],
) -> tuple[str, list[tuple[object, ...]]]:
    """The statement for batches, and its arguments for each. `requests` are those of all posts."""
    is_plain = len(requests) == sum(len(posts) for _, posts in batches) and not any(
        post.comments for _, posts in batches for post in posts
    )
    values = _plain_values if is_plain else _values_in_order
    statement = _RECORD.on(connection) if is_plain else _SQL["record_in_order"]
    return statement, [values(*batch) for batch in batches]


def _plain_values(ids: Sequence[PostIds], posts: Sequence[ScoreWrite]) -> tuple[object, ...]:
    """The values of posts without comments, none to the same request."""
    numbers: list[int] = []
    name_ids: list[int] = []
    values: list[int] = []
    booleans: list[bool] = []
    for number, (post, its) in enumerate(zip(posts, ids, strict=True), 1):
        for name, score in post.scores.items():
            numbers.append(number)
            name_ids.append(its.names[name])
            values.append(score.value)
            booleans.append(score.is_boolean)
    return (
        [post.organization_id for post in posts],
        [post.request_id for post in posts],
        [post.posted_at for post in posts],
        array_literal(numbers),
        array_literal(name_ids),
        array_literal(values),
        array_literal(booleans),
        [its.origin for its in ids],
    )


def _values_in_order(ids: Sequence[PostIds], posts: Sequence[ScoreWrite]) -> tuple[object, ...]:
    """The values of any posts."""
    requests: dict[tuple[int, str], ScoreWrite] = {}
    places: dict[tuple[int, str], int] = {}
    changes: dict[tuple[int, int], list[_Change]] = {}
    for post, its in zip(posts, ids, strict=True):
        key = post.organization_id, post.request_id
        requests.setdefault(key, post)
        place = places.setdefault(key, len(places) + 1)
        for name, score in post.scores.items():
            earlier = changes.setdefault((place, its.names[name]), [])
            # Those of one upload have one time, but score and time identify a change.
            at = max(post.posted_at, earlier[-1].at + MICROSECOND) if earlier else post.posted_at
            change = _Change(score, its.origin, post.comments.get(name), at)
            if not earlier or not change.repeats(earlier[-1]):
                earlier.append(change)
    given = [
        (place, name_id, change, change is some[-1])
        for (place, name_id), some in changes.items()
        for change in some
    ]
    return (
        [post.organization_id for post in requests.values()],
        [post.request_id for post in requests.values()],
        [post.posted_at for post in requests.values()],
        array_literal([place for place, _, _, _ in given]),
        array_literal([name_id for _, name_id, _, _ in given]),
        array_literal([change.score.value for _, _, change, _ in given]),
        array_literal([change.score.is_boolean for _, _, change, _ in given]),
        [change.origin_id for _, _, change, _ in given],
        [change.at for _, _, change, _ in given],
        [is_last for _, _, _, is_last in given],
        [change.comment for _, _, change, _ in given],
    )


class _Change(msgspec.Struct, frozen=True):
    score: Score
    origin_id: int
    comment: str | None
    at: datetime

    def repeats(self, earlier: _Change) -> bool:
        """Whether it says nothing that the change before did not say."""
        return (self.score, self.origin_id) == (earlier.score, earlier.origin_id) and (
            self.comment is None or self.comment == earlier.comment
        )


def array_literal(values: list[int] | list[bool]) -> str:
    """Return PostgreSQL's literal of an array. asyncpg encodes a list item by item, ten times as slowly."""
    return f"{{{msgspec.json.encode(values)[1:-1].decode()}}}"


async def remove_score(
    connection: Connection,
    ids: ScoreIds,
    organization_id: int,
    request_id: str,
    name: str,
    at: datetime,
    origin: Origin,
    *,
    is_yielding: bool = False,
) -> bool:
    """Remove one score, which stays in the history; False when there was none, or with `is_yielding` when it
    is a human's."""
    name_ids = await ids.names.find(connection, organization_id, [name])
    if name not in name_ids:
        return False
    origin_ids = await ids.origins.ensure(connection, organization_id, {origin})
    arguments = (organization_id, request_id, name_ids[name], at, origin_ids[origin], is_yielding)
    return await connection.fetchval(_SQL["remove_score"], *arguments) is not None


async def erase_scores(connection: Connection, organization_id: int, request_nos: list[int]) -> Deleted:
    """Remove all scores of requests that this transaction has removed, with their history and comments, and
    return how many of all that was."""
    statuses = [
        await connection.execute(_SQL[statement], organization_id, request_nos)
        for statement in ("remove_scores", "remove_history", "remove_comments")
    ]
    return Deleted(len(request_nos), *(int(status.rpartition(" ")[2]) for status in statuses))


async def find_scores(connection: Connection, organization_id: int, request_id: str) -> dict[str, Score]:
    """Return the scores of one request by name, none where there is no such request."""
    rows = await connection.fetch(_SQL["find_scores"], organization_id, request_id)
    return {name: Score(value, is_boolean) for name, value, is_boolean in rows}


async def list_kinds(connection: Connection, organization_id: int, limit: int) -> dict[str, bool]:
    """Return the organization's first score names, sorted, and whether each was last sent as a boolean."""
    return dict(map(tuple, await connection.fetch(_SQL["list_kinds"], organization_id, limit)))
