"""The body of a log call: a provider's request, its response, and their times."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from starlette.datastructures import Headers

from heliscore.api.helicone.log_metadata import Metadata
from heliscore.api.http.body_fields import Values, ValueType, make_body, object_of, optional, required
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_schema import Schema, reference
from heliscore.api.http.value_types import ANY, NUMBER, OBJECT, STRING, integer, mapping_of, or_null
from heliscore.api.shared.logged_bodies import (
    decode_logged,
    read_tokens,
    storable,
    storable_json,
    text_or_none,
)
from heliscore.domain.messages import described, find_name_error, shortened
from heliscore.domain.times import EPOCH, now, read_time, storable_time
from heliscore.domain.uuid7 import make_uuid7
from heliscore.store import request_log as store

_STATUS_LIMIT: Final = 2**31 - 1
"""Clients send HTTP statuses, and negative numbers: -3 is a cancelled call."""

_FIRST_MILLISECONDS: Final = 4_102_444_800
"""A string of digits from here on counts milliseconds, below it seconds (up to the year 2100)."""

_DIGITS: Final = re.compile(r"\d{1,15}", re.ASCII)

_EXTREME_NUMBER: Final = re.compile(r"[eE][+-]?\d{4}|\d{10000}")
"""Perhaps a number with more digits than PostgreSQL's JSON can hold."""


def _read_time(raw: object, path: str, errors: FieldErrors) -> datetime:
    """`{seconds, milliseconds}`, an ISO 8601 string, or a string of digits; of the years 1000 to 9999."""
    time = None
    try:
        match raw:
            case str() if _DIGITS.fullmatch(raw):
                unit = "seconds" if int(raw) < _FIRST_MILLISECONDS else "milliseconds"
                time = EPOCH + timedelta(**{unit: int(raw)})
            case str():
                time = read_time(raw)
            case {"seconds": seconds, "milliseconds": milliseconds}:
                if _is_number(milliseconds) and _is_number(seconds) and isinstance(seconds, int):
                    time = EPOCH + timedelta(seconds=seconds, milliseconds=milliseconds)
    except OverflowError:
        pass
    if (moment := storable_time(time)) is not None:
        return moment
    shown = shortened(msgspec.json.encode(raw).decode()) if isinstance(raw, dict) else described(raw)
    expected = "{seconds, milliseconds}, seconds an integer, or an ISO 8601 time of the years 1000 to 9999"
    errors.add(path, f"expected {expected}, got {shown}")
    return EPOCH


def _is_number(raw: object) -> bool:
    return isinstance(raw, int | float) and not isinstance(raw, bool)


def _check_json(response: Values) -> None:
    """A non-empty `textBody` wins over `json`, which may be anything then."""
    sent = response.find(_RESPONSE_JSON)
    if not (response.find(_TEXT_BODY) or sent is None or isinstance(sent, dict)):
        response.errors.add_unexpected(f"{response.path}.{_RESPONSE_JSON.key}", "an object", sent)


def _check_times(timing: Values) -> None:
    started_at, ended_at = timing.find(_STARTED_AT), timing.find(_ENDED_AT)
    if started_at is not None and ended_at is not None and ended_at < started_at:
        timing.reject(_ENDED_AT, "before startTime")


_URL: Final = optional("url", STRING)
_REQUEST_JSON: Final = required("json", OBJECT)
_META: Final = optional("meta", mapping_of(or_null(STRING)))

_RESPONSE_JSON: Final = optional("json", ValueType[Any](OBJECT.schema, ANY.read))
_TEXT_BODY: Final = optional("textBody", STRING)
_STATUS: Final = required("status", integer(-_STATUS_LIMIT, _STATUS_LIMIT))
_COST: Final = optional("cost", NUMBER)

_TIME: Final = ValueType[datetime](reference("LogTime"), _read_time)
_STARTED_AT: Final = optional("startTime", _TIME)
_ENDED_AT: Final = optional("endTime", _TIME)
_FIRST_TOKEN: Final = optional("timeToFirstToken", NUMBER, description="milliseconds")

_REQUEST: Final = required("providerRequest", object_of(_URL, _REQUEST_JSON, _META, is_open=True))
_RESPONSE: Final = required(
    "providerResponse",
    object_of(
        _RESPONSE_JSON,
        _TEXT_BODY,
        _STATUS,
        optional("headers", ANY),
        _COST,
        is_open=True,
        check=_check_json,
    ),
)
_TIMING: Final = optional(
    "timing", object_of(_STARTED_AT, _ENDED_AT, _FIRST_TOKEN, is_open=True, check=_check_times)
)
_PROVIDER: Final = optional("provider", STRING)

_EXAMPLE: Final = {
    "providerRequest": {
        "url": "https://example.com/v1/chat",
        "json": {"model": "my-model", "messages": [{"role": "user", "content": "Hi"}]},
        "meta": {"Helicone-Request-Id": "req_abc123def456", "Helicone-Property-Variant": "A"},
    },
    "providerResponse": {
        "json": {"usage": {"prompt_tokens": 3, "completion_tokens": 5}},
        "status": 200,
        "headers": {},
    },
    "timing": {
        "startTime": {"seconds": 1767225600, "milliseconds": 0},
        "endTime": {"seconds": 1767225601, "milliseconds": 250},
    },
}

BODY: Final = make_body(_REQUEST, _RESPONSE, _TIMING, is_open=True, example=_EXAMPLE)
NAMING_BODY: Final = make_body(_REQUEST, _RESPONSE, _TIMING, _PROVIDER, is_open=True, example=_EXAMPLE)
"""The body on the paths that name no provider."""

COMPONENTS: Final[dict[str, Schema]] = {
    "LogTime": {
        "anyOf": [
            {
                "type": "object",
                "properties": {
                    "seconds": {"type": "integer"},
                    "milliseconds": {"type": "number", "description": "the fraction of a second"},
                },
                "required": ["seconds", "milliseconds"],
            },
            {"type": "string", "description": "ISO 8601, or seconds; from 4102444800 on, milliseconds"},
        ]
    }
}


class _Sent(msgspec.Struct):
    json: msgspec.Raw = msgspec.Raw(b"null")


class _Bodies(msgspec.Struct):
    """The bodies as they were sent, byte for byte: decoding would round their numbers."""

    providerRequest: _Sent  # noqa: N815
    providerResponse: _Sent  # noqa: N815


def read_log(
    body: bytes, headers: Headers, provider: str | None, organization_id: int
) -> store.LoggedRequest:
    """Read a log call; the body names the provider where the path does not. Raises InvalidInput with every
    error."""
    raw, body = decode_logged(body)
    values = (NAMING_BODY if provider is None else BODY).value_type.read(raw, "", errors := FieldErrors())
    metadata = Metadata(headers, _find_meta(raw))
    metadata.check(errors)
    request_id = metadata.get("Helicone-Request-Id") or str(make_uuid7())
    if error := find_name_error(request_id):
        errors.add("Helicone-Request-Id", error)
    errors.raise_any()
    request, response, timing = values[_REQUEST], values[_RESPONSE], values[_TIMING]
    text = response[_TEXT_BODY]
    response_json = _object_in(text) if text else response[_RESPONSE_JSON] or {}
    request_json = request[_REQUEST_JSON]
    started_at, ended_at = _find_times(timing)
    first_token = None if timing is None else timing[_FIRST_TOKEN]
    sent = msgspec.json.decode(body, type=_Bodies)
    return store.LoggedRequest(
        organization_id=organization_id,
        request_id=request_id,
        created_at=started_at,
        updated_at=now(),
        response_created_at=ended_at,
        latency_ms=(ended_at - started_at) // timedelta(milliseconds=1),
        time_to_first_token_ms=None if first_token is None else round(first_token),
        cost_usd=response[_COST],
        status=response[_STATUS],
        user_id=metadata.get("Helicone-User-Id"),
        provider=storable(provider or values[_PROVIDER] or "OPENAI"),
        request_model=text_or_none(request_json.get("model")),
        response_model=text_or_none(response_json.get("model") or response_json.get("modelVersion")),
        model_override=metadata.get("Helicone-Model-Override"),
        prompt_id=metadata.get("Helicone-Prompt-Id"),
        response_id=text_or_none(response_json.get("id")),
        request_path=_path_of(request[_URL]),
        target_url=text_or_none(request[_URL]),
        properties=msgspec.json.encode(metadata.properties()).decode(),
        request_body=None if metadata.omits("Request") else storable_json(sent.providerRequest.json),
        response_body=None if metadata.omits("Response") else _response_body(text, sent),
        cache_enabled=(metadata.get("Helicone-Cache-Enabled") or "").lower() == "true",
        **read_tokens(response_json),
    )


def _find_meta(raw: object) -> dict[str, str]:
    """`meta`, also when some of its values are errors: its names are checked, too."""
    match raw:
        case {_REQUEST.key: {_META.key: dict(meta)}}:
            return {name: value if isinstance(value, str) else "" for name, value in meta.items()}
    return {}


def _find_times(timing: Values | None) -> tuple[datetime, datetime]:
    """When the request began and ended; each defaults to the other, and both to now."""
    started_at, ended_at = (None, None) if timing is None else (timing[_STARTED_AT], timing[_ENDED_AT])
    started_at = started_at or ended_at or now()
    return started_at, ended_at or started_at


def _path_of(url: str | None) -> str | None:
    try:
        return storable(urlsplit(url).path) if url else None
    except ValueError:
        return None


def _response_body(text: str | None, sent: _Bodies) -> str | None:
    """`textBody` is stored as JSON if it is, otherwise as a string."""
    if not text:
        return storable_json(sent.providerResponse.json)
    try:
        if not _EXTREME_NUMBER.search(text):
            return storable_json(msgspec.json.decode(text, type=msgspec.Raw))
    except (msgspec.DecodeError, RecursionError):
        pass
    return msgspec.json.encode(storable(text)).decode()


def _object_in(text: str) -> dict[str, Any]:
    """The JSON object in a string; empty if there is none."""
    try:
        raw = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return raw if isinstance(raw, dict) else {}
