"""Writes a batch of score maps, of which some may come with an Idempotency-Key: those in one transaction with
their keys and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from heliscore.domain.errors import ApiError
from heliscore.observability.score_totals import ScoreTotals
from heliscore.store.connections.carrying import CarryingConnection
from heliscore.store.connections.pool import Connection
from heliscore.store.idempotent_calls import (
    AnsweredCall,
    IdempotentCall,
    Repeated,
    claim_all,
    find_all,
    in_progress,
    release_all,
)
from heliscore.store.precedence import record_yielding
from heliscore.store.scores import ScoreIds, ScoreWrite, ensure_ids, record_by_shard
from heliscore.store.statements import load

_SQL = load("carrying", "cluster/queries")

Post = tuple[ScoreWrite, AnsweredCall | None]

_Request = tuple[int, str]
"""Organization and request id."""

_ONE_SERVER: Final[Mapping[int, int]] = MappingProxyType({})


async def record_posts(
    connection: Connection,
    ids: ScoreIds,
    posts: Sequence[Post],
    *,
    accept_unknown: bool,
    lock_timeout_ms: int,
    shards: Mapping[int, int] = _ONE_SERVER,
) -> tuple[set[_Request], dict[int, Repeated | ApiError]]:
    """Write posts in one statement, but for those whose keys other calls had. Returns the requests of those
    that were written, and the error of each of the others by its place. On a cluster, `shards` are those of
    organizations that should be of one node: there is a statement for each shard, in one transaction."""
    groups: dict[int | None, list[int]] = {}
    if shards:
        for place, (post, _) in enumerate(posts):
            groups.setdefault(shards.get(post.organization_id), []).append(place)
    if len(groups) < 2 or not isinstance(connection, CarryingConnection):
        return await _record_together(
            connection, ids, posts, accept_unknown=accept_unknown, lock_timeout_ms=lock_timeout_ms
        )
    if accept_unknown and not any(answered or post.yielding for post, answered in posts):
        batches = [[posts[place][0] for place in places] for places in groups.values()]
        return await record_by_shard(connection, ids, batches, lock_timeout_ms=lock_timeout_ms), {}
    # Outside the transaction: the ids are remembered, also when it is rolled back.
    await ensure_ids(connection, ids, [post for post, _ in posts])
    written: set[_Request] = set()
    errors: dict[int, Repeated | ApiError] = {}
    async with connection.transaction():
        for places in groups.values():
            its_written, its_errors = await _record_together(
                connection,
                ids,
                [posts[place] for place in places],
                accept_unknown=accept_unknown,
                lock_timeout_ms=lock_timeout_ms,
            )
            written |= its_written
            errors |= {places[place]: error for place, error in its_errors.items()}
        await connection.execute(_SQL["stay_on_one_node"], [post.organization_id for post, _ in posts])
    return written, errors


async def _record_together(
    connection: Connection,
    ids: ScoreIds,
    posts: Sequence[Post],
    *,
    accept_unknown: bool,
    lock_timeout_ms: int,
) -> tuple[set[_Request], dict[int, Repeated | ApiError]]:

    async def write(fresh: Sequence[Post]) -> set[_Request]:
        some = [post for post, _ in fresh]
        accepted, timeout = accept_unknown, lock_timeout_ms
        return await record_yielding(connection, ids, some, accept_unknown=accepted, lock_timeout_ms=timeout)

    if not any(answered for _, answered in posts):
        return await write(posts), {}
    # Outside the transaction: the ids are remembered, also when it is rolled back.
    await ensure_ids(connection, ids, [post for post, _ in posts])
    async with connection.transaction():
        fresh, repeated = await _claim(connection, posts, lock_timeout_ms)
        written = await write(fresh) if fresh else set()
        if unwritten := [
            answered.call
            for post, answered in fresh
            if answered and (post.organization_id, post.request_id) not in written
        ]:
            await release_all(connection, unwritten)
        errors = await _find_errors(connection, repeated) if repeated else {}
    return written, errors


async def record_post(
    connection: Connection, ids: ScoreIds, post: ScoreWrite, *, accept_unknown: bool
) -> bool:
    """Write one post in the caller's transaction, and count it; False when its request is unknown and that is
    refused."""
    if not await record_yielding(connection, ids, [post], accept_unknown=accept_unknown):
        return False
    totals = ScoreTotals()
    totals.add(post.organization_id, post.scores)
    totals.count()
    return True


async def _claim(
    connection: Connection, posts: Sequence[Post], lock_timeout_ms: int
) -> tuple[list[Post], dict[int, IdempotentCall]]:
    """Divide posts into those that are to be written and the calls that repeat others, by their places."""
    first = {answered.call.place: answered for _, answered in reversed(posts) if answered}
    claimed = await claim_all(connection, first.values(), lock_timeout_ms)
    fresh: list[Post] = []
    repeated: dict[int, IdempotentCall] = {}
    for place, (post, answered) in enumerate(posts):
        if answered and answered.call.place not in claimed:
            repeated[place] = answered.call
            continue
        fresh.append((post, answered))
        if answered:
            claimed.discard(answered.call.place)  # the next one with the key repeats this one
    return fresh, repeated


async def _find_errors(
    connection: Connection, repeated: dict[int, IdempotentCall]
) -> dict[int, Repeated | ApiError]:
    found = await find_all(connection, repeated.values())
    return {place: found.get(call.place) or in_progress() for place, call in repeated.items()}
