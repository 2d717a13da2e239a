"""`POST /v1/request/{requestId}/score`: score maps in."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from app.api.endpoints import Call, Endpoint, Handler, Schema
from app.api.helicone import envelope
from app.api.recording import record
from app.api.wire import Faults, decode_object, now, path_text, step
from app.errors import NotFound
from app.scores import (
    FEEDBACK,
    MAX_NAME_LENGTH,
    MAX_SCORES_PER_CALL,
    MAX_VALUE,
    MIN_VALUE,
    Score,
    described,
    fault_in_text,
    read_score,
)
from app.store import logs

_BOOLEAN_SUFFIX: Final = "-hcone-bool"
"""Upstream stores a boolean under its name and this suffix, and so its exports have it."""

_BODY_KEYS: Final = frozenset(("scores",))
_FEEDBACK_KEYS: Final = frozenset(("rating",))


async def post_scores(call: Call) -> Response:
    """Add scores to a request.

    Integers are stored as they are, booleans as 1 and 0. A score of the same name is replaced, others stay.
    When this answers 200 the scores are durable and every other endpoint shows them; when it does not,
    nothing was stored. A request that was never logged exists from its first score on.
    """
    request_id = path_text(call.request, "requestId")
    await record(call, request_id, decode_scores(await call.body()))
    return envelope.DONE


async def post_feedback(call: Call) -> Response:
    """Rate a request: thumbs up or down.

    The rating is the score `helicone-score-feedback`, 1 or 0, and counts wherever scores do.
    """
    request_id = path_text(call.request, "requestId")
    fields = decode_object(await call.body(), _FEEDBACK_KEYS)
    rating = fields.flag("rating", required=True)
    fields.faults.raise_any()
    await record(call, request_id, {FEEDBACK: Score(int(rating is True), True)})
    return envelope.DONE


async def delete_score(call: Call) -> Response:
    """Remove one score of a request; the others stay."""
    return await _remove(call, plain_name(path_text(call.request, "name")))


async def delete_feedback(call: Call) -> Response:
    """Take a request's rating back."""
    return await _remove(call, FEEDBACK)


async def _remove(call: Call, name: str) -> Response:
    request_id = path_text(call.request, "requestId")
    organization_id = call.principal.organization_id
    async with call.services.database.connection() as connection:
        ids = await call.services.names.find(connection, organization_id, [name])
        removed = name in ids and await logs.remove_score(
            connection, organization_id, request_id, ids[name], now()
        )
    if not removed:
        raise NotFound(f"request {request_id} has no score {name}")
    return envelope.DONE


def decode_scores(body: bytes) -> dict[str, Score]:
    """Read `{"scores": {name: integer or boolean}}`. Raises InvalidInput with every fault."""
    fields = decode_object(body, _BODY_KEYS)
    sent = fields.object("scores", required=True)
    scores: dict[str, Score] = {}
    if len(sent.raw) > MAX_SCORES_PER_CALL:
        fields.fault("scores", f"at most {MAX_SCORES_PER_CALL} in a call, got {len(sent.raw)}")
    else:
        for sent_name, value in sent.raw.items():
            read_entry(step("scores", sent_name), sent_name, value, scores, fields.faults)
    fields.faults.raise_any()
    return scores


def read_entry(path: str, sent_name: str, value: object, scores: dict[str, Score], faults: Faults) -> None:
    """Read one name and value into `scores`, or note what is wrong with them; the name is in `scores` then
    too, which tells if it comes twice."""
    name = plain_name(sent_name)
    if fault := fault_in_text(name):
        faults.add(path, f"the name {fault}")
    if name in scores:
        faults.add(path, f"the same score as {name}, which is in this call too")
    score = read_score(value)
    scores[name] = Score(0, False)
    only_boolean = name != sent_name or name == FEEDBACK
    if isinstance(score, str):
        faults.add(path, score)
    elif only_boolean and score.value not in (0, 1):
        faults.add(path, f"expected true, false, 1 or 0, got {described(value)}")
    else:
        scores[name] = Score(score.value, score.is_boolean or only_boolean)


def plain_name(name: str) -> str:
    """Take upstream's suffix for booleans off a score's name."""
    return name.removesuffix(_BOOLEAN_SUFFIX)


_SCORES: Final[Schema] = {
    "type": "object",
    "properties": {
        "scores": {
            "type": "object",
            "maxProperties": MAX_SCORES_PER_CALL,
            "propertyNames": {"minLength": 1, "maxLength": MAX_NAME_LENGTH},
            "additionalProperties": {
                "oneOf": [
                    {"type": "integer", "minimum": MIN_VALUE, "maximum": MAX_VALUE},
                    {"type": "boolean"},
                ]
            },
        }
    },
    "required": ["scores"],
    "additionalProperties": False,
}

_FEEDBACK: Final[Schema] = {
    "type": "object",
    "properties": {"rating": {"type": "boolean", "description": "true: thumbs up"}},
    "required": ["rating"],
    "additionalProperties": False,
}


def _endpoint(
    method: str, path: str, handler: Handler, body: Schema | None = None, example: object = None
) -> Endpoint:
    return envelope.endpoint(
        method,
        f"/v1/request/{{requestId}}/{path}",
        handler,
        "w",
        "Scores",
        body=body,
        body_example=example,
        refusals=(NotFound,),
    )


ENDPOINTS: Final = (
    _endpoint(
        "POST",
        "score",
        post_scores,
        _SCORES,
        {"scores": {"accuracy": 95, "relevance": 87, "has_citations": True}},
    ),
    _endpoint("POST", "feedback", post_feedback, _FEEDBACK, {"rating": True}),
    _endpoint("DELETE", "score/{name}", delete_score),
    _endpoint("DELETE", "feedback", delete_feedback),
)
