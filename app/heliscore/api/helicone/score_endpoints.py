"""`/v1/request/{requestId}/score` and `/feedback`: adds and removes scores of a request."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from heliscore.api.http.body_fields import Body, ValueType, make_body, required
from heliscore.api.http.endpoints import ApiCall, Endpoint, Handler
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_schema import one_of
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.api.http.value_types import BOOLEAN, NAME
from heliscore.api.shared import envelope
from heliscore.api.shared.score_commands import record_scores, remove_score
from heliscore.api.shared.score_maps import SCORES, plain_name
from heliscore.domain.api_key import Permissions
from heliscore.domain.errors import NotFound
from heliscore.domain.score import FEEDBACK, Score

_SCORES: Final = required("scores", SCORES)
_SCORE_BODY: Final = make_body(
    _SCORES, example={"scores": {"accuracy": 95, "relevance": 87, "has_citations": True}}
)

_RATING: Final = required("rating", BOOLEAN, description="true: thumbs up")
_FEEDBACK_BODY: Final = make_body(_RATING, example={"rating": True})

_RATINGS: Final = {"positive": True, "negative": False}


def _read_rating(raw: object, path: str, errors: FieldErrors) -> bool:
    if isinstance(raw, str) and raw in _RATINGS:
        return _RATINGS[raw]
    if not isinstance(raw, bool):
        errors.add_unexpected(path, 'true, false, "positive" or "negative"', raw)
    return raw is True


_HELICONE_ID: Final = required("helicone-id", NAME, description="the request's id")
_RATING_OR_WORD: Final = required(
    "rating",
    ValueType[bool]({"anyOf": [BOOLEAN.schema, one_of(_RATINGS, "RatingWord")]}, _read_rating),
)
_NAMED_FEEDBACK_BODY: Final = make_body(
    _HELICONE_ID, _RATING_OR_WORD, example={"helicone-id": "req_abc123def456", "rating": "positive"}
)


async def post_scores(call: ApiCall) -> Response:
    """Add scores to a request.

    Integers are stored as they are, booleans as 1 and 0. A score of the same name is replaced, others stay.
    When this answers 200 the scores are durable and every other endpoint shows them; when it does not,
    nothing was stored. A request that was never logged exists from its first score on.
    """
    request_id = read_path_parameter(call.request, "requestId")
    scores = decode_scores(await call.body())
    return envelope.done(await record_scores(call, request_id, scores, "score"))


async def post_feedback(call: ApiCall) -> Response:
    """Rate a request: thumbs up or down.

    The rating is the score `helicone-score-feedback`, 1 or 0, and counts wherever scores do.
    """
    request_id = read_path_parameter(call.request, "requestId")
    rating = _FEEDBACK_BODY.decode(await call.body())[_RATING]
    score = Score(int(rating), True)
    return envelope.done(await record_scores(call, request_id, {FEEDBACK: score}, "feedback"))


async def post_named_feedback(call: ApiCall) -> Response:
    """Rate a request that the body names, as Helicone's JavaScript client does.

    The rating is true or "positive", or false or "negative".
    """
    values = _NAMED_FEEDBACK_BODY.decode(await call.body())
    score = Score(int(values[_RATING_OR_WORD]), True)
    return envelope.done(await record_scores(call, values[_HELICONE_ID], {FEEDBACK: score}, "feedback"))


async def delete_score(call: ApiCall) -> Response:
    """Remove one score of a request; the others stay."""
    return await _remove(call, plain_name(read_path_parameter(call.request, "name")))


async def delete_feedback(call: ApiCall) -> Response:
    """Remove a request's rating."""
    return await _remove(call, FEEDBACK)


async def _remove(call: ApiCall, name: str) -> Response:
    request_id = read_path_parameter(call.request, "requestId")
    if not await remove_score(call, request_id, name, "remove"):
        raise NotFound(f"request {request_id} has no score {name}")
    return envelope.DONE


def decode_scores(body: bytes) -> dict[str, Score]:
    """Read `{"scores": {name: integer or boolean}}`. Raises InvalidInput with every error."""
    return _SCORE_BODY.decode(body)[_SCORES]


def _endpoint(
    method: str, path: str, handler: Handler, body: Body | None = None, permission: Permissions = "w"
) -> Endpoint:
    return envelope.endpoint(
        method,
        f"/v1/request/{{requestId}}/{path}",
        handler,
        permission,
        "Scores",
        body=body,
        beside={"warnings": envelope.WARNINGS} if method == "POST" else None,
        errors=(NotFound,),
    )


ENDPOINTS: Final = (
    _endpoint("POST", "score", post_scores, _SCORE_BODY),
    _endpoint("POST", "feedback", post_feedback, _FEEDBACK_BODY, "f"),
    envelope.endpoint(
        "POST",
        "/v1/feedback",
        post_named_feedback,
        "f",
        "Scores",
        body=_NAMED_FEEDBACK_BODY,
        beside={"warnings": envelope.WARNINGS},
        errors=(NotFound,),
    ),
    _endpoint("DELETE", "score/{name}", delete_score),
    _endpoint("DELETE", "feedback", delete_feedback),
)
