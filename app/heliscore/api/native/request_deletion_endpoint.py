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
    Cursor,
    Deletion,
    begin,
    check_one,
)
from heliscore.api.shared import envelope
from heliscore.api.shared.filter_schema import FILTER
from heliscore.domain.deletion import Deleted
from heliscore.domain.errors import Unavailable
from heliscore.domain.filter_tree import Filter
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
        requests, found = await count_matching(call, body[_FILTER])
        return _answer(found or {"requests": requests}, requests, None, is_done=False)
    done = await delete_matching(call, body[_FILTER], body[_EXPECT] or 0, body[NEXT])
    return _answer(done.total, done.remaining, done.next, is_done=done.is_whole)


class Done(msgspec.Struct, frozen=True):
    """What a call deleted, and what is left to be done."""

    total: Deleted
    remaining: int
    """Requests."""

    next: str | None
    """Where cutting the deliveries goes on."""

    @property
    def is_whole(self) -> bool:
        return not self.remaining and self.next is None


async def delete_matching(call: ApiCall, tree: Filter, expected: int, cursor: Cursor | None) -> Done:
    """Delete for some seconds the requests that a filter finds, if there are as many as was confirmed, or
    with `cursor` go on behind them. Raises Conflict and Unavailable."""
    deletion, remaining = Deletion(call), 0
    if cursor is None:
        cursor = begin()
        wanted = store.Wanted(call.principal.organization_id, tree, expected, call.by)
        deleting = store.RequestDeletion(call.services.uploads, call.services.ids.names, wanted)
        remaining = await deletion.take(deleting.batches(), expected)
        with suppress(Unavailable):
            await deleting.remove_events()
    return Done(deletion.total, remaining, None if remaining else await deletion.cut(cursor))


async def count_matching(call: ApiCall, tree: Filter) -> tuple[int, Deleted | None]:
    """Count the requests that a filter finds, and what there is of them; None where there are too many for
    that."""
    async with call.services.uploads.connection() as connection:
        names, organization_id = call.services.ids.names, call.principal.organization_id
        return await store.count(connection, names, organization_id, tree)


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
