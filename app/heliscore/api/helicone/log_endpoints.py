"""Logging requests without a proxy: what a client called, what came back, and when."""

from __future__ import annotations

import re
import secrets
import uuid
from datetime import datetime, timedelta
from time import time_ns
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response

from heliscore.api.http.body_fields import Fields
from heliscore.api.http.endpoints import ApiCall, Endpoint, Handler, Schema
from heliscore.api.shared import envelope
from heliscore.api.shared.logged_bodies import (
    decode_logged,
    read_tokens,
    storable,
    storable_json,
    text_or_none,
)
from heliscore.domain.messages import described, find_name_error, shortened
from heliscore.domain.times import EPOCH, now, read_time, storable_time
from heliscore.store import request_log as store

_STATUS_LIMIT: Final = 2**31 - 1
"""Clients send HTTP statuses, and negative numbers of their own: -3 is a call that was cancelled."""


_FIRST_MILLISECONDS: Final = 4_102_444_800
"""A text of digits from here on counts milliseconds, below it seconds (up to the year 2100)."""

_DIGITS: Final = re.compile(r"\d{1,15}", re.ASCII)

_EXTREME_NUMBER: Final = re.compile(r"[eE][+-]?\d{4}|\d{10000}")
"""Perhaps a number with more digits than PostgreSQL's JSON can hold."""

_PROPERTY_PREFIX: Final = "helicone-property-"
_PROPERTY_HEADERS: Final = (
    "Helicone-Session-Id",
    "Helicone-Session-Path",
    "Helicone-Session-Name",
    "Helicone-Prompt-Id",
)


def make_log_handler(provider: str | None) -> Handler:
    """The handler for one provider's path; None: the body names the provider."""

    async def log_request(call: ApiCall) -> Response:
        """Log a request and its response; answers `ok` and the request's id in the header `helicone-id`.

        Metadata comes from the HTTP headers or `providerRequest.meta`: `Helicone-Request-Id`,
        `Helicone-User-Id`, `Helicone-Property-<Name>`, `Helicone-Session-Id`, `-Path` and `-Name`,
        `Helicone-Prompt-Id`, `Helicone-Model-Override`, `Helicone-Omit-Request` and `-Omit-Response`. A
        request scored before joins up with its scores; logging an id again replaces what was logged and keeps
        scores and what was set by calls of their own.
        """
        request = read_log(await call.body(), call.request.headers, provider, call.principal.organization_id)
        async with call.services.database.connection() as connection:
            await store.log(connection, request)
        # Header values are bytes: an id beyond ASCII goes out, as it came in, in UTF-8.
        return PlainTextResponse("ok", headers={"helicone-id": request.request_id.encode().decode("latin-1")})

    return log_request


class _Sent(msgspec.Struct):
    json: msgspec.Raw = msgspec.Raw(b"null")


class _Bodies(msgspec.Struct):
    """The bodies as they were sent, byte for byte: decoding would round their numbers."""

    providerRequest: _Sent  # noqa: N815
    providerResponse: _Sent  # noqa: N815


def read_log(
    body: bytes, headers: Headers, provider: str | None, organization_id: int
) -> store.LoggedRequest:
    """Read a log call. Raises InvalidInput with every fault; keys that are not known are ignored."""
    fields, body = decode_logged(body)
    request = fields.object("providerRequest", required=True)
    response = fields.object("providerResponse", required=True)
    request_json = request.object("json", required=True).raw
    text = response.text("textBody")
    # A non-empty text wins over the JSON.
    response_json = _object_in(text) if text else response.object("json").raw
    target_url = request.text("url")
    status = response.integer("status", -_STATUS_LIMIT, _STATUS_LIMIT, required=True)
    timing = fields.object("timing")
    started_at, ended_at = _read_times(timing)
    first_token = timing.number("timeToFirstToken")
    cost = response.number("cost")
    metadata = Metadata(headers, request.object("meta"))
    metadata.check(fields)
    request_id = metadata.get("Helicone-Request-Id") or str(make_uuid7())
    if error := find_name_error(request_id):
        fields.reject("Helicone-Request-Id", error)
    provider = provider or fields.text("provider") or "OPENAI"
    fields.errors.raise_any()
    sent = msgspec.json.decode(body, type=_Bodies)
    return store.LoggedRequest(
        organization_id=organization_id,
        request_id=request_id,
        created_at=started_at,
        updated_at=now(),
        response_created_at=ended_at,
        latency_ms=(ended_at - started_at) // timedelta(milliseconds=1),
        time_to_first_token_ms=None if first_token is None else round(first_token),
        cost_usd=cost,
        status=status,
        user_id=metadata.get("Helicone-User-Id"),
        provider=storable(provider),
        request_model=text_or_none(request_json.get("model")),
        response_model=text_or_none(response_json.get("model") or response_json.get("modelVersion")),
        model_override=metadata.get("Helicone-Model-Override"),
        prompt_id=metadata.get("Helicone-Prompt-Id"),
        response_id=text_or_none(response_json.get("id")),
        request_path=_path_of(target_url),
        target_url=text_or_none(target_url),
        properties=msgspec.json.encode(metadata.properties()).decode(),
        request_body=None if metadata.omits("Request") else storable_json(sent.providerRequest.json),
        response_body=None if metadata.omits("Response") else _response_body(text, sent),
        **read_tokens(response_json),
    )


class Metadata:
    """What a client says of a request beside its body, in HTTP headers or in `meta`; headers win."""

    def __init__(self, headers: Headers, meta: Fields) -> None:
        self._texts = {storable(name): storable(meta.text(name) or "") for name in meta.raw}
        for name, value in headers.items():
            if name.startswith("helicone-"):
                self._drop(name)
                self._texts[name] = _as_utf8(value)

    def _drop(self, name: str) -> None:
        for known in [known for known in self._texts if known.lower() == name]:
            del self._texts[known]

    def get(self, name: str) -> str | None:
        """The text under a name in any case; None where it is absent or empty."""
        lower = name.lower()
        return next((text for known, text in self._texts.items() if known.lower() == lower and text), None)

    def check(self, fields: Fields) -> None:
        """Note the names of properties that could not be removed or searched for later."""
        for key in self.properties():
            if error := find_name_error(key):
                fields.reject(f"Helicone-Property-{key}", error)

    def omits(self, what: str) -> bool:
        return (self.get(f"Helicone-Omit-{what}") or "").lower() == "true"

    def properties(self) -> dict[str, str]:
        """The properties that the metadata sets. A name in an HTTP header has lost its case on the way."""
        prefix = len(_PROPERTY_PREFIX)
        custom = {
            name[prefix:]: text
            for name, text in self._texts.items()
            if name.lower().startswith(_PROPERTY_PREFIX) and len(name) > prefix
        }
        return custom | {name: text for name in _PROPERTY_HEADERS if (text := self.get(name)) is not None}


def _read_times(timing: Fields) -> tuple[datetime, datetime]:
    """When the request began and ended. One of the two stands for both, and now for neither."""
    started_at, ended_at = _read_time(timing, "startTime"), _read_time(timing, "endTime")
    if started_at is not None and ended_at is not None and ended_at < started_at:
        timing.reject("endTime", "before startTime")
    started_at = started_at or ended_at or now()
    return started_at, ended_at or started_at


def _read_time(timing: Fields, key: str) -> datetime | None:
    """`{seconds, milliseconds}`, an ISO 8601 text, or a text of digits; of the years 1000 to 9999."""
    raw = timing.raw.get(key)
    time = None
    try:
        match raw:
            case None:
                return None
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
    timing.reject(key, f"expected {expected}, got {shown}")
    return None


def _is_number(raw: object) -> bool:
    return isinstance(raw, int | float) and not isinstance(raw, bool)


def _path_of(url: str | None) -> str | None:
    try:
        return storable(urlsplit(url).path) if url else None
    except ValueError:
        return None


def _response_body(text: str | None, sent: _Bodies) -> str | None:
    """A text that is JSON is stored as such, any other as a string."""
    if not text:
        return storable_json(sent.providerResponse.json)
    try:
        if not _EXTREME_NUMBER.search(text):
            return storable_json(msgspec.json.decode(text, type=msgspec.Raw))
    except (msgspec.DecodeError, RecursionError):
        pass
    return msgspec.json.encode(storable(text)).decode()


def _object_in(text: str) -> dict[str, Any]:
    """What a text says if it is a JSON object."""
    try:
        raw = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return raw if isinstance(raw, dict) else {}


def _as_utf8(value: str) -> str:
    """HTTP says Latin-1 of headers, and clients send UTF-8."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value


def make_uuid7() -> uuid.UUID:
    """A UUID that begins with the time in milliseconds (RFC 9562)."""
    bits = (time_ns() // 1_000_000) << 80 | 7 << 76 | secrets.randbits(76)
    return uuid.UUID(int=bits & ~(3 << 62) | 2 << 62)


_LOG_BODY: Final[Schema] = {
    "type": "object",
    "properties": {
        "providerRequest": {
            "type": "object",
            "properties": {
                "url": {"type": ["string", "null"]},
                "json": {"type": "object"},
                "meta": {"type": ["object", "null"], "additionalProperties": {"type": ["string", "null"]}},
            },
            "required": ["json"],
        },
        "providerResponse": {
            "type": "object",
            "properties": {
                "json": {"type": ["object", "null"]},
                "textBody": {"type": ["string", "null"]},
                "status": {"type": "integer"},
                "headers": {},
                "cost": {"type": ["number", "null"]},
            },
            "required": ["status"],
        },
        "timing": {
            "type": ["object", "null"],
            "properties": {
                "startTime": {"$ref": "#/components/schemas/LogTime"},
                "endTime": {"$ref": "#/components/schemas/LogTime"},
                "timeToFirstToken": {"type": ["number", "null"], "description": "milliseconds"},
            },
        },
        "provider": {"type": ["string", "null"]},
    },
    "required": ["providerRequest", "providerResponse"],
}

COMPONENTS: Final[dict[str, Schema]] = {
    "LogTime": {
        "anyOf": [
            {
                "type": "object",
                "properties": {
                    "seconds": {"type": "integer"},
                    "milliseconds": {"type": "number", "description": "what is left below a second"},
                },
                "required": ["seconds", "milliseconds"],
            },
            {
                "type": "string",
                "description": "ISO 8601, or seconds; from 4102444800 on, milliseconds",
            },
            {"type": "null"},
        ]
    }
}

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

_PROVIDERS: Final = {
    "/custom/v1/log": "CUSTOM",
    "/oai/v1/log": "OPENAI",
    "/anthropic/v1/log": "ANTHROPIC",
    "/googleapis/v1/log": "GOOGLE",
    "/v1/trace/custom/v1/log": None,
    "/v1/trace/custom/log": None,
}

ENDPOINTS: Final = tuple(
    Endpoint(
        method="POST",
        path=path,
        handler=make_log_handler(provider),
        render_error=envelope.render_error,
        tag="Logging",
        permission="w",
        body=_LOG_BODY,
        body_example=_EXAMPLE,
        answer={"const": "ok"},
        answer_type="text/plain",
        answer_example="ok",
    )
    for path, provider in _PROVIDERS.items()
)
