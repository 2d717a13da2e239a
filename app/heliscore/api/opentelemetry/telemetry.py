"""Spans and log records as OpenTelemetry exports them, whatever their encoding."""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar

import msgspec

T = TypeVar("T")

Attributes = dict[str, Any]
"""Names with strings, booleans, integers, floats, lists and objects; bytes as base64."""

MAX_DEPTH: Final = 30
"""Levels of lists and objects in an attribute; what is deeper is left out."""


class Source(msgspec.Struct, frozen=True):
    """The resource and the instrumentation scope of a span or record."""

    resource: Attributes
    scope_name: str = ""
    scope_version: str = ""

    @property
    def is_javascript(self) -> bool:
        return self.resource.get("telemetry.sdk.language") in ("nodejs", "webjs")


class SpanEvent(msgspec.Struct, frozen=True):
    """Something that happened during a span, with the time in nanoseconds."""

    name: str
    at_ns: int
    attributes: Attributes


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A finished operation. Ids are lower-case hex; times count nanoseconds since 1970, 0: unknown."""

    trace_id: str
    span_id: str
    started_ns: int
    ended_ns: int
    attributes: Attributes
    events: list[SpanEvent]
    is_error: bool
    message: str
    """Of its status."""

    source: Source


class LogRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A log record; ids are empty where it belongs to no span."""

    trace_id: str
    span_id: str
    event_name: str
    attributes: Attributes
    source: Source


class Export(msgspec.Struct, Generic[T], frozen=True):
    """What one call brought: what could be read, and an error for each that could not."""

    items: list[T]
    errors: list[str]


def find_event_name(name: object, attributes: Attributes) -> str:
    """The name of an event; older SDKs send it as an attribute."""
    said = name or attributes.get("event.name")
    return said if isinstance(said, str) else ""


def with_body(attributes: Attributes, body: object) -> Attributes:
    """The attributes, and what stands only in a record's body: older SDKs put an event's data there."""
    return {**body, **attributes} if isinstance(body, dict) else attributes
