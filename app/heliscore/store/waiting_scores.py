"""Scores that name a response: of its request where that is logged, else they wait until it is.

`sql/queries/waiting_score.sql` says why neither a score nor a log can miss the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from heliscore.domain.author import Author, Origin
from heliscore.domain.score import Score
from heliscore.observability.score_totals import ScoreTotals
from heliscore.store.connections.pool import Connection
from heliscore.store.precedence import record_yielding
from heliscore.store.scores import NO_COMMENTS, ScoreIds, ScoreWrite, ensure_ids
from heliscore.store.statements import load

_SQL = load("waiting_score")

MAX_WAITING: Final = 100_000
"""Of an organization."""

KEPT: Final = timedelta(days=7)


async def lock_responses(connection: Connection, organization_id: int, response_ids: Iterable[str]) -> None:
    """Keep requests with these responses from being committed until the transaction ends, which must lock no
    request: their logs hold the rows."""
    await connection.execute(_SQL["lock"], organization_id, list(response_ids))


async def find_requests(
    connection: Connection, organization_id: int, response_ids: Iterable[str]
) -> dict[str, str]:
    """Return the request id of each response that is logged."""
    rows = await connection.fetch(_SQL["find_requests"], organization_id, list(response_ids))
    return dict(map(tuple, rows))


async def is_full(connection: Connection, organization_id: int) -> bool:
    """Whether as many scores wait as may."""
    return bool(await connection.fetchval(_SQL["is_full"], organization_id, MAX_WAITING))


async def add(
    connection: Connection, ids: ScoreIds, organization_id: int, posts: Sequence[ScoreWrite], at: datetime
) -> None:
    """Let scores wait. Of these posts the request id is the response's; locked before (`lock_responses`)."""
    post_ids = await ensure_ids(connection, ids, posts)
    given = [
        (post, its, name, score)
        for post, its in zip(posts, post_ids, strict=True)
        for name, score in post.scores.items()
    ]
    await connection.execute(
        _SQL["add"],
        organization_id,
        at,
        [post.request_id for post, _, _, _ in given],
        [its.names[name] for _, its, name, _ in given],
        [its.origin for _, its, _, _ in given],
        [score.value for _, _, _, score in given],
        [score.is_boolean for _, _, _, score in given],
        [post.comments.get(name) for post, _, name, _ in given],
    )


async def record_taken(
    connection: Connection, organization_id: int, request_id: str, taken: Sequence[asyncpg.Record]
) -> None:
    """Record scores that have waited, in the transaction that logged their request and took them.

    With ids of its own: the cache of all calls must hold none that is rolled back.
    """
    posts = []
    for name, value, is_boolean, at, kind, author, version, call, comment, is_yielding in taken:
        scores = {name: Score(value, is_boolean)}
        comments = NO_COMMENTS if comment is None else {name: comment}
        origin = Origin(Author(kind, author, version), call)
        yielding = frozenset(scores) if is_yielding else frozenset()
        posts.append(ScoreWrite(organization_id, request_id, scores, at, origin, comments, yielding))
    await record_yielding(connection, ScoreIds(), posts)
    totals = ScoreTotals()
    for post in posts:
        totals.add(organization_id, post.scores)
    totals.count()


async def prune(connection: Connection, organization_id: int, limit: int) -> int:
    """Delete up to that many scores that waited too long, and return how many."""
    status = await connection.execute(_SQL["prune"], organization_id, limit, KEPT)
    return int(status.rpartition(" ")[2])
