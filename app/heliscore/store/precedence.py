"""Records posts of which some yield: a human's value stays the score until a human changes or removes it.

What a judge says of such a score is kept beside it, as the judge's opinion.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from heliscore.store.connections.pool import Connection
from heliscore.store.scores import MICROSECOND, ScoreIds, ScoreWrite, array_literal, ensure_ids, record
from heliscore.store.statements import load

_SQL = load("precedence")

_Score = tuple[int, str, str]
"""Organization, request id and name."""


async def record_yielding(
    connection: Connection,
    ids: ScoreIds,
    posts: Sequence[ScoreWrite],
    *,
    accept_unknown: bool = True,
    lock_timeout_ms: int = 0,
) -> set[tuple[int, str]]:
    """`scores.record` for any posts. Where some yield it takes a transaction: whose the present values are is
    only known once the requests are locked."""
    if not any(post.yielding for post in posts):
        return await record(
            connection, ids, posts, accept_unknown=accept_unknown, lock_timeout_ms=lock_timeout_ms
        )
    # Outside the transaction: the ids stay in the cache when it is rolled back.
    await ensure_ids(connection, ids, posts)
    posts = _at_different_times(posts)
    async with connection.transaction():
        requests = {(post.organization_id, post.request_id): _without_scores(post) for post in posts}
        written = await record(
            connection,
            ids,
            list(requests.values()),
            accept_unknown=accept_unknown,
            lock_timeout_ms=lock_timeout_ms,
        )
        known = [post for post in posts if (post.organization_id, post.request_id) in written]
        shown, aside = _split(known, await _find_human_scores(connection, ids, known))
        await record(connection, ids, shown)
        await _keep_aside(connection, ids, aside)
    return written


def _at_different_times(posts: Sequence[ScoreWrite]) -> list[ScoreWrite]:
    """Those of one upload have one time, but score and time identify a change."""
    newest: dict[tuple[int, str], datetime] = {}
    later = []
    for post in posts:
        request = post.organization_id, post.request_id
        at = post.posted_at
        if request in newest:
            at = max(at, newest[request] + MICROSECOND)
        newest[request] = at
        later.append(msgspec.structs.replace(post, posted_at=at))
    return later


def _without_scores(post: ScoreWrite) -> ScoreWrite:
    return msgspec.structs.replace(post, scores={}, comments={})


async def _find_human_scores(
    connection: Connection, ids: ScoreIds, posts: Sequence[ScoreWrite]
) -> set[_Score]:
    """The scores among those that yield whose present value is a human's."""
    asked = {
        (post.organization_id, post.request_id, name): its.names[name]
        for post, its in zip(posts, await ensure_ids(connection, ids, posts), strict=True)
        for name in post.yielding & post.scores.keys()
    }
    rows = await connection.fetch(
        _SQL["find_human_scores"],
        [organization_id for organization_id, _, _ in asked],
        [request_id for _, request_id, _ in asked],
        array_literal(list(asked.values())),
    )
    name_of = {(organization_id, name_id): name for (organization_id, _, name), name_id in asked.items()}
    return {
        (organization_id, request_id, name_of[organization_id, name_id])
        for organization_id, request_id, name_id in rows
    }


def _split(posts: Sequence[ScoreWrite], human: set[_Score]) -> tuple[list[ScoreWrite], list[ScoreWrite]]:
    """What becomes the score, and what is kept aside, in order of arrival."""
    shown, aside = [], []
    for post in posts:
        is_human = post.origin.author.kind == "human"
        yielding = set()
        for name in post.scores:
            score = post.organization_id, post.request_id, name
            if is_human:
                human.add(score)
            elif name in post.yielding and score in human:
                yielding.add(name)
            else:
                human.discard(score)
        shown.append(_only(post, post.scores.keys() - yielding))
        aside.append(_only(post, yielding))
    return [post for post in shown if post.scores], [post for post in aside if post.scores]


def _only(post: ScoreWrite, names: set[str]) -> ScoreWrite:
    return msgspec.structs.replace(
        post,
        scores={name: score for name, score in post.scores.items() if name in names},
        comments={name: comment for name, comment in post.comments.items() if name in names},
    )


async def _keep_aside(connection: Connection, ids: ScoreIds, posts: Sequence[ScoreWrite]) -> None:
    post_ids = await ensure_ids(connection, ids, posts)
    given = [
        (post, its, name, score)
        for post, its in zip(posts, post_ids, strict=True)
        for name, score in post.scores.items()
    ]
    if given:
        await connection.execute(
            _SQL["keep_aside"],
            [post.organization_id for post, _, _, _ in given],
            [post.request_id for post, _, _, _ in given],
            array_literal([its.names[name] for _, its, name, _ in given]),
            array_literal([score.value for _, _, _, score in given]),
            array_literal([score.is_boolean for _, _, _, score in given]),
            array_literal([its.origin for _, its, _, _ in given]),
            [post.posted_at for post, _, _, _ in given],
            [post.comments.get(name) for post, _, name, _ in given],
        )
