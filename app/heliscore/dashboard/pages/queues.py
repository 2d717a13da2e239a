"""The pages of review queues: a list of them, and one with its reviewers, items and links. They need no
script."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from starlette.responses import Response

from heliscore.api.native.queue_commands import (
    ID,
    add_requests,
    find_queue,
    make_link,
    path_of_link,
    queue_id_of,
)
from heliscore.api.native.queue_fields import DAYS, ITEMS_BODY, LINK_BODY, LINK_NAME, read_chosen
from heliscore.api.native.queue_result_endpoints import stream_opinions
from heliscore.api.shared.filter_leaves import of_ids
from heliscore.api.shared.queue_studies import study_queue
from heliscore.dashboard.pages.queue_form import FORM_PATH, PATH, render_form
from heliscore.dashboard.parts.downloads import wants_csv
from heliscore.dashboard.parts.page_routes import Page, PageRequest, redirect
from heliscore.dashboard.parts.queue_words import (
    STATE_LOOKS,
    STATE_WORDS,
    ShownQueue,
    describe_agreement,
)
from heliscore.dashboard.parts.search_address import SearchAddress
from heliscore.dashboard.parts.session import work_path
from heliscore.domain.errors import FieldError, InvalidInput, NotFound
from heliscore.store import keys, queue_items
from heliscore.store import review_queues as store

_MAX_SHOWN: Final = 200
_ITEMS: Final = 100


async def list_queues(page: PageRequest) -> Response:
    async with page.services.database.connection() as connection:
        found = await store.list_queues(connection, page.organization_id)
    found.sort(key=lambda queue: (queue.closed_at is not None, queue.name))
    return page.render(
        "pages/queue_list.html",
        queues=[ShownQueue(queue) for queue in found[:_MAX_SHOWN]],
        more=len(found[_MAX_SHOWN:]),
        form_path=FORM_PATH,
        work_path=work_path,
    )


async def show_queue(page: PageRequest) -> Response:
    """Show a queue, or what its reviewers gave as a file."""
    if wants_csv(page.request.query_params):
        return await stream_opinions(page.call, "csv")
    return await _show(page)


async def _show(
    page: PageRequest, new_link: str | None = None, errors: tuple[FieldError, ...] = ()
) -> Response:
    """Show a queue; `new_link` is the address of a link that was just made, which is shown once."""
    after = page.request.query_params.get("after", "0")
    position = int(after) if after.isascii() and after.isdigit() and len(after) < 10 else 0
    async with page.services.database.connection() as connection:
        queue = await find_queue(page.call, connection)
        reviewers = await store.list_reviewers(connection, page.organization_id, queue.id)
        links = await store.list_links(connection, page.organization_id, queue.id)
        items = await queue_items.list_items(connection, page.organization_id, queue.id, position, _ITEMS + 1)
    studies = await study_queue(page.services, page.organization_id, queue)
    definitions = (await page.services.definitions.find(page.organization_id)).by_name
    shown = ShownQueue(queue)
    return page.render(
        "pages/queue.html",
        status=400 if errors else 200,
        shown=shown,
        queue=queue,
        definitions=definitions,
        reviewers=reviewers,
        links=links,
        agreements=[describe_agreement(study) for study in studies],
        items=[(item, _href(item.request_id)) for item in items[:_ITEMS]],
        more=f"{shown.href}?after={items[_ITEMS - 1].position}" if len(items) > _ITEMS else None,
        is_first=position == 0,
        words=STATE_WORDS,
        looks=STATE_LOOKS,
        new_link=new_link,
        errors=errors,
        work_path=work_path(queue.id),
        requests_href=SearchAddress(
            filter=msgspec.json.encode(of_ids(item.request_id for item in items[:_ITEMS])).decode()
        ).href(),
        list_path=PATH,
    )


def _href(request_id: str) -> str | None:
    return SearchAddress().request_href(request_id)


async def submit_queue(page: PageRequest) -> Response:
    """Close, open or remove a queue, take a request out of it, make or revoke a link."""
    queue_id, form, call = queue_id_of(page.call), page.form, page.call
    here = f"{PATH}/{queue_id}"
    match form.get("act"):
        case "link":
            return await _make_link(page)
        case "remove":
            async with page.services.database.connection() as connection:
                await store.remove_queue(connection, page.organization_id, queue_id, call.by)
            return redirect(PATH)
        case "revoke":
            await _revoke(page, queue_id, form.get("link", ""))
        case "take-out":
            async with page.services.database.connection() as connection:
                await queue_items.remove_item(connection, page.organization_id, queue_id, form.get("id", ""))
        case "close" | "open" as act:
            async with page.services.database.connection() as connection:
                await store.change_queue(connection, page.organization_id, queue_id, is_closed=act == "close")
    return redirect(here)


async def _make_link(page: PageRequest) -> Response:
    days = page.form.get("days", "")
    body: dict[str, Any] = {"name": page.form.get("name", "").strip() or None}
    body["days"] = int(days) if days.isascii() and days.isdigit() and len(days) < 10 else days or None
    try:
        asked = LINK_BODY.read(body)
    except InvalidInput as error:
        return await _show(page, errors=error.errors)
    async with page.services.database.connection() as connection:
        queue = await find_queue(page.call, connection)
    _, key = await make_link(page.call, queue, asked[LINK_NAME], asked[DAYS])
    url = page.request.url
    return await _show(page, f"{url.scheme}://{url.netloc}{path_of_link(key)}")


async def _revoke(page: PageRequest, queue_id: str, sent: str) -> None:
    async with page.services.database.connection() as connection:
        links = await store.list_links(connection, page.organization_id, queue_id)
        for link in links:
            if str(link.id) == sent:
                await keys.revoke_own(connection, page.organization_id, link.id, page.call.by)


async def add_to_queue(page: PageRequest) -> Response:
    """Put requests into a queue: those of the fields `id`, or those that a filter finds in the order of a
    sort. Without a queue, show the form of a new one with them."""
    ids = [value for name, value in parse_qsl(page.body.decode("ascii")) if name == "id"]
    filter_, sort = page.form.get("filter", ""), page.form.get("sort", "")
    if not page.form.get("queue"):
        if ids:
            filter_ = msgspec.json.encode(of_ids(ids)).decode()
        return await render_form(page, {"from": "filter", "filter": filter_, "sort": sort})
    body: dict[str, Any] = {"requestIds": ids or None}
    if not ids:
        body = {"filter": _decode(filter_, "filter"), "sort": _decode(sort, "sort") if sort else None}
    chosen = read_chosen(ITEMS_BODY.read(body))
    async with page.services.database.connection() as connection:
        queue = await store.find_queue(connection, page.organization_id, page.form["queue"])
    if queue is None:
        raise NotFound(f"there is no queue {page.form['queue']}")
    await add_requests(page.call, queue.id, chosen)
    return redirect(f"{PATH}/{queue.id}")


def _decode(text: str, field: str) -> Any:
    """Raises InvalidInput."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidInput([FieldError(field, f"not valid JSON: {error}")]) from None


_ONE: Final = f"{PATH}/{{{ID}}}"

PAGES = (
    Page(path=PATH, handler=list_queues, title="Queues"),
    Page(method="POST", path=f"{PATH}/add", handler=add_to_queue, permission="rw"),
    Page(path=_ONE, handler=show_queue),
    Page(method="POST", path=_ONE, handler=submit_queue, permission="rw"),
)
