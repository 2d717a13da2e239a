"""`/log-request` and `/track-request`: requests that were made elsewhere, as their clients tell of them."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any, Final, cast

import msgspec
from msgspec import Raw
from starlette.responses import Response

from heliscore.api.http.body_fields import Fields
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.promptlayer import answers, body_schemas
from heliscore.api.promptlayer.field_readers import (
    GROUP,
    decode_log,
    read_integer,
    read_moment,
    read_properties,
    read_score,
    read_tags,
    read_text,
)
from heliscore.api.promptlayer.tracking_endpoints import refuse_unknown_group
from heliscore.api.shared.logged_bodies import read_tokens, storable_json, text_or_none
from heliscore.domain.messages import described
from heliscore.domain.score import MAX_VALUE
from heliscore.domain.times import now
from heliscore.store import prompt_tracking as store
from heliscore.store.request_log import LoggedRequest, Outcome

_MAX_TOKENS: Final = MAX_VALUE // 2
_OUTCOMES: Final = ("SUCCESS", "WARNING", "ERROR")

_KEPT_OF_LOG: Final = ("function_name", "api_type", "parameters", "prompt_id", "error_type", "error_message")
_KEPT_OF_TRACK: Final = ("function_name", "args", "kwargs", "span_id", "error_type", "error_message")


async def log_request(call: ApiCall) -> Response:
    """Log a request and its response, and answer the id that the request gets.

    The same body within a minute gets the same id and is stored once. A `score` of 0 without a `score_name`
    is no score: clients send it by default.
    """
    fields, sent = decode_log(await call.body())
    request = _read_logged(fields, sent, call.principal.organization_id)
    scores = read_score(fields, "score_name", required=False)
    if not fields.raw.get("score") and not fields.raw.get("score_name"):
        scores = {}
    fields.errors.raise_any()
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
            "error_type": fields.raw.get("error_type"),
            "error_message": fields.raw.get("error_message"),
        },
    )


async def track_request(call: ApiCall) -> Response:
    """Log a call of a model's API as it was made, and answer the id that the request gets.

    The same body within a minute gets the same id and is stored once. `prompt_blueprint` is always null.
    """
    fields, sent = decode_log(await call.body())
    group_id = read_integer(fields, "group_id")
    request = _read_tracked(fields, sent, group_id, call.principal.organization_id)
    fields.errors.raise_any()
    services, body_hash = call.services, _hash(b"track-request", sent)
    async with services.database.connection() as connection:
        if group_id is not None:
            await refuse_unknown_group(connection, request.organization_id, group_id)
        request_id = await store.log_once(connection, services.names, request, {}, body_hash)
    return answers.answer(
        "the request is tracked", beside={"request_id": request_id, "prompt_blueprint": None}
    )


def _hash(noun: bytes, sent: dict[str, Raw]) -> bytes:
    return hashlib.sha256(noun + b"\n" + msgspec.json.encode(sent)).digest()


def _read_logged(fields: Fields, sent: dict[str, Raw], organization_id: int) -> LoggedRequest:
    for key in ("input", "output"):
        fields.object(key, required=True)
    fields.object("parameters")
    for key in ("function_name", "api_type"):
        fields.text(key)
    prompt_tokens, completion_tokens = (
        fields.integer(key, 0, _MAX_TOKENS) for key in ("input_tokens", "output_tokens")
    )
    counts = [count for count in (prompt_tokens, completion_tokens) if count is not None]
    return LoggedRequest(
        organization_id=organization_id,
        request_id="",
        **_read_times(fields, required=True),
        **_read_prompt(fields, sent, read_text(fields, "prompt_name"), "prompt_version_number"),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=sum(counts) if len(counts) == 2 else None,
        cost_usd=fields.number("price"),
        outcome=_read_outcome(fields),
        provider=read_text(fields, "provider", required=True),
        request_model=read_text(fields, "model", required=True),
        tags=read_tags(fields),
        properties=_encoded(read_properties(fields, "metadata")),
        promptlayer=_kept(sent, _KEPT_OF_LOG),
        request_body=storable_json(sent.get("input", _NULL)),
        response_body=storable_json(sent.get("output", _NULL)),
    )


def _read_tracked(
    fields: Fields, sent: dict[str, Raw], group_id: int | None, organization_id: int
) -> LoggedRequest:
    fields.text("function_name", required=True)
    fields.text("span_id")
    positional = fields.raw.get("args")
    if positional is not None and not isinstance(positional, list):
        fields.reject("args", f"expected a list, got {described(positional)}")
    arguments = fields.raw.get("kwargs")  # npm's wrapper sends the first argument, be it an id alone
    model = arguments.get("model") if isinstance(arguments, dict) else None
    response = fields.raw.get("request_response")
    answered: dict[str, Any] = response if isinstance(response, dict) else {}
    properties = read_properties(fields, "metadata")
    if group_id is not None:
        properties[GROUP] = str(group_id)
    input_, beside_input = _split_arguments(sent.get("kwargs", _NULL))
    return LoggedRequest(
        organization_id=organization_id,
        request_id="",
        **_read_times(fields, required=False),
        **_read_prompt(fields, sent, None, "prompt_version"),
        **read_tokens(answered),
        outcome=_read_outcome(fields),
        provider=read_text(fields, "provider_type"),
        request_model=text_or_none(model),
        response_model=text_or_none(answered.get("model") or answered.get("modelVersion")),
        response_id=text_or_none(answered.get("id")),
        tags=read_tags(fields),
        properties=_encoded(properties),
        promptlayer=_kept(sent | {"kwargs": beside_input}, _KEPT_OF_TRACK),
        request_body=storable_json(input_),
        response_body=storable_json(sent.get("request_response", _NULL)),
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


def _read_times(fields: Fields, *, required: bool) -> dict[str, Any]:
    """The four columns. A request without times was made just now."""
    sent_start = read_moment(fields, "request_start_time", required=required)
    sent_end = read_moment(fields, "request_end_time", required=required)
    if sent_start is not None and sent_end is not None and sent_end < sent_start:
        fields.reject("request_end_time", "before request_start_time")
    started_at = sent_start or sent_end or now()
    ended_at = sent_end or started_at
    return {
        "created_at": started_at,
        "updated_at": now(),
        "response_created_at": ended_at,
        "latency_ms": (ended_at - started_at) // timedelta(milliseconds=1),
    }


def _read_prompt(fields: Fields, sent: dict[str, Raw], name: str | None, version_key: str) -> dict[str, Any]:
    """The four columns. A prompt without a name is known by its id."""
    if isinstance(fields.raw.get("prompt_id"), str):
        id_ = read_text(fields, "prompt_id")
    else:
        number = read_integer(fields, "prompt_id", 0)
        id_ = None if number is None else str(number)
    version = read_integer(fields, version_key)
    variables = fields.object("prompt_input_variables").raw
    return {
        "prompt_id": name or id_,
        "prompt_version": None if version is None else str(version),
        "prompt_version_number": version,
        "prompt_variables": storable_json(sent["prompt_input_variables"]) if variables else None,
    }


def _read_outcome(fields: Fields) -> Outcome:
    for key in ("error_type", "error_message"):
        fields.text(key)
    status = fields.text("status")
    if status is not None and status not in _OUTCOMES:
        fields.reject("status", f"expected SUCCESS, WARNING or ERROR, got {described(status)}")
    return cast(Outcome, status or "SUCCESS")


def _encoded(properties: dict[str, str]) -> str:
    return msgspec.json.encode(properties).decode()


def _kept(sent: dict[str, Raw], keys: tuple[str, ...]) -> str | None:
    """What has no column, as JSON text."""
    kept = {key: sent[key] for key in keys if key in sent and bytes(sent[key]) not in _NOTHING}
    return storable_json(Raw(msgspec.json.encode(kept))) if kept else None


_NOTHING: Final = (b"null", b'""', b"{}", b"[]")

ENDPOINTS: Final = (
    answers.endpoint(
        "/log-request",
        log_request,
        success=201,
        body=body_schemas.LOG,
        body_example=body_schemas.LOG_EXAMPLE,
        answer=answers.schema({"id": body_schemas.ID, "request_id": body_schemas.ID, **body_schemas.LOGGED}),
    ),
    *(
        answers.endpoint(
            path,
            track_request,
            body=body_schemas.TRACK,
            body_example=body_schemas.TRACK_EXAMPLE,
            answer=answers.schema({"request_id": body_schemas.ID, "prompt_blueprint": {"type": "null"}}),
        )
        for path in ("/rest/track-request", "/track-request")
    ),
)
