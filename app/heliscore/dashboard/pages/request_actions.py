"""What is done with many requests of the table at once: a property is set, or they are deleted.

A call works for some seconds. Where that is not enough, the page says how far it came, and the same form goes
on.
"""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from heliscore.api.http.body_fields import make_body, required
from heliscore.api.http.opaque_strings import from_opaque
from heliscore.api.http.value_types import NAME, STORABLE_STRING
from heliscore.api.native.deletion_steps import MAX_COUNT, Cursor
from heliscore.api.native.request_deletion_endpoint import count_matching, delete_matching
from heliscore.api.native.timed_work import TimedWork
from heliscore.dashboard.parts.chosen_requests import ChosenRequests, read_chosen
from heliscore.dashboard.parts.page_routes import Page, PageRequest, redirect
from heliscore.domain.errors import Conflict, FieldError, InvalidInput
from heliscore.store import properties
from heliscore.store.request_deletion import MAX_FOUND, find

_KEY: Final = required("key", NAME)
_VALUE: Final = required("value", STORABLE_STRING)
_PROPERTY: Final = make_body(_KEY, _VALUE, example={"key": "reviewed", "value": "yes"})

_DELETION: Final = "/request-deletion"
_PROPERTIES: Final = "/request-properties"


async def set_property(page: PageRequest) -> Response:
    """Set a property of the chosen requests, some hundred in a statement."""
    sent = {field.key: page.form.get(field.key, "") for field in (_KEY, _VALUE)}
    _PROPERTY.read(sent)
    chosen = read_chosen(page)
    async with page.services.uploads.connection() as connection:
        found = await find(connection, page.services.ids.names, page.organization_id, chosen.tree)
    if found.requests > MAX_FOUND:
        message = f"a property is set on at most {MAX_FOUND:,} requests at once, and {found.requests:,} match"
        raise InvalidInput([FieldError("", message)])
    after, done = _read_number(page, "after"), _read_number(page, "done")
    numbers = [number for number in found.numbers if number > after]
    work = TimedWork[int](0)
    steps = properties.set_property_in_steps(
        page.services.uploads, page.organization_id, numbers, sent["key"], sent["value"]
    )
    reached = await work.take(steps, after)
    done += work.total
    if numbers and reached < numbers[-1]:
        left = sum(number > reached for number in numbers)
        fields = [*sent.items(), ("after", str(reached)), ("done", str(done))]
        return _render_progress(page, chosen, _PROPERTIES, f"The property was set on {done:,}", left, fields)
    return _go_back(chosen, "changed", done)


async def delete_requests(page: PageRequest) -> Response:
    """Count the chosen requests, and delete them once that number was confirmed."""
    chosen, expected = read_chosen(page), page.form.get("expect")
    cursor = from_opaque(page.form["next"], Cursor) if page.form.get("next") else None
    if expected is None and cursor is None:
        return await _ask(page, chosen)
    try:
        number = _read_number(page, "expect")
        deleted = await delete_matching(page.call, chosen.tree, number, cursor)
    except Conflict as error:
        return await _ask(page, chosen, str(error))
    done = _read_number(page, "done") + deleted.total.requests
    if deleted.is_whole:
        return _go_back(chosen, "deleted", done)
    going_on = ("next", deleted.next) if deleted.next else ("expect", str(deleted.remaining))
    fields = [going_on, ("done", str(done))]
    return _render_progress(page, chosen, _DELETION, f"{done:,} were deleted", deleted.remaining, fields)


async def _ask(page: PageRequest, chosen: ChosenRequests, trouble: str = "") -> Response:
    requests, found = await count_matching(page.call, chosen.tree)
    return page.render(
        "pages/request_deletion.html",
        status=409 if trouble else 200,
        trouble=trouble,
        requests=requests,
        found=found,
        fields=[*chosen.fields, ("expect", str(requests))],
        target=_DELETION,
        back=chosen.search.href(),
    )


def _render_progress(
    page: PageRequest,
    chosen: ChosenRequests,
    target: str,
    said: str,
    left: int,
    fields: list[tuple[str, str]],
) -> Response:
    return page.render(
        "pages/request_progress.html",
        said=said,
        left=left,
        fields=[*chosen.fields, *fields],
        target=target,
        back=chosen.search.href(),
    )


def _read_number(page: PageRequest, name: str) -> int:
    text = page.form.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 18) or (
        name == "expect" and int(text) > MAX_COUNT
    ):
        raise InvalidInput([FieldError(name, "expected a number")])
    return int(text)


def _go_back(chosen: ChosenRequests, note: str, number: int) -> Response:
    address = chosen.search.href()
    return redirect(f"{address}{'&' if '?' in address else '?'}{note}={number}")


PAGES = (
    Page(method="POST", path=_PROPERTIES, handler=set_property, permission="w"),
    Page(method="POST", path=_DELETION, handler=delete_requests, permission="rw"),
)
