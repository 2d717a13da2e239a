"""`POST /v1/scores/revert`: take back what an author wrote."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.body_fields import Values, make_body, optional, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import COUNT, STRING, Schema, closed_object, nullable
from heliscore.api.http.opaque_strings import to_opaque
from heliscore.api.http.value_types import BOOLEAN, NAME, TIME, list_of
from heliscore.api.native.timed_work import TimedWork, next_field
from heliscore.api.shared import envelope
from heliscore.api.shared.authors import AUTHOR, origin_of
from heliscore.api.shared.filter_schema import FILTER
from heliscore.api.shared.score_maps import plain_name
from heliscore.domain.filter_tree import Everything
from heliscore.domain.revert import Reverted, Wanted
from heliscore.domain.score import MAX_SCORES_PER_CALL
from heliscore.domain.score_changes import REVERT
from heliscore.domain.times import EPOCH, exactly_now
from heliscore.store.score_reverts import take_back


class _Cursor(msgspec.Struct, array_like=True, frozen=True):
    """Where the next call begins: the content of `next`."""

    after: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    until: Annotated[datetime, msgspec.Meta(tz=True)]


_AUTHOR: Final = required("author", AUTHOR, description="Whose changes are taken back.")
_ALL_VERSIONS: Final = optional(
    "allVersions",
    BOOLEAN,
    default=False,
    description="Whatever the author's version. Without it the version must be that of `author`, or none.",
)
_NAMES: Final = optional(
    "names",
    list_of(NAME, of="score names", maximum=MAX_SCORES_PER_CALL),
    description="Only these scores.",
)
_SINCE: Final = optional("since", TIME, description="Only changes from that time on.")
_UNTIL: Final = optional("until", TIME, description="Only changes until that time; now, if there is none.")
_FILTER: Final = optional(
    "filter", FILTER, default=Everything(), shown="all", description="Only scores of these requests."
)
_DRY_RUN: Final = optional("dryRun", BOOLEAN, default=False, description="Only count.")
_NEXT: Final = next_field(_Cursor, _Cursor(0, EPOCH))

_BODY: Final = make_body(
    _AUTHOR,
    _ALL_VERSIONS,
    _NAMES,
    _SINCE,
    _UNTIL,
    _FILTER,
    _DRY_RUN,
    _NEXT,
    example={
        "author": "judge:relevance-judge@2026-11",
        "names": ["relevance"],
        "since": "2026-11-01T00:00:00Z",
        "dryRun": True,
    },
)


async def revert_scores(call: ApiCall) -> Response:
    """Take back what an author wrote in some time, as new changes.

    Scores whose present value is the author's go back to the newest change of another author or another time,
    or away. Where another author's value stands it stays. Either way the author's changes are no opinions any
    more. All scores of a request go back together.

    A call works for about 5 seconds. Where `done` is false, repeat it with the same body and its `next`,
    until it is true; the numbers are those of the call. What was taken back is not found again, so a call
    that was cut off can be repeated.
    """
    body = _BODY.decode(await call.body())
    start = body[_NEXT] or _Cursor(0, body[_UNTIL] or exactly_now())
    wanted = _make_wanted(call, body, start.until)
    caller, is_dry = origin_of(call, REVERT), body[_DRY_RUN]
    services, work = call.services, TimedWork(Reverted())
    steps = take_back(
        services.uploads, services.ids, wanted, caller, after=start.after, is_dry=is_dry, by=call.by
    )
    position: int | None = await work.take(steps, start.after)
    return envelope.answer(
        {
            **msgspec.to_builtins(work.total),
            "done": position is None,
            "next": None if position is None else to_opaque(_Cursor(position, start.until)),
        }
    )


def _make_wanted(call: ApiCall, body: Values, until: datetime) -> Wanted:
    names = body[_NAMES]
    return Wanted(
        call.principal.organization_id,
        body[_AUTHOR],
        until,
        body[_SINCE] or EPOCH,
        body[_ALL_VERSIONS],
        None if names is None else [plain_name(name) for name in names],
        body[_FILTER],
    )


_COUNTS: Final[dict[str, Schema]] = {
    "requests": {**COUNT, "description": "Requests with changes that were taken back."},
    "scores": {**COUNT, "description": "Scores that have another value, or none, since."},
    "takenBack": {**COUNT, "description": "Changes that were taken back."},
    "done": {"type": "boolean"},
    "next": nullable(STRING),
}

ENDPOINTS: Final = (
    envelope.endpoint(
        "POST",
        "/v1/scores/revert",
        revert_scores,
        "w",
        "Scores",
        body=_BODY,
        data=closed_object(_COUNTS, tuple(_COUNTS)),
        data_example={"requests": 3, "scores": 3, "takenBack": 4, "done": True, "next": None},
    ),
)
