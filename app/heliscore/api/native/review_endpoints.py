"""`/v1/queues/{queueId}/next` and its items: what a reviewer does, perhaps with a key that may do no more."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import COUNT, STRING, Schema, nullable, whole_object
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.api.native.queue_commands import ID
from heliscore.api.native.queue_fields import DONE_BODY, GIVEN
from heliscore.api.native.review_commands import (
    Review,
    find_review,
    finish,
    reserve_next,
    reviewer_of,
    skip,
)
from heliscore.api.shared import envelope
from heliscore.api.shared.score_maps import SCORE_SCHEMA
from heliscore.domain.author import Author
from heliscore.domain.errors import Conflict, NotFound
from heliscore.domain.score_changes import Change
from heliscore.domain.times import encode_time

_TIME: Final = STRING
_OPINION: Final[dict[str, Schema]] = {
    "name": STRING,
    "author": STRING,
    "value": SCORE_SCHEMA,
    "comment": nullable(STRING),
    "at": _TIME,
}
_OPINIONS: Final[Schema] = {"type": "array", "items": whole_object("ReviewOpinion", _OPINION)}
_REVIEW: Final = whole_object(
    "Review",
    {
        "requestId": STRING,
        "createdAt": _TIME,
        "number": {**COUNT, "description": "From 1, among the queue's requests."},
        "of": COUNT,
        "reviewer": STRING,
        "reservedUntil": nullable(_TIME),
        "doneAt": nullable(_TIME),
        "skipped": {"type": "boolean"},
        "model": nullable(STRING),
        "requestBody": {},
        "responseBody": {},
        "given": {**_OPINIONS, "description": "The reviewer's own."},
        "others": {
            **nullable(_OPINIONS),
            "description": "Null in a blind queue until the reviewer's own are given.",
        },
    },
)


def _show_opinion(name: str, opinion: Change) -> dict[str, Any]:
    score = opinion.score
    value = None if score is None else bool(score.value) if score.is_boolean else score.value
    return {
        "name": name,
        "author": str(opinion.author),
        "value": value,
        "comment": opinion.comment,
        "at": encode_time(opinion.at),
    }


def _pass_json(body: bytes | None) -> object:
    return None if body is None else msgspec.Raw(body)


def _show_review(review: Review, reviewer: Author) -> dict[str, Any]:
    item, request, others = review.item, review.request, review.others
    return {
        "requestId": request.request_id,
        "createdAt": encode_time(request.created_at),
        "number": item.number,
        "of": item.of,
        "reviewer": str(reviewer),
        "reservedUntil": None if item.reserved_until is None else encode_time(item.reserved_until),
        "doneAt": None if item.done_at is None else encode_time(item.done_at),
        "skipped": item.is_skipped,
        "model": request.model,
        "requestBody": _pass_json(request.request_body),
        "responseBody": _pass_json(request.response_body),
        "given": [_show_opinion(*one) for one in review.given.items()],
        "others": None if others is None else [_show_opinion(*one) for one in others],
    }


async def take_next_item(call: ApiCall) -> Response:
    """Reserve the next request for a reviewer, and show it; null where none is left for them.

    The reviewer is the author of the header `Heliscore-Author`, or the key's. Whoever asks again gets the
    request that they have in work. A reservation expires after the queue's time; then others may take the
    request. No request has more reviewers than are wanted, however many ask at the same time.
    """
    reviewer = reviewer_of(call)
    request_id = await reserve_next(call, reviewer)
    if request_id is None:
        return envelope.DONE
    return envelope.answer(_show_review(await find_review(call, request_id, reviewer), reviewer))


async def get_queue_item(call: ApiCall) -> Response:
    """Show a request of a queue to a reviewer.

    The conversation, their scores and, unless they are still hidden, those of others.
    """
    reviewer = reviewer_of(call)
    review = await find_review(call, read_path_parameter(call.request, "requestId"), reviewer)
    return envelope.answer(_show_review(review, reviewer))


async def finish_queue_item(call: ApiCall) -> Response:
    """Give a request its scores, and say that it is done: all of it or nothing.

    The scores are the reviewer's, as those of `POST /v1/scores`, with comments or without; only the queue's
    are taken. Those that the reviewer gave before need not be sent. What is done may be done again, with
    other scores.
    """
    reviewer, request_id = reviewer_of(call), read_path_parameter(call.request, "requestId")
    sent = DONE_BODY.decode(await call.body())[GIVEN]
    return envelope.done(await finish(call, request_id, sent, reviewer))


async def skip_queue_item(call: ApiCall) -> Response:
    """Give a request back: it is handed out to others, not to this reviewer."""
    await skip(call, read_path_parameter(call.request, "requestId"), reviewer_of(call))
    return envelope.DONE


_TAG: Final = "Review queues"
_ONE: Final = f"/v1/queues/{{{ID}}}"
_ITEM: Final = f"{_ONE}/items/{{requestId}}"

ENDPOINTS: Final = (
    envelope.endpoint(
        "POST",
        f"{_ONE}/next",
        take_next_item,
        "rw",
        _TAG,
        for_reviewers=True,
        data=nullable(_REVIEW),
        errors=(NotFound, Conflict),
    ),
    envelope.endpoint(
        "GET", _ITEM, get_queue_item, "r", _TAG, for_reviewers=True, data=_REVIEW, errors=(NotFound,)
    ),
    envelope.endpoint(
        "POST",
        f"{_ITEM}/done",
        finish_queue_item,
        "rw",
        _TAG,
        for_reviewers=True,
        body=DONE_BODY,
        beside={"warnings": envelope.WARNINGS},
        errors=(NotFound, Conflict),
    ),
    envelope.endpoint(
        "POST",
        f"{_ITEM}/skip",
        skip_queue_item,
        "rw",
        _TAG,
        for_reviewers=True,
        errors=(NotFound, Conflict),
    ),
)
