"""`/log-request` and `/track-request`: requests that were made elsewhere, logged by their clients."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any, Final

import msgspec
from msgspec import Raw
from starlette.responses import Response

from heliscore.api.http.body_fields import Body, Values, optional, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import NULL, Schema, nullable
from heliscore.api.http.json_schema import STRING as STRING_SCHEMA
from heliscore.api.http.value_types import ANY, NUMBER, OBJECT, STRING, choice, integer, list_of
from heliscore.api.promptlayer import answers
from heliscore.api.promptlayer.field_types import (
    GROUP,
    METADATA,
    MOMENT,
    NUMBER_FROM_1,
    PROMPT_ID,
    SCORE,
    SCORE_NAME,
    SHORT_STRING,
    TAGS,
    VARIABLES,
    ScoreFields,
    decode_raw,
    make_tracking_body,
)
from heliscore.api.promptlayer.tracking_endpoints import check_group
from heliscore.api.shared.logged_bodies import decode_logged, read_tokens, storable_json, text_or_none
from heliscore.domain.score import MAX_VALUE
from heliscore.domain.times import now
from heliscore.store import prompt_tracking as store
from heliscore.store.request_log import LoggedRequest, Outcome

_OUTCOMES: Final[tuple[Outcome, ...]] = ("SUCCESS", "WARNING", "ERROR")

# Fields of both bodies

_TAGS: Final = optional("tags", TAGS)
_METADATA: Final = optional("metadata", METADATA)
_PROMPT_ID: Final = optional("prompt_id", PROMPT_ID)
_STATUS: Final = optional(
    "status", choice(_OUTCOMES, "SUCCESS, WARNING or ERROR"), description="SUCCESS where it is missing"
)
_ERROR_TYPE: Final = optional("error_type", STRING)
_ERROR_MESSAGE: Final = optional("error_message", STRING)
_LOGGED: Final = (_TAGS, _METADATA, VARIABLES, _PROMPT_ID, _STATUS, _ERROR_TYPE, _ERROR_MESSAGE)

_START: Final = "request_start_time"
_END: Final = "request_end_time"


def _check_times(values: Values) -> None:
    started_at, ended_at = values.find(_SENT_START), values.find(_SENT_END)
    if started_at is not None and ended_at is not None and ended_at < started_at:
        values.reject(_SENT_END, "before request_start_time")


_SENT_START: Final = optional(_START, MOMENT)
_SENT_END: Final = optional(_END, MOMENT)

# The body of /log-request

_TOKENS: Final = integer(0, MAX_VALUE // 2)
_PROVIDER: Final = required("provider", SHORT_STRING)
_MODEL: Final = required("model", SHORT_STRING)
_PROMPT_NAME: Final = optional("prompt_name", SHORT_STRING)
_PROMPT_VERSION_NUMBER: Final = optional("prompt_version_number", NUMBER_FROM_1)
_INPUT_TOKENS: Final = optional("input_tokens", _TOKENS)
_OUTPUT_TOKENS: Final = optional("output_tokens", _TOKENS)
_PRICE: Final = optional("price", NUMBER, description="US dollars")
_SCORE: Final = ScoreFields(
    score=optional("score", SCORE, description="0 without a `score_name` is no score"),
    names=(optional("score_name", SCORE_NAME),),
)


def _check_log(values: Values) -> None:
    _check_times(values)
    _SCORE.check(values)


_LOG_BODY: Final = make_tracking_body(
    required("input", OBJECT),
    required("output", OBJECT),
    optional("parameters", OBJECT),
    optional("function_name", STRING),
    optional("api_type", STRING),
    _INPUT_TOKENS,
    _OUTPUT_TOKENS,
    required(_START, MOMENT),
    required(_END, MOMENT),
    _PROMPT_NAME,
    _PROMPT_VERSION_NUMBER,
    _PRICE,
    _PROVIDER,
    _MODEL,
    *_LOGGED,
    _SCORE.score,
    *_SCORE.names,
    check=_check_log,
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

# The body of /track-request

_GROUP_ID: Final = optional("group_id", NUMBER_FROM_1)
_KWARGS: Final = optional(
    "kwargs",
    ANY,
    description="`model` is the model and `messages` the input; what is not an object is all input",
)
_RESPONSE: Final = optional(
    "request_response", ANY, description="The output; token counts are read from its `usage`."
)
_PROVIDER_TYPE: Final = optional("provider_type", SHORT_STRING)
_PROMPT_VERSION: Final = optional("prompt_version", NUMBER_FROM_1)

_TRACK_BODY: Final = make_tracking_body(
    _GROUP_ID,
    required("function_name", STRING),
    optional("span_id", STRING),
    optional("args", list_of(ANY)),
    _KWARGS,
    _RESPONSE,
    _SENT_START,
    _SENT_END,
    _PROMPT_VERSION,
    _PROVIDER_TYPE,
    *_LOGGED,
    check=_check_times,
    example={
        "function_name": "openai.chat.completions.create",
        "provider_type": "openai",
        "kwargs": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]},
        "request_response": {"usage": {"prompt_tokens": 3, "completion_tokens": 5}},
        "request_start_time": 1767225600.0,
        "request_end_time": 1767225601.25,
    },
)

_KEPT_OF_LOG: Final = ("function_name", "api_type", "parameters", "prompt_id", "error_type", "error_message")
_KEPT_OF_TRACK: Final = ("function_name", "args", "kwargs", "span_id", "error_type", "error_message")


async def log_request(call: ApiCall) -> Response:
    """Log a request and its response, and answer the id that the request gets.

    The same body within a minute gets the same id and is stored once. A `score` of 0 without a `score_name`
    is no score: clients send it by default.
    """
    body, sent = _decode(_LOG_BODY, await call.body())
    scores = _SCORE.read(body) if body[_SCORE.score] or body[_SCORE.names[0]] else {}
    request = _make_logged(body, sent, call.principal.organization_id)
    services, body_hash = call.services, _hash(b"log-request", sent)
    async with services.database.connection() as connection:
        request_id = await store.log_once(connection, services.names, request, scores, body_hash)
    return answers.answer(
        "the request is logged",
        201,
        {
            "id": request_id,
            "request_id": request_id,
            "prompt_version": None,
            "status": request.outcome,
            "error_type": body[_ERROR_TYPE],
            "error_message": body[_ERROR_MESSAGE],
        },
    )


async def track_request(call: ApiCall) -> Response:
    """Log a call of a model's API as it was made, and answer the id that the request gets.

    The same body within a minute gets the same id and is stored once. `prompt_blueprint` is always null.
    """
    body, sent = _decode(_TRACK_BODY, await call.body())
    request = _make_tracked(body, sent, call.principal.organization_id)
    services, body_hash = call.services, _hash(b"track-request", sent)
    async with services.database.connection() as connection:
        if (group_id := body[_GROUP_ID]) is not None:
            await check_group(connection, request.organization_id, group_id)
        request_id = await store.log_once(connection, services.names, request, {}, body_hash)
    return answers.answer(
        "the request is tracked", beside={"request_id": request_id, "prompt_blueprint": None}
    )


def _decode(declared: Body, body: bytes) -> tuple[Values, dict[str, Raw]]:
    """The values, and the JSON that was sent. Raises InvalidInput with every error."""
    raw, body = decode_logged(body)
    return declared.read(raw), decode_raw(body)


def _hash(noun: bytes, sent: dict[str, Raw]) -> bytes:
    return hashlib.sha256(noun + b"\n" + msgspec.json.encode(sent)).digest()


def _make_logged(body: Values, sent: dict[str, Raw], organization_id: int) -> LoggedRequest:
    metadata, counts = body[_METADATA], (body[_INPUT_TOKENS], body[_OUTPUT_TOKENS])
    return LoggedRequest(
        organization_id=organization_id,
        request_id="",
        **_time_columns(body),
        **_prompt_columns(body, sent, body[_PROMPT_NAME], body[_PROMPT_VERSION_NUMBER]),
        prompt_tokens=counts[0],
        completion_tokens=counts[1],
        total_tokens=None if None in counts else sum(count or 0 for count in counts),
        cost_usd=body[_PRICE],
        outcome=body[_STATUS] or "SUCCESS",
        provider=body[_PROVIDER],
        request_model=body[_MODEL],
        tags=body[_TAGS],
        properties=_encoded({} if metadata is None else metadata),
        promptlayer=_kept(sent, _KEPT_OF_LOG),
        request_body=storable_json(sent.get("input", _NULL)),
        response_body=storable_json(sent.get("output", _NULL)),
    )


def _make_tracked(body: Values, sent: dict[str, Raw], organization_id: int) -> LoggedRequest:
    arguments = body[_KWARGS]  # npm's wrapper sends the first argument, be it an id alone
    model = arguments.get("model") if isinstance(arguments, dict) else None
    response = body[_RESPONSE]
    answered = response if isinstance(response, dict) else {}
    metadata = body[_METADATA]
    group = {} if body[_GROUP_ID] is None else {GROUP: str(body[_GROUP_ID])}
    input_, beside_input = _split_arguments(sent.get(_KWARGS.key, _NULL))
    return LoggedRequest(
        organization_id=organization_id,
        request_id="",
        **_time_columns(body),
        **_prompt_columns(body, sent, None, body[_PROMPT_VERSION]),
        **read_tokens(answered),
        outcome=body[_STATUS] or "SUCCESS",
        provider=body[_PROVIDER_TYPE],
        request_model=text_or_none(model),
        response_model=text_or_none(answered.get("model") or answered.get("modelVersion")),
        response_id=text_or_none(answered.get("id")),
        tags=body[_TAGS],
        properties=_encoded(group if metadata is None else metadata | group),
        promptlayer=_kept(sent | {_KWARGS.key: beside_input}, _KEPT_OF_TRACK),
        request_body=storable_json(input_),
        response_body=storable_json(sent.get(_RESPONSE.key, _NULL)),
    )


_NULL: Final = Raw(b"null")


def _split_arguments(sent: Raw) -> tuple[Raw, Raw]:
    """The input, and what else the model was called with. Without messages it is all input."""
    try:
        arguments = msgspec.json.decode(sent, type=dict[str, Raw])
    except msgspec.ValidationError:
        return sent, _NULL
    messages = arguments.pop("messages", None)
    return (sent, _NULL) if messages is None else (messages, Raw(msgspec.json.encode(arguments)))


def _time_columns(body: Values) -> dict[str, Any]:
    """The four columns of times. A request without times was made just now."""
    started_at = body[_SENT_START] or body[_SENT_END] or now()
    ended_at = body[_SENT_END] or started_at
    return {
        "created_at": started_at,
        "updated_at": now(),
        "response_created_at": ended_at,
        "latency_ms": (ended_at - started_at) // timedelta(milliseconds=1),
    }


def _prompt_columns(
    body: Values, sent: dict[str, Raw], name: str | None, version: int | None
) -> dict[str, Any]:
    """The four columns of the prompt. One without a name is known by its id."""
    return {
        "prompt_id": name or body[_PROMPT_ID],
        "prompt_version": None if version is None else str(version),
        "prompt_version_number": version,
        "prompt_variables": storable_json(sent[VARIABLES.key]) if body[VARIABLES] else None,
    }


def _encoded(properties: dict[str, str]) -> str:
    return msgspec.json.encode(properties).decode()


def _kept(sent: dict[str, Raw], keys: tuple[str, ...]) -> str | None:
    """What has no column, as JSON text."""
    kept = {key: sent[key] for key in keys if key in sent and bytes(sent[key]) not in _NOTHING}
    return storable_json(Raw(msgspec.json.encode(kept))) if kept else None


_NOTHING: Final = (b"null", b'""', b"{}", b"[]")

_ANSWER: Final[dict[str, Schema]] = {
    "id": answers.ID,
    "request_id": answers.ID,
    "prompt_version": NULL,
    "status": {"enum": list(_OUTCOMES)},
    "error_type": nullable(STRING_SCHEMA),
    "error_message": nullable(STRING_SCHEMA),
}

ENDPOINTS: Final = (
    answers.endpoint(
        "/log-request", log_request, success=201, body=_LOG_BODY, answer=answers.schema(_ANSWER)
    ),
    *(
        answers.endpoint(
            path,
            track_request,
            body=_TRACK_BODY,
            answer=answers.schema({"request_id": answers.ID, "prompt_blueprint": NULL}),
        )
        for path in ("/rest/track-request", "/track-request")
    ),
)
