"""The review queue of the demo, half done: two people score answers of the released prompt."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Final

from heliscore.demo.features import SUPPORT_RELEASED
from heliscore.demo.reviewers import PEOPLE, near
from heliscore.domain.author import Author, Origin
from heliscore.domain.errors import InvalidInput
from heliscore.domain.filter_tree import NEWEST_FIRST, AllOf, Column, Compare, Exists, Score
from heliscore.domain.review_queue import QueueTerms
from heliscore.store import queue_items, queue_reviews, review_queues, scores
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreWrite

QUEUE: Final = QueueTerms(
    name="Is version 5 to blame?",
    instructions="Read the whole conversation. Did the answer help, and is all of it right?",
    scores=("accuracy", "relevance"),
    reviewers_per_item=2,
    is_blind=True,
    reservation_minutes=60,
)

_ITEMS: Final = 24
_DONE: Final = (14, 10)
"""Items that each of PEOPLE has done."""

_RELEASED: Final = AllOf(
    (
        Compare(Column("prompt_id"), "=", SUPPORT_RELEASED.prompt_id),
        Compare(Column("prompt_version"), "=", str(SUPPORT_RELEASED.version)),
        *(Exists(Score(name)) for name in QUEUE.scores),
    )
)


async def assign_reviews(connection: Connection, organization_id: int, now: datetime) -> None:
    """Make the queue, unless there is one of its name, and review a part of it."""
    ids = scores.ScoreIds()
    await ids.names.ensure(connection, organization_id, QUEUE.scores)
    await ids.origins.ensure(connection, organization_id, {_origin_of(person) for person in PEOPLE})
    try:
        async with connection.transaction():
            queue_id = await review_queues.add_queue(connection, organization_id, QUEUE)
            found = queue_items.find_matching(
                connection, ids.names, organization_id, _RELEASED, NEWEST_FIRST, _ITEMS
            )
            request_ids = [request_id async for page in found for request_id in page]
            numbers = await queue_items.find_numbers(connection, organization_id, request_ids)
            await queue_items.add_items(connection, organization_id, queue_id, numbers)
            for person, count in zip(PEOPLE, _DONE, strict=True):
                for _ in range(count):
                    await _review_next(connection, ids, organization_id, queue_id, person, now)
    except InvalidInput:
        return  # the name is taken


def _origin_of(person: Author) -> Origin:
    return Origin(person, "demo")


async def _review_next(
    connection: Connection,
    ids: scores.ScoreIds,
    organization_id: int,
    queue_id: str,
    person: Author,
    now: datetime,
) -> None:
    reviewer = str(person)
    request_id = await queue_reviews.reserve(connection, organization_id, queue_id, reviewer)
    if request_id is None:
        return
    await queue_reviews.lock_request(connection, organization_id, request_id)
    rng = Random(f"{request_id}/{reviewer}")  # noqa: S311 - nothing here is a secret
    present = await scores.find_scores(connection, organization_id, request_id)
    given = {name: near(rng, present[name]) for name in QUEUE.scores}
    item = await queue_items.find_item(connection, organization_id, queue_id, request_id, reviewer)
    at = now - timedelta(seconds=rng.randint(60, 1800))
    post = ScoreWrite(organization_id, request_id, given, at, _origin_of(person))
    await scores.record(connection, ids, [post])
    if item is not None:
        await queue_reviews.finish(connection, organization_id, queue_id, item.position, reviewer)
