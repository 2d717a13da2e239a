"""`/v1/queues`: requests that people are asked to score, how far they are, and links for reviewers."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from heliscore.api.http.body_fields import optional
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import COUNT, whole_object
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.api.http.query_parameters import Query
from heliscore.api.http.value_types import count
from heliscore.api.native.queue_answers import (
    ITEM_SCHEMA,
    LINK_SCHEMA,
    ONE_QUEUE_SCHEMA,
    QUEUE_SCHEMA,
    show_item,
    show_link,
    show_queue,
    show_whole_queue,
)
from heliscore.api.native.queue_commands import (
    ID,
    add_requests,
    find_queue,
    make_link,
    make_queue,
    path_of_link,
    queue_id_of,
)
from heliscore.api.native.queue_fields import (
    CHANGE_BODY,
    CLOSED,
    DAYS,
    ITEMS_BODY,
    LINK_BODY,
    LINK_NAME,
    NEW_INSTRUCTIONS,
    NEW_MINUTES,
    NEW_NAME,
    QUEUE_BODY,
    read_chosen,
    read_terms,
)
from heliscore.api.shared import envelope
from heliscore.domain.errors import NotFound
from heliscore.store import queue_items
from heliscore.store import review_queues as store

_MAX_PAGE: Final = 1_000
_LIMIT: Final = optional("limit", count(_MAX_PAGE), default=100)
_AFTER: Final = optional(
    "after", count(10**9), default=0, description="The position of the last item of the page before."
)
_QUERY: Final = Query(_LIMIT, _AFTER)


async def list_queues(call: ApiCall) -> Response:
    """List the review queues, by name, with how far they are."""
    async with call.services.database.connection() as connection:
        found = await store.list_queues(connection, call.principal.organization_id)
    return envelope.answer([show_queue(queue) for queue in found])


async def create_queue(call: ApiCall) -> Response:
    """Ask people to score some requests: those of a list, those that a filter finds, or a sample of them.

    Each request is handed out to as many reviewers as are wanted, never to more. At most 10,000 requests are
    in a queue; where a filter finds more, `size` says how many of the first are taken.
    """
    body = QUEUE_BODY.decode(await call.body())
    queue_id = await make_queue(call, read_terms(body), read_chosen(body))
    return envelope.answer(await _show(call, queue_id))


async def get_queue(call: ApiCall) -> Response:
    """Show a review queue: what it asks for, how far it is, its reviewers and links.

    A reviewer's key sees no links, and in a blind queue no other reviewers.
    """
    return envelope.answer(await _show(call, queue_id_of(call)))


async def _show(call: ApiCall, queue_id: str) -> dict[str, Any]:
    organization_id = call.principal.organization_id
    async with call.services.database.connection() as connection:
        queue = await store.find_queue(connection, organization_id, queue_id)
        if queue is None:
            raise NotFound(f"there is no queue {queue_id}")
        reviewers = await store.list_reviewers(connection, organization_id, queue_id)
        links = await store.list_links(connection, organization_id, queue_id)
    if call.principal.queue_id is not None:
        links = []
        if queue.is_blind:
            reviewers = []
    definitions = (await call.services.definitions.find(organization_id)).by_name
    known = [definitions[name] for name in queue.scores if name in definitions]
    return show_whole_queue(queue, known, reviewers, links)


async def change_queue(call: ApiCall) -> Response:
    """Change a queue's name, instructions or time of reservations, close it, or open it again."""
    body, queue_id = CHANGE_BODY.decode(await call.body()), queue_id_of(call)
    async with call.services.database.connection() as connection:
        found = await store.change_queue(
            connection,
            call.principal.organization_id,
            queue_id,
            name=body[NEW_NAME],
            instructions=body[NEW_INSTRUCTIONS],
            reservation_minutes=body[NEW_MINUTES],
            is_closed=body[CLOSED],
        )
    if not found:
        raise NotFound(f"there is no queue {queue_id}")
    return envelope.answer(await _show(call, queue_id))


async def delete_queue(call: ApiCall) -> Response:
    """Remove a queue and revoke its links; the scores that were given stay."""
    queue_id = queue_id_of(call)
    async with call.services.database.connection() as connection:
        removed = await store.remove_queue(connection, call.principal.organization_id, queue_id, call.by)
    if not removed:
        raise NotFound(f"there is no queue {queue_id}")
    return envelope.DONE


async def list_queue_items(call: ApiCall) -> Response:
    """List the requests of a queue in its order, in pages of up to 1,000.

    Each comes with those who have done, reserved or skipped it.
    """
    asked = _QUERY.read(call.request.query_params)
    async with call.services.database.connection() as connection:
        queue = await find_queue(call, connection)
        organization_id = call.principal.organization_id
        found = await queue_items.list_items(
            connection, organization_id, queue.id, asked[_AFTER], asked[_LIMIT]
        )
    return envelope.answer([show_item(item) for item in found])


async def add_queue_items(call: ApiCall) -> Response:
    """Put requests at the end of a queue: those of a list, those that a filter finds, or a sample.

    Those that are in it already stay where they are, and are handed out again to those who skipped them.
    Where there is no room for all, none is added.
    """
    chosen = read_chosen(ITEMS_BODY.decode(await call.body()))
    return envelope.answer({"added": await add_requests(call, queue_id_of(call), chosen)})


async def remove_queue_item(call: ApiCall) -> Response:
    """Take a request out of a queue; the scores that were given stay."""
    queue_id, request_id = queue_id_of(call), read_path_parameter(call.request, "requestId")
    async with call.services.database.connection() as connection:
        organization_id = call.principal.organization_id
        removed = await queue_items.remove_item(connection, organization_id, queue_id, request_id)
    if not removed:
        raise NotFound(f"there is no request {request_id} in the queue {queue_id}")
    return envelope.DONE


async def create_reviewer_link(call: ApiCall) -> Response:
    """Make a link for a reviewer: an API key that may review this queue and do nothing else.

    A person opens `path`, says their name and scores; the key is behind the `#`, which browsers send to no
    server. It expires after `days`, or with the key that makes it; `DELETE /v1/api-keys/{id}` revokes it.
    This answer alone shows the key.
    """
    body = LINK_BODY.decode(await call.body())
    async with call.services.database.connection() as connection:
        queue = await find_queue(call, connection)
    link, key = await make_link(call, queue, body[LINK_NAME], body[DAYS])
    return envelope.answer(show_link(link) | {"apiKey": key, "path": path_of_link(key)})


_TAG: Final = "Review queues"
_PATH: Final = "/v1/queues"
_ONE: Final = f"{_PATH}/{{{ID}}}"
_ITEMS: Final = f"{_ONE}/items"

ENDPOINTS: Final = (
    envelope.endpoint("GET", _PATH, list_queues, "r", _TAG, data={"type": "array", "items": QUEUE_SCHEMA}),
    envelope.endpoint("POST", _PATH, create_queue, "rw", _TAG, body=QUEUE_BODY, data=ONE_QUEUE_SCHEMA),
    envelope.endpoint(
        "GET", _ONE, get_queue, "r", _TAG, for_reviewers=True, data=ONE_QUEUE_SCHEMA, errors=(NotFound,)
    ),
    envelope.endpoint(
        "PATCH",
        _ONE,
        change_queue,
        "rw",
        _TAG,
        body=CHANGE_BODY,
        data=ONE_QUEUE_SCHEMA,
        errors=(NotFound,),
    ),
    envelope.endpoint("DELETE", _ONE, delete_queue, "rw", _TAG, errors=(NotFound,)),
    envelope.endpoint(
        "GET",
        _ITEMS,
        list_queue_items,
        "r",
        _TAG,
        query=_QUERY.fields,
        data={"type": "array", "items": ITEM_SCHEMA},
        errors=(NotFound,),
    ),
    envelope.endpoint(
        "POST",
        _ITEMS,
        add_queue_items,
        "rw",
        _TAG,
        body=ITEMS_BODY,
        data=whole_object("AddedToQueue", {"added": COUNT}),
        data_example={"added": 40},
        errors=(NotFound,),
    ),
    envelope.endpoint("DELETE", f"{_ITEMS}/{{requestId}}", remove_queue_item, "rw", _TAG, errors=(NotFound,)),
    envelope.endpoint(
        "POST",
        f"{_ONE}/links",
        create_reviewer_link,
        "rw",
        _TAG,
        body=LINK_BODY,
        data=LINK_SCHEMA,
        answer_is_secret=True,
        errors=(NotFound,),
    ),
)
