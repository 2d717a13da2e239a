"""Reads OTLP exports in JSON: ids in hex, 64-bit integers as strings or numbers, unknown keys ignored.

Decoded by hand, not by the protobuf package: an odd value in one span must not lose the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from heliscore.api.opentelemetry.telemetry import (
    MAX_DEPTH,
    Attributes,
    Export,
    LogRecord,
    Source,
    Span,
    SpanEvent,
    find_event_name,
    with_body,
)
from heliscore.api.shared.logged_bodies import decode_logged
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.messages import described
from heliscore.providers.usage import mapping

T = TypeVar("T")

_TRACE_ID: Final = re.compile(r"[0-9a-fA-F]{32}", re.ASCII)
_SPAN_ID: Final = re.compile(r"[0-9a-fA-F]{16}", re.ASCII)
_INTEGER: Final = re.compile(r"-?\d{1,20}", re.ASCII)
_INT64: Final = range(-(2**63), 2**64)
_ERROR: Final = 2


def read_spans(body: bytes) -> Export[Span]:
    """Read an `ExportTraceServiceRequest`. Raises InvalidInput for what is none."""
    return _read(body, "resourceSpans", "scopeSpans", "spans", _read_span)


def read_log_records(body: bytes) -> Export[LogRecord]:
    """Read an `ExportLogsServiceRequest`. Raises InvalidInput for what is none."""
    return _read(body, "resourceLogs", "scopeLogs", "logRecords", _read_record)


def _read(
    body: bytes, resources: str, scopes: str, items: str, read: Callable[[dict[str, Any], Source], T]
) -> Export[T]:
    raw, _ = decode_logged(body)
    if not isinstance(raw, dict):
        raise InvalidInput([FieldError("", f"expected a JSON object, got {described(raw)}")])
    found, errors = list[T](), list[str]()
    for held, source in _walk(raw, resources, scopes, items):
        try:
            found.append(read(held, source))
        except ValueError as error:
            errors.append(str(error))
    return Export(found, errors)


def _walk(
    raw: dict[str, Any], resources: str, scopes: str, items: str
) -> Iterator[tuple[dict[str, Any], Source]]:
    for of_resource in _objects(raw, resources):
        resource = _attributes(mapping(of_resource.get("resource")))
        for of_scope in _objects(of_resource, scopes):
            scope = mapping(of_scope.get("scope"))
            source = Source(resource, _string(scope.get("name")), _string(scope.get("version")))
            for held in _objects(of_scope, items):
                yield held, source


def _objects(held: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """A list of objects; null and a missing key are none. Raises InvalidInput."""
    listed = held.get(key)
    if listed is None:
        return []
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise InvalidInput([FieldError(key, "expected a list of objects")])
    return listed


def _read_span(held: dict[str, Any], source: Source) -> Span:
    """Raises ValueError where it has no ids."""
    status = mapping(held.get("status"))
    events = held.get("events")
    return Span(
        trace_id=_id(held, "traceId", _TRACE_ID),
        span_id=_id(held, "spanId", _SPAN_ID),
        started_ns=_integer(held.get("startTimeUnixNano")) or 0,
        ended_ns=_integer(held.get("endTimeUnixNano")) or 0,
        attributes=_attributes(held),
        events=[_read_event(mapping(event)) for event in events] if isinstance(events, list) else [],
        is_error=status.get("code") in (_ERROR, "STATUS_CODE_ERROR"),
        message=_string(status.get("message")),
        source=source,
    )


def _read_event(held: dict[str, Any]) -> SpanEvent:
    at_ns = _integer(held.get("timeUnixNano")) or 0
    return SpanEvent(_string(held.get("name")), at_ns, _attributes(held))


def _read_record(held: dict[str, Any], source: Source) -> LogRecord:
    attributes = with_body(_attributes(held), _value(held.get("body"), 0))
    has_span = bool(held.get("traceId") and held.get("spanId"))
    return LogRecord(
        trace_id=_id(held, "traceId", _TRACE_ID) if has_span else "",
        span_id=_id(held, "spanId", _SPAN_ID) if has_span else "",
        event_name=find_event_name(held.get("eventName"), attributes),
        attributes=attributes,
        source=source,
    )


def _id(held: dict[str, Any], key: str, pattern: re.Pattern[str]) -> str:
    sent = held.get(key)
    if not isinstance(sent, str) or not pattern.fullmatch(sent) or not sent.strip("0"):
        raise ValueError(f"{key}: expected an id in hex that is not all zeros, got {described(sent)}")
    return sent.lower()


def _attributes(held: dict[str, Any], depth: int = 0) -> Attributes:
    listed = held.get("attributes")
    return _entries(listed, depth)


def _entries(listed: object, depth: int) -> Attributes:
    found = {}
    for each in listed if isinstance(listed, list) else []:
        pair = mapping(each)
        if isinstance(key := pair.get("key"), str):
            found[key] = _value(pair.get("value"), depth)
    return found


def _value(raw: object, depth: int) -> Any:
    """The value of an `AnyValue`; None where it has none."""
    if depth > MAX_DEPTH:
        return None
    match raw:
        case {"stringValue": str(value)} | {"boolValue": bool(value)} | {"bytesValue": str(value)}:
            return value
        case {"intValue": value}:
            return _integer(value)
        case {"doubleValue": value}:
            return _double(value)
        case {"arrayValue": dict(held)}:
            values = held.get("values")
            return [_value(each, depth + 1) for each in values] if isinstance(values, list) else []
        case {"kvlistValue": dict(held)}:
            return _entries(held.get("values"), depth + 1)
    return None


def _integer(raw: object) -> int | None:
    number = int(raw) if isinstance(raw, str) and _INTEGER.fullmatch(raw) else raw
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    return number if number in _INT64 else None


def _double(raw: object) -> float | None:
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        return _as_float(raw)
    return _as_float(raw) if isinstance(raw, str) and len(raw) < 400 else None  # "NaN", "Infinity", "0.5"


def _as_float(raw: str | float) -> float | None:
    try:
        return float(raw)
    except (ValueError, OverflowError):
        return None


def _string(raw: object) -> str:
    return raw if isinstance(raw, str) else ""
