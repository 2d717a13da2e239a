"""The body of a log call: a provider's request, its response, and their times."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from starlette.datastructures import Headers

from heliscore.api.http.body_fields import Field, Values, ValueType, make_body, object_of, optional, required
from heliscore.api.http.field_errors import FieldErrors, step
from heliscore.api.http.json_schema import Schema, named
from heliscore.api.http.value_types import ANY, NUMBER, OBJECT, STRING, integer
from heliscore.api.shared.log_metadata import Metadata
from heliscore.api.shared.logged_bodies import decode_logged
from heliscore.api.shared.logged_call import ProviderCall, make_logged_request
from heliscore.api.shared.logged_exchange import read_response
from heliscore.domain.errors import FieldError
from heliscore.domain.messages import described, find_name_error, shortened
from heliscore.domain.times import EPOCH, now, read_time, storable_time
from heliscore.domain.uuid7 import make_uuid7
from heliscore.store import request_log as store

_STATUS_LIMIT: Final = 2**31 - 1
"""Clients send HTTP statuses, and negative numbers: -3 is a cancelled call."""

_FIRST_MILLISECONDS: Final = 4_102_444_800
"""A string of digits from here on counts milliseconds, below it seconds (up to the year 2100)."""

_DIGITS: Final = re.compile(r"\d{1,15}", re.ASCII)


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
                if _is_number(milliseconds) and _is_number(seconds):
                    time = EPOCH + timedelta(seconds=seconds, milliseconds=milliseconds)
    except (OverflowError, ValueError):
        pass
    if (moment := storable_time(time)) is not None:
        return moment
    shown = shortened(msgspec.json.encode(raw).decode()) if isinstance(raw, dict) else described(raw)
    expected = "{seconds, milliseconds} or an ISO 8601 time of the years 1000 to 9999"
    errors.add(path, f"expected {expected}, got {shown}")
    return EPOCH


def _is_number(raw: object) -> bool:
    return isinstance(raw, int | float) and not isinstance(raw, bool)


def _read_meta(raw: object, path: str, errors: FieldErrors) -> dict[str, str]:
    """The values of Helicone's names, numbers and booleans as their text; others and null are ignored."""
    meta = {}
    for name, value in OBJECT.read(raw, path, errors).items():
        if value is None or not name.lower().startswith("helicone-"):
            continue
        if isinstance(value, str | int | float):
            meta[name] = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        else:
            errors.add_unexpected(step(path, name), "a string, a number or a boolean", value)
    return meta


_URL: Final = optional("url", STRING)
_REQUEST_JSON: Final = optional("json", ANY)
_META: Final = optional("meta", ValueType[dict[str, str]](OBJECT.schema, _read_meta))

_RESPONSE_JSON: Final = optional("json", ANY)
_TEXT_BODY: Final = optional("textBody", STRING)
_STATUS: Final = optional("status", integer(-_STATUS_LIMIT, _STATUS_LIMIT))
_COST: Final = optional("cost", NUMBER)

_SECONDS: Final[Schema] = {
    "type": "object",
    "properties": {
        "seconds": {"type": "integer"},
        "milliseconds": {"type": "number", "description": "the fraction of a second"},
    },
    "required": ["seconds", "milliseconds"],
}
_TIME: Final = ValueType[datetime](
    {
        "anyOf": [
            named("LogTime", _SECONDS),
            {"type": "string", "description": "ISO 8601, or seconds; from 4102444800 on, milliseconds"},
        ]
    },
    _read_time,
)
_STARTED_AT: Final = optional("startTime", _TIME)
_ENDED_AT: Final = optional("endTime", _TIME)
_FIRST_TOKEN: Final = optional("timeToFirstToken", NUMBER, description="milliseconds")

_REQUEST: Final = required(
    "providerRequest", object_of(_URL, _REQUEST_JSON, _META, name="ProviderRequest", is_open=True)
)
_RESPONSE: Final = required(
    "providerResponse",
    object_of(
        _RESPONSE_JSON,
        _TEXT_BODY,
        _STATUS,
        optional("headers", ANY),
        _COST,
        name="ProviderResponse",
        is_open=True,
    ),
)
_TIMING: Final = optional(
    "timing", object_of(_STARTED_AT, _ENDED_AT, _FIRST_TOKEN, name="LogTiming", is_open=True)
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

BODY: Final = make_body(_REQUEST, _RESPONSE, _TIMING, name="Log", is_open=True, example=_EXAMPLE)
NAMING_BODY: Final = make_body(
    _REQUEST, _RESPONSE, _TIMING, _PROVIDER, name="LogOfProvider", is_open=True, example=_EXAMPLE
)
"""The body on the paths that name no provider."""


class _Sent(msgspec.Struct):
    json: msgspec.Raw = msgspec.Raw(b"null")


class _Log(msgspec.Struct, frozen=True):
    """A log call: what is stored of it, and what was left out because it could not be understood."""

    request: store.LoggedRequest
    warnings: tuple[FieldError, ...]


def read_log(body: bytes, headers: Headers, provider: str | None, organization_id: int) -> _Log:
    """Read a log call; the body names the provider where the path does not.

    No sender looks at the answer of a log call, so an error would lose the log. Raises InvalidInput only for
    what is no JSON object, or holds neither a request nor a response.
    """
    raw, body = decode_logged(body)
    if not isinstance(raw, dict):
        BODY.read(raw)
    values = (NAMING_BODY if provider is None else BODY).value_type.read(raw, "", errors := FieldErrors())
    if not any(isinstance(raw.get(field.key), dict) for field in (_REQUEST, _RESPONSE)):
        errors.raise_any()
    request = values.find(_REQUEST) or _nothing(_REQUEST)
    response = values.find(_RESPONSE) or _nothing(_RESPONSE)
    timing = values.find(_TIMING) or _nothing(_TIMING)
    meta = request.find(_META)
    metadata = Metadata(headers, meta or {}, errors)
    sent = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    answered = read_response(_json_in(sent, _RESPONSE), response.find(_TEXT_BODY))
    started_at, ended_at = _find_times(timing)
    call = ProviderCall(
        organization_id=organization_id,
        request_id=_find_request_id(metadata, errors),
        provider=provider or values.find(_PROVIDER) or "OPENAI",
        url=request.find(_URL),
        request=request.find(_REQUEST_JSON),
        request_json=_json_in(sent, _REQUEST),
        response=answered,
        status=response.find(_STATUS),
        started_at=started_at,
        ended_at=ended_at,
        first_token_ms=timing.find(_FIRST_TOKEN),
        cost_usd=response.find(_COST),
    )
    return _Log(make_logged_request(call, metadata), errors.found)


def _nothing(field: Field[Any]) -> Values:
    """An object without values."""
    return Values(field.key, FieldErrors())


def _json_in(sent: dict[str, msgspec.Raw], field: Field[Any]) -> msgspec.Raw:
    """The key `json` of an object as it was sent, byte for byte: decoding would round its numbers."""
    try:
        return msgspec.json.decode(sent[field.key], type=_Sent).json
    except (KeyError, msgspec.ValidationError):
        return msgspec.Raw(b"null")


def _find_request_id(metadata: Metadata, errors: FieldErrors) -> str:
    """The id that was sent; a new one where none was, or one that no path could name."""
    request_id = metadata.get("Helicone-Request-Id")
    if request_id is not None and (error := find_name_error(request_id)):
        errors.add("Helicone-Request-Id", error)
        request_id = None
    return request_id or str(make_uuid7())


def _find_times(timing: Values) -> tuple[datetime, datetime]:
    """When the request began and ended; each defaults to the other, and both to now. Clocks step back: a
    request that ended before it began took no time."""
    started_at, ended_at = timing.find(_STARTED_AT), timing.find(_ENDED_AT)
    started_at = started_at or ended_at or now()
    return started_at, max(started_at, ended_at or started_at)
