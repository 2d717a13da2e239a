"""Reviews the items of a queue, for the API and for pages: take one, look at it, finish or skip it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.native.commented_scores import CommentedScores
from heliscore.api.native.queue_commands import find_queue
from heliscore.api.shared.authors import sent_author
from heliscore.api.shared.score_commands import make_post
from heliscore.domain.author import Author
from heliscore.domain.errors import Conflict, FieldError, Forbidden, InvalidInput, NotFound
from heliscore.domain.review_queue import ReviewedItem, ReviewQueue
from heliscore.domain.score_changes import Change, find_opinions
from heliscore.store import queue_items, score_history
from heliscore.store import queue_reviews as store
from heliscore.store.connections.pool import Connection
from heliscore.store.keyed_posts import record_post
from heliscore.store.one_transaction import IdsApart
from heliscore.store.search import request_search
from heliscore.store.search.found_requests import Request

_CALL: Final = "review"
"""The name of the call in the history."""


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """An item in front of a reviewer."""

    queue: ReviewQueue
    item: ReviewedItem
    request: Request
    given: Mapping[str, Change]
    """The reviewer's own, by name, of the scores that are wanted."""

    others: list[tuple[str, Change]] | None
    """The names and opinions of others; None while they are hidden."""


def reviewer_of(call: ApiCall, author: Author | None = None) -> Author:
    """Who reviews: `author`, or who the header says, or the key's author. Raises InvalidInput, and Forbidden
    for a reviewer's link that is used for a judge."""
    reviewer = author or sent_author(call) or call.principal.author
    if call.principal.queue_id is not None and reviewer.kind in ("judge", "code"):
        raise Forbidden("with a reviewer's link only people score")
    return reviewer


async def reserve_next(call: ApiCall, reviewer: Author) -> str | None:
    """Reserve an item for a reviewer and return the id of its request; None where none is left. Raises
    NotFound, and Conflict where the queue is closed."""
    organization_id = call.principal.organization_id
    async with call.services.database.connection() as connection:
        queue = await find_queue(call, connection)
        _check_open(queue)
        return await store.reserve(connection, organization_id, queue.id, str(reviewer))


def _check_open(queue: ReviewQueue) -> None:
    if queue.closed_at is not None:
        raise Conflict(f"the queue {queue.name} is closed")


async def find_review(call: ApiCall, request_id: str, reviewer: Author) -> Review:
    """Return an item of the queue as a reviewer may see it. Raises NotFound."""
    organization_id = call.principal.organization_id
    async with call.services.database.connection() as connection:
        queue = await find_queue(call, connection)
        item = await _find_item(connection, organization_id, queue, request_id, reviewer)
        request = await request_search.find(connection, call.services.ids.names, organization_id, request_id)
        if request is None:
            raise _not_there(queue, request_id)
        opinions = await _find_opinions(connection, organization_id, queue, request_id)
    given = {name: opinion for name, opinion in opinions if opinion.author == reviewer}
    is_hidden = queue.is_blind and len(given) < len(queue.scores)
    others = None if is_hidden else [one for one in opinions if one[1].author != reviewer]
    return Review(queue=queue, item=item, request=request, given=given, others=others)


async def _find_item(
    connection: Connection, organization_id: int, queue: ReviewQueue, request_id: str, reviewer: Author
) -> ReviewedItem:
    item = await queue_items.find_item(connection, organization_id, queue.id, request_id, str(reviewer))
    if item is None:
        raise _not_there(queue, request_id)
    return item


def _not_there(queue: ReviewQueue, request_id: str) -> NotFound:
    return NotFound(f"there is no request {request_id} in the queue {queue.name}")


async def _find_opinions(
    connection: Connection, organization_id: int, queue: ReviewQueue, request_id: str
) -> list[tuple[str, Change]]:
    """The opinions on the scores that are wanted."""
    changes = await score_history.find_changes(connection, organization_id, request_id) or {}
    return [(name, one) for name in queue.scores for one in find_opinions(changes.get(name, ()))]


async def finish(call: ApiCall, request_id: str, sent: CommentedScores, reviewer: Author) -> list[str]:
    """Store the scores that a reviewer gives a request, and note that they have done it: both or neither.
    Returns what definitions warn of.

    Raises InvalidInput for scores that are not wanted, and where some are missing that were not given before;
    NotFound; Conflict where others have all places of the item, or the queue is closed.
    """
    organization_id = call.principal.organization_id
    async with call.services.database.connection() as connection:
        queue = await find_queue(call, connection)
    _check_open(queue)
    _check_wanted(queue, sent.scores)
    post, warnings = await make_post(
        call, request_id, sent.scores, _CALL, comments=sent.comments, author=reviewer
    )
    # Names and origins that are new are added outside the transaction, which may be rolled back.
    ids = IdsApart(call.services.ids, call.services.quick)
    async with call.services.database.connection() as connection, connection.transaction():
        if not await store.lock_request(connection, organization_id, request_id):
            raise _not_there(queue, request_id)
        item = await _find_item(connection, organization_id, queue, request_id, reviewer)
        opinions = await _find_opinions(connection, organization_id, queue, request_id)
        given = {name for name, opinion in opinions if opinion.author == reviewer}
        _check_complete(queue, given | sent.scores.keys())
        if not await store.finish(connection, organization_id, queue.id, item.position, str(reviewer)):
            raise Conflict(f"request {request_id} has all its reviewers, or is reserved for others")
        if sent.scores:
            await record_post(connection, ids, post, accept_unknown=False)
    return warnings


def _check_wanted(queue: ReviewQueue, names: Iterable[str]) -> None:
    wanted = ", ".join(queue.scores)
    errors = [
        FieldError(f"scores.{name}", f"not a score of this queue, which asks for {wanted}")
        for name in names
        if name not in queue.scores
    ]
    if errors:
        raise InvalidInput(errors)


def _check_complete(queue: ReviewQueue, given: set[str]) -> None:
    if errors := [FieldError(f"scores.{name}", "missing") for name in queue.scores if name not in given]:
        raise InvalidInput(errors)


async def skip(call: ApiCall, request_id: str, reviewer: Author) -> None:
    """Note that a reviewer does not want an item: it is handed out to others, not to them. Raises NotFound,
    and Conflict where they have done it."""
    organization_id = call.principal.organization_id
    async with call.services.database.connection() as connection:
        queue = await find_queue(call, connection)
        item = await _find_item(connection, organization_id, queue, request_id, reviewer)
        if not await store.skip(connection, organization_id, queue.id, item.position, str(reviewer)):
            raise Conflict(f"request {request_id} is done by {reviewer} already")
