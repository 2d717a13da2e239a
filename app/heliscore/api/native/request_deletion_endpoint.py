"""`POST /v1/requests/delete`: deletes the requests that a filter finds, once they were counted."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.body_fields import Values, make_body, optional, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import COUNT, closed_object
from heliscore.api.http.value_types import BOOLEAN, integer
from heliscore.api.native.deletion_steps import (
    DRY_RUN_SAID,
    EXPECT_SAID,
    MAX_COUNT,
    NEXT,
    NUMBERS,
    Deletion,
    begin,
    check_one,
)
from heliscore.api.shared import envelope
from heliscore.api.shared.filter_schema import FILTER
from heliscore.domain.deletion import Deleted
from heliscore.domain.errors import Unavailable
from heliscore.store import request_deletion as store

_FILTER: Final = required("filter", FILTER, description="Which requests.")
_DRY_RUN: Final = optional("dryRun", BOOLEAN, default=False, description=DRY_RUN_SAID)
_EXPECT: Final = optional("expect", integer(0, MAX_COUNT), description=EXPECT_SAID)


def _check(values: Values) -> None:
    check_one(values, _DRY_RUN, _EXPECT, NEXT)


_BODY: Final = make_body(
    _FILTER,
    _DRY_RUN,
    _EXPECT,
    NEXT,
    check=_check,
    example={"filter": {"request_response_rmt": {"user_id": {"equals": "user-123"}}}, "dryRun": True},
)


async def delete_requests(call: ApiCall) -> Response:
    """Delete the requests that a filter finds, with their scores, history, comments, properties and bodies.

    Count first, with `dryRun: true`; then send the same filter with `expect`, the number of requests. Where
    the filter finds another number by then, nothing is deleted, and the answer is 409. Requests that begin to
    match later are not deleted, nor those that match no longer. Deliveries lose what they say of deleted
    requests.

    A call works for about 5 seconds. Where `done` is false, repeat it with its `remaining` as `expect`, or
    where it has a `next`, with that in place of `expect`; the numbers are those of the call. A call that was
    cut off can be repeated once the requests were counted again. A dry run that finds more than 100,000
    requests does not count what they have.
    """
    body = _BODY.decode(await call.body())
    if body[_DRY_RUN]:
        return await _count(call, body)
    deletion, cursor, remaining = Deletion(call), body[NEXT], 0
    if cursor is None:
        cursor = begin()
        organization_id, expected = call.principal.organization_id, body[_EXPECT] or 0
        wanted = store.Wanted(organization_id, body[_FILTER], expected, call.by)
        deleting = store.RequestDeletion(call.services.uploads, call.services.ids.names, wanted)
        remaining = await deletion.take(deleting.batches(), expected)
        with suppress(Unavailable):
            await deleting.remove_events()
    next_ = None if remaining else await deletion.cut(cursor)
    return _answer(deletion.total, remaining, next_, is_done=not remaining and next_ is None)


async def _count(call: ApiCall, body: Values) -> Response:
    async with call.services.uploads.connection() as connection:
        requests, found = await store.count(
            connection, call.services.ids.names, call.principal.organization_id, body[_FILTER]
        )
    return _answer(found or {"requests": requests}, requests, None, is_done=False)


def _answer(
    numbers: Deleted | dict[str, int], remaining: int, next_: str | None, *, is_done: bool
) -> Response:
    data: dict[str, Any] = dict.fromkeys(NUMBERS)
    data |= msgspec.to_builtins(numbers)
    return envelope.answer({**data, "done": is_done, "next": next_, "remaining": remaining})


_ANSWER: Final = {**NUMBERS, "remaining": {**COUNT, "description": "Requests that are still to be deleted."}}

ENDPOINTS: Final = (
    envelope.endpoint(
        "POST",
        "/v1/requests/delete",
        delete_requests,
        "rw",
        "Requests",
        body=_BODY,
        data=closed_object(_ANSWER, tuple(_ANSWER)),
        data_example={
            "requests": 3,
            "scores": 12,
            "changes": 2,
            "comments": 1,
            "done": False,
            "next": None,
            "remaining": 3,
        },
    ),
)
