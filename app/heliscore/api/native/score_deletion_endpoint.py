"""`DELETE /v1/scores/{name}`: deletes a score everywhere, once its values were counted."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.body_fields import optional
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import closed_object
from heliscore.api.http.opaque_strings import to_opaque
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.api.http.query_parameters import Query
from heliscore.api.http.value_types import choice, count
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
from heliscore.api.shared.score_maps import plain_name
from heliscore.domain.deletion import Deleted, check_count
from heliscore.domain.errors import NotFound
from heliscore.store import score_deletion as store

_DRY_RUN: Final = optional("dryRun", choice(("true",), '"true"'), description=DRY_RUN_SAID)
_EXPECT: Final = optional("expect", count(MAX_COUNT), description=EXPECT_SAID)
_QUERY: Final = Query(_DRY_RUN, _EXPECT, NEXT)


async def delete_score_everywhere(call: ApiCall) -> Response:
    """Delete a score everywhere: its values, their history and comments. Its definition stays.

    Count first, with `dryRun=true`; then send `expect`, the number of `scores`. Where there is another number
    by then, nothing is deleted, and the answer is 409. A value that is posted while the score is being
    deleted may stay.

    A call works for about 5 seconds. Where `done` is false, repeat it with its `next` in place of `expect`,
    until it is true; the numbers are those of the call.
    """
    name = plain_name(read_path_parameter(call.request, "name"))
    query = _QUERY.read(call.request.query_params)
    check_one(query, _DRY_RUN, _EXPECT, NEXT)
    query.errors.raise_any()
    wanted, cursor = await _find(call, name), query[NEXT]
    if cursor is None:
        scores = await _count(call, wanted)
        if query[_DRY_RUN]:
            return _answer({"requests": scores, "scores": scores}, None, is_done=False)
        check_count(scores, query[_EXPECT] or 0, f"scores {name}")
    return await _delete(call, wanted, cursor or begin())


async def _find(call: ApiCall, name: str) -> store.Wanted:
    organization_id = call.principal.organization_id
    async with call.services.uploads.connection() as connection:
        found = await call.services.ids.names.find(connection, organization_id, [name])
    if name not in found:
        raise NotFound(f"there is no score {name}")
    return store.Wanted(organization_id, name, found[name], call.by)


async def _count(call: ApiCall, wanted: store.Wanted) -> int:
    async with call.services.uploads.connection() as connection:
        return await store.count(connection, wanted.organization_id, wanted.name_id)


async def _delete(call: ApiCall, wanted: store.Wanted, cursor: Cursor) -> Response:
    deletion = Deletion(call)
    if not cursor.is_of_deliveries:
        steps = store.delete(call.services.uploads, wanted, cursor.after)
        position: int | None = await deletion.take(steps, cursor.after)
        if position is not None:
            return _answer(deletion.total, to_opaque(cursor.at(position)), is_done=False)
        async with call.services.uploads.connection() as connection:
            await store.remove_rest(connection, wanted, cursor.begun)
        cursor = cursor.of_deliveries()
    next_ = await deletion.cut(cursor, wanted.name)
    return _answer(deletion.total, next_, is_done=next_ is None)


def _answer(numbers: Deleted | dict[str, int], next_: str | None, *, is_done: bool) -> Response:
    data = dict.fromkeys(NUMBERS) | msgspec.to_builtins(numbers)
    return envelope.answer({**data, "done": is_done, "next": next_})


ENDPOINTS: Final = (
    envelope.endpoint(
        "DELETE",
        "/v1/scores/{name}",
        delete_score_everywhere,
        "rw",
        "Scores",
        query=_QUERY.fields,
        data=closed_object(NUMBERS, tuple(NUMBERS)),
        data_example={
            "requests": 3,
            "scores": 3,
            "changes": 1,
            "comments": 0,
            "done": True,
            "next": None,
        },
        errors=(NotFound,),
    ),
)
