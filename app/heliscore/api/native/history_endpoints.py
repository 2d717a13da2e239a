"""`/v1/scores` and `/v1/request/{requestId}/scores`: scores with authors, comments and history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from starlette.responses import Response

from heliscore.api.http.body_fields import make_body, optional, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import Schema, closed_object, nullable, one_of
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.api.http.query_parameters import Query
from heliscore.api.http.value_types import TIME, integer
from heliscore.api.native.upload_items import ITEM_AUTHOR, ITEM_FIELDS, REQUEST_ID, SCORES
from heliscore.api.shared import envelope
from heliscore.api.shared.score_commands import record_scores, restore_score
from heliscore.api.shared.score_maps import plain_name
from heliscore.domain.errors import NotFound
from heliscore.domain.score_changes import (
    RESTORE,
    Change,
    find_opinions,
    name_action,
    newest_shown,
    read_number,
)
from heliscore.store import score_history as store

_BODY: Final = make_body(
    *ITEM_FIELDS,
    example={
        "requestId": "req_abc123def456",
        "scores": {"accuracy": 95, "tone": {"value": 2, "comment": "polite, but curt"}},
        "author": "judge:relevance-judge@2026-11",
    },
)

_AS_OF: Final = optional("asOf", TIME, description="The scores as they were at that time.")
_QUERY: Final = Query(_AS_OF)

_CHANGE: Final = required(
    "change", integer(0, 2**53), description="The number of one of the score's changes."
)
_RESTORE_BODY: Final = make_body(_CHANGE, example={"change": 1793541600123456})


async def post_authored_scores(call: ApiCall) -> Response:
    """Add scores to a request, with their author and comments.

    A value may have a comment of up to 10,000 characters that says why. The author is what the body says,
    else the header `Heliscore-Author`, else the key's. What is replaced stays in the history.
    """
    body = _BODY.decode(await call.body())
    given = body[SCORES]
    warnings = await record_scores(
        call, body[REQUEST_ID], given.scores, "scores", comments=given.comments, author=body[ITEM_AUTHOR]
    )
    return envelope.done(warnings)


async def get_scores(call: ApiCall) -> Response:
    """Show a request's scores: who gave each, when and why, every author's opinion, and all changes.

    An opinion is the newest value of an author that was not taken back. Changes come newest first; the number
    of a change is its time in microseconds. A removed score has the value null.
    """
    request_id = read_path_parameter(call.request, "requestId")
    at = _QUERY.read(call.request.query_params)[_AS_OF]
    async with call.services.database.connection() as connection:
        changes = await store.find_changes(connection, call.principal.organization_id, request_id)
    if changes is None:
        raise NotFound(f"there is no request {request_id}")
    shown = {name: _show_score(some, at) for name, some in changes.items()}
    return envelope.answer(
        {"requestId": request_id, "scores": {name: score for name, score in shown.items() if score}}
    )


async def post_restore(call: ApiCall) -> Response:
    """Set a score back to the value of an earlier change, as a new change.

    The value's author and comment stay as they were; the new change says who restored it. To restore a
    removal removes the score.
    """
    request_id = read_path_parameter(call.request, "requestId")
    name = plain_name(read_path_parameter(call.request, "name"))
    number = _RESTORE_BODY.decode(await call.body())[_CHANGE]
    await restore_score(call, request_id, name, read_number(number), RESTORE)
    return envelope.DONE


def _show_score(changes: Sequence[Change], at: datetime | None) -> dict[str, Any] | None:
    """A score with its opinions and history; None where it was not there yet."""
    known = [change for change in changes if at is None or change.at <= at]
    present = newest_shown(known)
    if not known:
        return None
    return {
        **_show_value(present),
        "opinions": [_show_value(opinion) for opinion in find_opinions(known, at)],
        "history": [
            _show_change(change, known[index - 1] if index else None, at)
            for index, change in reversed(list(enumerate(known)))
        ],
    }


def _show_value(change: Change | None) -> dict[str, Any]:
    if change is None:
        return dict.fromkeys(_VALUE) | {"isBoolean": False}
    return {
        "change": change.number,
        "value": None if change.score is None else change.score.value,
        "isBoolean": change.score is not None and change.score.is_boolean,
        "author": None if change.author is None else str(change.author),
        "at": _format_exactly(change.at),
        "comment": change.comment,
    }


def _show_change(change: Change, earlier: Change | None, at: datetime | None) -> dict[str, Any]:
    origin, taken_back_at = change.origin, change.taken_back_at
    is_taken_back = taken_back_at is not None and (at is None or taken_back_at <= at)
    return {
        **_show_value(change),
        "action": name_action(change, earlier),
        "call": None if origin is None else origin.call,
        "restoredBy": None if origin is None else origin.restored_by or None,
        "takenBackAt": _format_exactly(taken_back_at) if is_taken_back and taken_back_at else None,
        "isAside": change.is_aside,
    }


def _format_exactly(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


_VALUE: Final[dict[str, Schema]] = {
    "change": {"type": ["integer", "null"]},
    "value": {"type": ["integer", "null"], "description": "null: removed"},
    "isBoolean": {"type": "boolean"},
    "author": {"type": ["string", "null"], "description": "null: from before authors were kept"},
    "at": {"type": ["string", "null"], "format": "date-time"},
    "comment": {"type": ["string", "null"]},
}
_SHOWN_CHANGE: Final[dict[str, Schema]] = {
    **_VALUE,
    "action": one_of(("set", "replaced", "removed", "restored", "taken back")),
    "call": {"type": ["string", "null"], "description": "By which call."},
    "restoredBy": {"type": ["string", "null"], "description": "Who brought the author's value back."},
    "takenBackAt": nullable({"type": "string", "format": "date-time"}),
    "isAside": {
        "type": "boolean",
        "description": "An opinion that never was the score, because a human's value stood.",
    },
}
_SHOWN_SCORE: Final = closed_object(
    {
        **_VALUE,
        "opinions": {"type": "array", "items": closed_object(_VALUE, tuple(_VALUE))},
        "history": {"type": "array", "items": closed_object(_SHOWN_CHANGE, tuple(_SHOWN_CHANGE))},
    },
    (*_VALUE, "opinions", "history"),
)

ENDPOINTS: Final = (
    envelope.endpoint(
        "POST",
        "/v1/scores",
        post_authored_scores,
        "w",
        "Scores",
        beside={"warnings": envelope.WARNINGS},
        body=_BODY,
        errors=(NotFound,),
    ),
    envelope.endpoint(
        "GET",
        "/v1/request/{requestId}/scores",
        get_scores,
        "r",
        "Scores",
        query=_QUERY.fields,
        data=closed_object(
            {
                "requestId": {"type": "string"},
                "scores": {"type": "object", "additionalProperties": _SHOWN_SCORE},
            },
            ("requestId", "scores"),
        ),
        errors=(NotFound,),
    ),
    envelope.endpoint(
        "POST",
        "/v1/request/{requestId}/score/{name}/restore",
        post_restore,
        "w",
        "Scores",
        body=_RESTORE_BODY,
        errors=(NotFound,),
    ),
)
