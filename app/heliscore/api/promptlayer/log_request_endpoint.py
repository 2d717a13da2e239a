"""`POST /log-request`: a request and its response in PromptLayer's shape."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw
from starlette.responses import Response

from heliscore.api.http.body_fields import Values, optional, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import NULL, Schema, nullable, one_of
from heliscore.api.http.json_schema import STRING as STRING_SCHEMA
from heliscore.api.http.value_types import NUMBER, OBJECT, STRING, integer
from heliscore.api.promptlayer import answers
from heliscore.api.promptlayer.field_types import (
    MOMENT,
    NUMBER_FROM_1,
    SCORE,
    SCORE_NAME,
    SHORT_STRING,
    ScoreFields,
    make_tracking_body,
)
from heliscore.api.promptlayer.logged_fields import (
    END_KEY,
    ERROR_MESSAGE,
    ERROR_TYPE,
    LOGGED_FIELDS,
    METADATA,
    NULL_JSON,
    OUTCOMES,
    START_KEY,
    STATUS,
    TAGS,
    decode_log_call,
    encoded,
    hash_of,
    kept_json,
    prompt_columns,
    time_columns,
)
from heliscore.api.shared import envelope
from heliscore.api.shared.authors import origin_of
from heliscore.api.shared.computed_costs import with_cost
from heliscore.api.shared.definition_checks import check_scores
from heliscore.api.shared.logged_bodies import storable_json
from heliscore.domain.score import MAX_VALUE, Score
from heliscore.providers.usage import Usage, amount, completed
from heliscore.store import prompt_tracking as store
from heliscore.store.definition_cache import NO_DEFINITIONS
from heliscore.store.request_log import LoggedRequest

_TOKENS: Final = integer(0, MAX_VALUE // 2)
_PROVIDER: Final = required("provider", SHORT_STRING)
_MODEL: Final = required("model", SHORT_STRING)
_PROMPT_NAME: Final = optional("prompt_name", SHORT_STRING)
_PROMPT_VERSION_NUMBER: Final = optional("prompt_version_number", NUMBER_FROM_1)
_INPUT_TOKENS: Final = optional("input_tokens", _TOKENS)
_OUTPUT_TOKENS: Final = optional("output_tokens", _TOKENS)
_PRICE: Final = optional("price", NUMBER, description="US dollars")
_SCORE: Final = ScoreFields(
    score=optional("score", SCORE, description="0 without a `score_name` is ignored"),
    names=(optional("score_name", SCORE_NAME),),
)


_BODY: Final = make_tracking_body(
    required("input", OBJECT),
    required("output", OBJECT),
    optional("parameters", OBJECT),
    optional("function_name", STRING),
    optional("api_type", STRING),
    _INPUT_TOKENS,
    _OUTPUT_TOKENS,
    required(START_KEY, MOMENT),
    required(END_KEY, MOMENT),
    _PROMPT_NAME,
    _PROMPT_VERSION_NUMBER,
    _PRICE,
    _PROVIDER,
    _MODEL,
    *LOGGED_FIELDS,
    _SCORE.score,
    *_SCORE.names,
    check=_SCORE.check,
    example={
        "provider": "openai",
        "model": "gpt-4o",
        "input": {
            "type": "chat",
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        },
        "output": {"type": "chat", "messages": []},
        "request_start_time": 1767225600.0,
        "request_end_time": 1767225601.25,
    },
)

_KEPT: Final = ("function_name", "api_type", "parameters", "prompt_id", "error_type", "error_message")


async def log_request(call: ApiCall) -> Response:
    """Log a request and its response, and return the request's id.

    The same body within a minute gets the same id and is stored once. A `score` of 0 without a `score_name`
    is ignored: clients send it by default.
    """
    body, services = await call.large_body(), call.services
    organization_id = call.principal.organization_id
    logged = await services.large_work.run(_read_call, body, organization_id, size_bytes=len(body))
    origin = origin_of(call, "log")
    definitions = await services.definitions.find(organization_id) if logged.scores else NO_DEFINITIONS
    warnings = check_scores(definitions, logged.scores)
    request = await with_cost(logged.request, services.prices)
    async with services.database.connection() as connection:
        request_id = await store.log_once(
            connection, services.ids, request, logged.scores, origin, logged.body_hash
        )
    return answers.answer(
        "the request is logged",
        201,
        {
            "id": request_id,
            "request_id": request_id,
            "prompt_version": None,
            "status": request.outcome,
            "error_type": logged.error_type,
            "error_message": logged.error_message,
            **answers.warned(warnings),
        },
    )


class _Logged(msgspec.Struct, frozen=True):
    request: LoggedRequest
    scores: dict[str, Score]
    error_type: str | None
    error_message: str | None
    body_hash: bytes


def _read_call(encoded: bytes, organization_id: int) -> _Logged:
    body, sent = decode_log_call(_BODY, encoded)
    scores = _SCORE.read(body) if body[_SCORE.score] or body[_SCORE.names[0]] else {}
    request = _make_logged(body, sent, organization_id)
    body_hash = hash_of(b"log-request", sent)
    return _Logged(request, scores, body[ERROR_TYPE], body[ERROR_MESSAGE], body_hash)


def _make_logged(body: Values, sent: dict[str, Raw], organization_id: int) -> LoggedRequest:
    metadata = body[METADATA]
    # Zeros are the SDKs' defaults, and say nothing.
    usage = completed(Usage(body[_INPUT_TOKENS], body[_OUTPUT_TOKENS], cost_usd=amount(body[_PRICE])))
    return LoggedRequest(
        organization_id=organization_id,
        request_id="",
        **time_columns(body),
        **prompt_columns(body, sent, body[_PROMPT_NAME], body[_PROMPT_VERSION_NUMBER]),
        **msgspec.structs.asdict(usage or Usage()),
        outcome=body[STATUS] or "SUCCESS",
        provider=body[_PROVIDER],
        request_model=body[_MODEL],
        tags=body[TAGS],
        properties=encoded({} if metadata is None else metadata),
        promptlayer=kept_json(sent, _KEPT),
        request_body=storable_json(sent.get("input", NULL_JSON)),
        response_body=storable_json(sent.get("output", NULL_JSON)),
    )


_ANSWER: Final[dict[str, Schema]] = {
    "id": answers.ID,
    "request_id": answers.ID,
    "prompt_version": NULL,
    "status": one_of(OUTCOMES),
    "error_type": nullable(STRING_SCHEMA),
    "error_message": nullable(STRING_SCHEMA),
}

ENDPOINTS: Final = (
    answers.endpoint(
        "/log-request",
        log_request,
        success=201,
        body=_BODY,
        answer=answers.schema(_ANSWER, {"warnings": envelope.WARNINGS}),
    ),
)
