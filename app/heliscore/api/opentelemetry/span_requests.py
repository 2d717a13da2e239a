"""Makes logged requests of spans of model calls."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from heliscore.api.opentelemetry.span_metadata import Metadata, read_metadata
from heliscore.api.opentelemetry.telemetry import Span
from heliscore.api.shared.logged_bodies import storable, storable_json
from heliscore.api.shared.logged_exchange import exchange_columns
from heliscore.domain.messages import find_name_error
from heliscore.domain.times import EPOCH, now, storable_time
from heliscore.providers.span_exchange import (
    Event,
    find_provider,
    read_span_request,
    read_span_response,
    with_details,
)
from heliscore.providers.span_usage import read_span_cost
from heliscore.providers.span_values import Attributes, first, first_string
from heliscore.store.request_log import LoggedRequest

REQUEST_ID: Final = "Helicone-Request-Id"

_PROVIDERS: Final = {
    "openai": "OPENAI",
    "anthropic": "ANTHROPIC",
    "google": "GOOGLE",
    "gemini": "GOOGLE",
    "gcp.gemini": "GOOGLE",
    "gcp.gen_ai": "GOOGLE",
    "gcp.vertex_ai": "GOOGLE",
    "vertexai": "GOOGLE",
}
"""Providers under the names that Helicone's log calls give them; others keep the span's."""

_STATUS: Final = ("http.response.status_code", "http.status_code")
_URL: Final = ("url.full", "http.url", "gen_ai.openai.api_base", "llm.openai.api_base")
_FIRST_TOKEN_S: Final = ("gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token")
_FIRST_CHUNK: Final = (
    "gen_ai.content.completion.chunk",
    "llm.content.completion.chunk",
    "First Token Stream Event",
)
"""Events that OpenLLMetry and OpenInference add for chunks of a stream."""

_OK: Final = 200
_FAILED: Final = 500
_LONGEST_S: Final = 10**9


def span_key(trace_id: str, span_id: str) -> str:
    """The id of the request that a span is, where it names none."""
    return f"{trace_id}-{span_id}"


def find_request_id(span: Span, metadata: Metadata) -> tuple[str, str | None]:
    """The span's request id, and the error of the one that it names."""
    named = metadata.get(REQUEST_ID)
    if named is None or (error := find_name_error(named)):
        return span_key(span.trace_id, span.span_id), f"{REQUEST_ID}: {error}" if named else None
    return named, None


def make_request(
    span: Span, headers: Mapping[str, str], organization_id: int
) -> tuple[LoggedRequest, list[str]]:
    """The request that the span of a model call is, and what of it could not be understood."""
    metadata = read_metadata(span, headers)
    request_id, error = find_request_id(span, metadata)
    events: list[Event] = [(event.name, event.attributes) for event in span.events]
    attributes = with_details(span.attributes, events)
    asked, answered = read_span_request(attributes, events), _read_response(span, attributes, events)
    started_at, ended_at = _find_times(span)
    url = _find_url(attributes)
    request = LoggedRequest(
        organization_id=organization_id,
        request_id=request_id,
        created_at=started_at,
        updated_at=now(),
        response_created_at=ended_at,
        latency_ms=(ended_at - started_at) // timedelta(milliseconds=1),
        time_to_first_token_ms=_find_first_token(span, attributes),
        status=_find_status(span, attributes),
        user_id=metadata.user_id,
        provider=_name_provider(attributes),
        model_override=metadata.get("Helicone-Model-Override"),
        prompt_id=metadata.get("Helicone-Prompt-Id") or first_string(attributes, *_PROMPT_ID),
        prompt_version=metadata.get("Helicone-Prompt-Version") or _find_prompt_version(attributes),
        target_url=url,
        tags=_find_tags(attributes),
        properties=msgspec.json.encode(metadata.properties).decode(),
        request_body=None if _omits(metadata, "Request") else _encode(asked),
        response_body=None if _omits(metadata, "Response") else _encode(answered),
        **exchange_columns(asked, answered, url, read_span_cost(attributes)),
    )
    return request, [*metadata.warnings, *([error] if error else [])]


_PROMPT_ID: Final = ("gen_ai.prompt.name", "traceloop.prompt.key", "prompt.id")
_PROMPT_VERSION: Final = ("traceloop.prompt.version", "llm.prompt_template.version")


def _find_prompt_version(attributes: Attributes) -> str | None:
    version = first(attributes, *_PROMPT_VERSION)
    return storable(str(version)) if isinstance(version, str | int) else None


def _find_tags(attributes: Attributes) -> list[str] | None:
    tags = attributes.get("tag.tags")
    if not isinstance(tags, list):
        return None
    return [storable(tag) for tag in tags if isinstance(tag, str) and tag] or None


def _omits(metadata: Metadata, what: str) -> bool:
    return (metadata.get(f"Helicone-Omit-{what}") or "").lower() == "true"


def _encode(body: dict[str, Any] | None) -> str | None:
    return storable_json(msgspec.Raw(msgspec.json.encode(body))) if body else None


def _read_response(span: Span, attributes: Attributes, events: list[Event]) -> dict[str, Any] | None:
    error = None
    if span.is_error:
        raised = next((held for name, held in events if name == "exception"), {})
        message = span.message or first_string(raised, "exception.message") or "the call failed"
        type_ = first_string(attributes, "error.type") or first_string(raised, "exception.type")
        error = {"message": message, **({"type": type_} if type_ else {})}
    return read_span_response(attributes, events, error)


def _find_times(span: Span) -> tuple[datetime, datetime]:
    """When the call began and ended; each defaults to the other, and both to now."""
    started_at, ended_at = _time_of(span.started_ns), _time_of(span.ended_ns)
    started_at = started_at or ended_at or now()
    return started_at, max(started_at, ended_at or started_at)


def _time_of(nanoseconds: int) -> datetime | None:
    try:
        return storable_time(EPOCH + timedelta(microseconds=nanoseconds // 1000)) if nanoseconds > 0 else None
    except OverflowError:
        return None


def _find_first_token(span: Span, attributes: Attributes) -> int | None:
    seconds = first(attributes, *_FIRST_TOKEN_S)
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds < _LONGEST_S:
        return round(seconds * 1000)
    at_ns = next((event.at_ns for event in span.events if event.name in _FIRST_CHUNK), 0)
    return (at_ns - span.started_ns) // 10**6 if 0 < span.started_ns <= at_ns else None


def _find_status(span: Span, attributes: Attributes) -> int:
    """The HTTP status of the provider's answer, else 200 or, of a span whose status is an error, 500."""
    said = first(attributes, *_STATUS, "error.type") if span.is_error else first(attributes, *_STATUS)
    if isinstance(said, int | str) and str(said).isascii() and str(said).isdigit() and len(str(said)) == 3:
        return int(said)
    return _FAILED if span.is_error else _OK


def _find_url(attributes: Attributes) -> str | None:
    """The URL of the call, or the address of its server."""
    url = first_string(attributes, *_URL)
    host = first_string(attributes, "server.address")
    if url is None and host is not None:
        port = attributes.get("server.port")
        url = host if "://" in host else f"https://{host}"
        url += f":{port}" if isinstance(port, int) and port not in (0, 443) else ""
    return storable(url) if url else None


def _name_provider(attributes: Attributes) -> str | None:
    said = find_provider(attributes)
    return storable(_PROVIDERS.get(said.lower(), said)) if said else None
