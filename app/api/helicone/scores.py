"""`POST /v1/request/{requestId}/score`: score maps in."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from app.api.endpoints import Call, Endpoint
from app.api.helicone import envelope
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
from app.store import scores as store

_BOOLEAN_SUFFIX: Final = "-hcone-bool"
"""Upstream stores a boolean under its name and this suffix, and so its exports have it."""

_BODY_KEYS: Final = frozenset(("scores",))


async def post_scores(call: Call) -> Response:
    """Add scores to a request.

    Integers are stored as they are, booleans as 1 and 0. A score of the same name is replaced, others stay.
    When this answers 200 the scores are durable and every other endpoint shows them; when it does not,
    nothing was stored. A request that was never logged exists from its first score on.
    """
    request_id = path_text(call.request, "requestId")
    scores = decode_scores(await call.body())
    if scores:
        post = store.Post(call.principal.organization_id, request_id, scores, now())
        accept_unknown = call.services.settings.unknown_requests == "accept"
        async with call.services.database.connection() as connection:
            written = await store.record(
                connection, call.services.names, [post], accept_unknown=accept_unknown
            )
        if not written:
            raise NotFound(f"there is no request {request_id}")
    return envelope.answer(None)


def decode_scores(body: bytes) -> dict[str, Score]:
    """Read `{"scores": {name: integer or boolean}}`. Raises InvalidInput with every fault."""
    raw, faults = decode_object(body, _BODY_KEYS)
    scores: dict[str, Score] = {}
    if "scores" not in raw:
        faults.add("scores", "missing")
    elif not isinstance(raw["scores"], dict):
        faults.add("scores", f"expected an object of names and scores, got {described(raw['scores'])}")
    elif len(raw["scores"]) > MAX_SCORES_PER_CALL:
        faults.add("scores", f"at most {MAX_SCORES_PER_CALL} in a call, got {len(raw['scores'])}")
    else:
        for sent_name, value in raw["scores"].items():
            _read_entry(sent_name, value, scores, faults)
    faults.raise_any()
    return scores


def _read_entry(sent_name: str, value: object, scores: dict[str, Score], faults: Faults) -> None:
    path = step("scores", sent_name)
    name = plain_name(sent_name)
    if fault := fault_in_text(name):
        faults.add(path, f"the name {fault}")
    if name in scores:
        faults.add(path, f"the same score as {name}, which is in this call too")
    score = read_score(value)
    if isinstance(score, str):
        faults.add(path, score)
    elif (name is not sent_name or name == FEEDBACK) and score.value not in (0, 1):
        faults.add(path, f"expected true, false, 1 or 0, got {described(value)}")
    else:
        is_boolean = score.is_boolean or name is not sent_name or name == FEEDBACK
        scores[name] = Score(score.value, is_boolean)


def plain_name(name: str) -> str:
    """Take upstream's suffix for booleans off a score's name."""
    return name.removesuffix(_BOOLEAN_SUFFIX)


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/request/{requestId}/score",
        handler=post_scores,
        refuse=envelope.refuse,
        tag="Scores",
        permission="w",
        refusals=(NotFound,),
        body={
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
        },
        body_example={"scores": {"accuracy": 95, "relevance": 87, "has_citations": True}},
        answer=envelope.schema(envelope.NULL),
        answer_example={"data": None, "error": None},
    ),
)
