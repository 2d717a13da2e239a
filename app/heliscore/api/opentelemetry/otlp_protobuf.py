"""Reads OTLP exports in protobuf, and answers them.

The messages are those of the package opentelemetry-proto. Importing it takes up to half a second: this module
is imported when the first such export comes, in a thread.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from heliscore.api.opentelemetry.otlp_answers import Signal
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
from heliscore.domain.errors import FieldError, InvalidInput

T = TypeVar("T")

_TRACE_ID_BYTES = 16
_SPAN_ID_BYTES = 8


def read_spans(body: bytes) -> Export[Span]:
    """Read an `ExportTraceServiceRequest`. Raises InvalidInput for what is none."""
    message = _decode(ExportTraceServiceRequest, body)
    return _collect(_walk(message.resource_spans, "scope_spans", "spans"), _read_span)


def read_log_records(body: bytes) -> Export[LogRecord]:
    """Read an `ExportLogsServiceRequest`. Raises InvalidInput for what is none."""
    message = _decode(ExportLogsServiceRequest, body)
    return _collect(_walk(message.resource_logs, "scope_logs", "log_records"), _read_record)


def _decode(message_class: type[Message], body: bytes) -> Any:
    try:
        return message_class.FromString(body)
    except DecodeError:
        name = message_class.DESCRIPTOR.name
        raise InvalidInput([FieldError("", f"the body is no {name} in protobuf")]) from None


def _collect(items: Iterator[tuple[Any, Source]], read: Callable[[Any, Source], T]) -> Export[T]:
    found, errors = list[T](), list[str]()
    for item, source in items:
        try:
            found.append(read(item, source))
        except ValueError as error:
            errors.append(str(error))
    return Export(found, errors)


def _walk(resources: Iterable[Any], scopes: str, items: str) -> Iterator[tuple[Any, Source]]:
    for of_resource in resources:
        resource = _attributes(of_resource.resource.attributes)
        for of_scope in getattr(of_resource, scopes):
            source = Source(resource, of_scope.scope.name, of_scope.scope.version)
            for item in getattr(of_scope, items):
                yield item, source


def _read_span(span: Any, source: Source) -> Span:
    """Raises ValueError where it has no ids."""
    return Span(
        trace_id=_id(span.trace_id, "trace_id", _TRACE_ID_BYTES),
        span_id=_id(span.span_id, "span_id", _SPAN_ID_BYTES),
        started_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        events=[
            SpanEvent(event.name, event.time_unix_nano, _attributes(event.attributes))
            for event in span.events
        ],
        is_error=span.status.code == Status.STATUS_CODE_ERROR,
        message=span.status.message,
        source=source,
    )


def _read_record(record: Any, source: Source) -> LogRecord:
    attributes = with_body(_attributes(record.attributes), _value(record.body, 0))
    has_span = bool(record.trace_id and record.span_id)
    return LogRecord(
        trace_id=_id(record.trace_id, "trace_id", _TRACE_ID_BYTES) if has_span else "",
        span_id=_id(record.span_id, "span_id", _SPAN_ID_BYTES) if has_span else "",
        event_name=find_event_name(record.event_name, attributes),
        attributes=attributes,
        source=source,
    )


def _id(sent: bytes, key: str, length: int) -> str:
    if len(sent) != length or not any(sent):
        raise ValueError(f"{key}: expected {length} bytes that are not all zeros, got {len(sent)} bytes")
    return sent.hex()


def _attributes(pairs: Iterable[Any], depth: int = 0) -> Attributes:
    return {pair.key: _value(pair.value, depth) for pair in pairs}


def _value(value: Any, depth: int) -> Any:
    """The value of an `AnyValue`; None where it has none."""
    kind = value.WhichOneof("value")
    if kind is None or depth > MAX_DEPTH:
        return None
    held = getattr(value, kind)
    match kind:
        case "bytes_value":
            return b64encode(held).decode()
        case "array_value":
            return [_value(each, depth + 1) for each in held.values]
        case "kvlist_value":
            return _attributes(held.values, depth + 1)
        case "string_value" | "bool_value" | "int_value" | "double_value":
            return held
    return None


def encode_answer(signal: Signal, refused: int, message: str) -> bytes:
    """Encode an `ExportTraceServiceResponse` or `ExportLogsServiceResponse`."""
    if not (refused or message):
        return b""
    if signal == "traces":
        spans = ExportTracePartialSuccess(rejected_spans=refused, error_message=message)
        return bytes(ExportTraceServiceResponse(partial_success=spans).SerializeToString())
    records = ExportLogsPartialSuccess(rejected_log_records=refused, error_message=message)
    return bytes(ExportLogsServiceResponse(partial_success=records).SerializeToString())
