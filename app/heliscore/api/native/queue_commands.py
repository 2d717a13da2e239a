"""Makes review queues and puts requests into them, for the API and for pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.path_parameters import read_path_parameter, read_uuid
from heliscore.api.native.queue_fields import SAMPLE_SIZE, Chosen
from heliscore.api.native.sample_fields import draw
from heliscore.domain.api_key import mint_key
from heliscore.domain.errors import FieldError, InvalidInput, NotFound, Unauthenticated
from heliscore.domain.filter_tree import Filter, Sort
from heliscore.domain.review_queue import MAX_ITEMS, QueueTerms, ReviewerLink, ReviewQueue
from heliscore.domain.times import exactly_now
from heliscore.store import keys, queue_items
from heliscore.store import review_queues as store
from heliscore.store.connections.pool import Connection

ID: Final = "queueId"
JOIN_PATH: Final = "/join"
"""The page where a reviewer's link leads."""


def queue_id_of(call: ApiCall) -> str:
    """The id in the path. Raises NotFound."""
    return str(read_uuid(read_path_parameter(call.request, ID), "queue"))


async def find_queue(call: ApiCall, connection: Connection) -> ReviewQueue:
    """Return the queue of the path. Raises NotFound."""
    id_ = queue_id_of(call)
    queue = await store.find_queue(connection, call.principal.organization_id, id_)
    if queue is None:
        raise NotFound(f"there is no queue {id_}")
    return queue


async def make_queue(call: ApiCall, terms: QueueTerms, chosen: Chosen) -> str:
    """Make a queue with requests in it, or nothing at all, and return its id. Raises InvalidInput."""
    numbers = await _find_numbers(call, chosen)
    async with call.services.database.connection() as connection, connection.transaction():
        id_ = await store.add_queue(connection, call.principal.organization_id, terms)
        if numbers:
            await queue_items.add_items(connection, call.principal.organization_id, id_, numbers)
    return id_


async def add_requests(call: ApiCall, queue_id: str, chosen: Chosen) -> int:
    """Put requests into a queue and return how many were new. Raises NotFound and InvalidInput."""
    numbers = await _find_numbers(call, chosen)
    async with call.services.database.connection() as connection:
        return await queue_items.add_items(connection, call.principal.organization_id, queue_id, numbers)


async def _find_numbers(call: ApiCall, chosen: Chosen) -> list[int]:
    """On a connection for long reads: samples are of a snapshot, which a call with an Idempotency-Key has no
    room for in its transaction."""
    if chosen.is_nothing:
        return []
    organization_id, names = call.principal.organization_id, call.services.ids.names
    async with call.services.exports.connection() as connection:
        if chosen.sample is not None:
            drawn = await draw(connection, names, organization_id, chosen.sample, SAMPLE_SIZE)
            return [request.request_no for request in drawn.sample.requests]
        ids = chosen.ids or []
        if chosen.tree is not None:
            ids = await _find_ids(call, connection, chosen.tree, chosen.sort, chosen.size)
        return await queue_items.find_numbers(connection, organization_id, ids)


async def _find_ids(
    call: ApiCall, connection: Connection, tree: Filter, sort: Sort, size: int | None
) -> list[str]:
    """Raises InvalidInput where no size is given and the filter finds too many."""
    ids: list[str] = []
    pages = queue_items.find_matching(
        connection,
        call.services.ids.names,
        call.principal.organization_id,
        tree,
        sort,
        MAX_ITEMS + 1 if size is None else size,
    )
    async for page in pages:
        ids += page
    if len(ids) > MAX_ITEMS:
        message = f"finds more than {MAX_ITEMS} requests: give a size, or take a sample"
        raise InvalidInput([FieldError("filter", message)])
    return ids


async def make_link(
    call: ApiCall, queue: ReviewQueue, name: str | None, days: int
) -> tuple[ReviewerLink, str]:
    """Make a key that may only review that queue; it expires with the caller's key or sooner. Returns it with
    the path that signs a person in, where the key is behind the `#`: browsers send that to no server."""
    key, expires_at = mint_key(), exactly_now() + timedelta(days=days)
    async with call.services.database.connection() as connection:
        link = await keys.mint_for_queue(
            connection,
            call.principal,
            key,
            name=name or queue.name,
            queue_id=queue.id,
            expires_at=expires_at,
            by=call.by,
        )
    if link is None:
        raise Unauthenticated("the API key is not valid")
    return link, key


def path_of_link(key: str) -> str:
    """The address that signs a person in, without the host. What is behind the `#` browsers send to no
    server."""
    return f"{JOIN_PATH}#{key}"
