"""Reservations of a queue's items: several reviewers at once, each on a connection of their own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import asyncpg
from heliscore.domain.author import Author, Origin
from heliscore.domain.review_queue import QueueTerms
from heliscore.domain.score import Score
from heliscore.store import queue_items, queue_reviews, retention, review_queues
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.scores import ScoreIds, ScoreWrite, record

AGE = "UPDATE queue_review SET reserved_until = now() - interval '1 second' WHERE reviewer = $1"


async def make(
    connection: Connection, ids: ScoreIds, organization_id: int, requests: int, reviewers: int
) -> str:
    origin, at = Origin(Author("judge", "j"), "score"), datetime.now(UTC)
    request_ids = [f"r{number:02}" for number in range(requests)]
    posts = [ScoreWrite(organization_id, id_, {"a": Score(1, False)}, at, origin) for id_ in request_ids]
    await record(connection, ids, posts)
    terms = QueueTerms(
        name="q",
        instructions="",
        scores=("a",),
        reviewers_per_item=reviewers,
        is_blind=False,
        reservation_minutes=30,
    )
    queue_id = await review_queues.add_queue(connection, organization_id, terms)
    numbers = await queue_items.find_numbers(connection, organization_id, request_ids)
    assert await queue_items.add_items(connection, organization_id, queue_id, numbers) == requests
    return queue_id


async def test_no_item_has_more_reviewers_than_are_wanted_however_many_reserve_at_once(
    connection: Connection, dsn: str, organization_id: int, ids: ScoreIds
) -> None:
    queue_id = await make(connection, ids, organization_id, requests=12, reviewers=2)

    async def work(reviewer: str) -> list[str]:
        """Reserve twice at a time, as two windows of one person do, and finish."""
        done: list[str] = []
        one, other = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
        while True:
            found = await asyncio.gather(
                *(queue_reviews.reserve(each, organization_id, queue_id, reviewer) for each in (one, other))
            )
            if found[0] is None:
                break
            assert found[0] == found[1]
            item = await queue_items.find_item(one, organization_id, queue_id, found[0], reviewer)
            assert item is not None
            async with one.transaction():
                assert await queue_reviews.lock_request(one, organization_id, found[0])
                assert await queue_reviews.finish(one, organization_id, queue_id, item.position, reviewer)
            done.append(found[0])
        await one.close()
        await other.close()
        return done

    done = dict(zip("abcde", await asyncio.gather(*map(work, "abcde")), strict=True))
    items = await queue_items.list_items(connection, organization_id, queue_id, 0, 100)
    assert [len(item.done_by) for item in items] == [2] * 12
    assert [sorted(item.done_by) for item in items] == [
        [reviewer for reviewer, some in done.items() if item.request_id in some] for item in items
    ]
    assert [item.state for item in items] == ["done"] * 12


async def test_reservation_that_expired_is_taken_by_the_next(
    connection: Connection, organization_id: int, ids: ScoreIds
) -> None:
    queue_id = await make(connection, ids, organization_id, requests=1, reviewers=1)

    async def reserve(reviewer: str) -> str | None:
        return await queue_reviews.reserve(connection, organization_id, queue_id, reviewer)

    async def finish(reviewer: str) -> bool:
        return await queue_reviews.finish(connection, organization_id, queue_id, 1, reviewer)

    assert [await reserve("a"), await reserve("b")] == ["r00", None]
    await connection.execute(AGE, "a")
    assert await reserve("a") == "r00"  # it is still theirs, and reserved again
    assert await reserve("b") is None
    await connection.execute(AGE, "a")
    assert await reserve("b") == "r00"
    assert [await finish("a"), await finish("b"), await finish("b"), await finish("a")] == [
        False,
        True,
        True,
        False,
    ]


async def test_items_go_with_requests_that_retention_removes(
    connection: Connection, database: Database, organization_id: int, ids: ScoreIds
) -> None:
    queue_id = await make(connection, ids, organization_id, requests=3, reviewers=2)
    assert await queue_reviews.reserve(connection, organization_id, queue_id, "a") == "r00"
    await connection.execute("UPDATE request SET created_at = '2020-01-01' WHERE request_id <> 'r02'")
    await retention.prune(database, datetime(2021, 1, 1, tzinfo=UTC))
    items = await queue_items.list_items(connection, organization_id, queue_id, 0, 100)
    assert [(item.position, item.request_id, item.places) for item in items] == [(3, "r02", 2)]
