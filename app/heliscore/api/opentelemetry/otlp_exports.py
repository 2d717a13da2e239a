"""Reads exports into requests and evaluations, at a distance from the event loop.

What comes back from another process is encoded, one request a piece: unpacking all at once would hold the
loop for as long as decoding the export.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.opentelemetry import otlp_json
from heliscore.api.opentelemetry.evaluation_results import EVENT, Evaluation, own_key, read_evaluation
from heliscore.api.opentelemetry.otlp_answers import is_protobuf
from heliscore.api.opentelemetry.span_metadata import read_metadata
from heliscore.api.opentelemetry.span_requests import find_request_id, make_request
from heliscore.api.opentelemetry.telemetry import Export, LogRecord, Span
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.providers.span_exchange import is_model_call
from heliscore.providers.span_values import first_string
from heliscore.store.request_log import LoggedRequest

MAX_ITEMS: Final = 5_000
"""Requests, and evaluations, of one export. SDKs send 512 spans or records at once."""

_WEIGHT: Final = 4
"""Of a byte: 64 KiB of small spans take 80 ms to read, several times as long as the JSON of other calls."""

_JAVASCRIPT: Final = "OTel-OTLP-Exporter-JavaScript"
"""In its `User-Agent`."""

_encoder: Final = msgspec.msgpack.Encoder()
_requests: Final = msgspec.msgpack.Decoder(LoggedRequest)


class Found(msgspec.Struct):
    """What an export comes to."""

    requests: list[bytes]
    evaluations: list[Evaluation]
    refused: int
    """Spans or records that were not taken."""

    messages: list[str]
    """Why, and what else could not be understood."""


def decode_request(encoded: bytes) -> LoggedRequest:
    return _requests.decode(encoded)


async def read_traces(call: ApiCall) -> Found:
    """Read the traces of a call. Raises InvalidInput."""
    body, in_protobuf = await _body(call)
    headers = dict(call.request.headers)
    arguments = (body, in_protobuf, headers, call.principal.organization_id)
    return await call.services.large_work.run(find_in_traces, *arguments, size_bytes=_WEIGHT * len(body))


async def read_logs(call: ApiCall) -> Found:
    """Read the log records of a call. Raises InvalidInput."""
    body, in_protobuf = await _body(call)
    arguments = (body, in_protobuf, dict(call.request.headers))
    return await call.services.large_work.run(find_in_logs, *arguments, size_bytes=_WEIGHT * len(body))


async def _body(call: ApiCall) -> tuple[bytes, bool]:
    in_protobuf = is_protobuf(call.request)
    if in_protobuf:
        await asyncio.to_thread(_load_protobuf)
    return await call.large_body(), in_protobuf


def _load_protobuf() -> None:
    from heliscore.api.opentelemetry import otlp_protobuf  # noqa: F401


def find_in_traces(body: bytes, in_protobuf: bool, headers: Mapping[str, str], organization_id: int) -> Found:
    """Find the calls of models, and the evaluations among the events of all spans. Raises InvalidInput."""
    export = _read_spans(body, in_protobuf)
    found = Found([], [], len(export.errors), list(export.errors))
    for span in export.items:
        is_call = is_model_call(span.attributes)
        if is_call:
            request, warnings = make_request(span, headers, organization_id)
            found.requests.append(_encoder.encode(request))
            found.messages += warnings
        _add_evaluations(span, headers, found, is_call=is_call)
        _check_size(found)
    return found


def _add_evaluations(span: Span, headers: Mapping[str, str], found: Found, *, is_call: bool) -> None:
    events = [event for event in span.events if event.name == EVENT]
    if not events:
        return
    request_id, _ = find_request_id(span, read_metadata(span, headers))
    response_id = first_string(span.attributes, "gen_ai.response.id") if is_call else None
    from_javascript = _is_from_javascript(headers)
    for event in events:
        ids = request_id, response_id
        _add(read_evaluation(event.attributes, span.source, *ids, from_javascript=from_javascript), found)


def find_in_logs(body: bytes, in_protobuf: bool, headers: Mapping[str, str]) -> Found:
    """Find the evaluations among log records; others are taken, and kept nowhere. Raises InvalidInput."""
    export = _read_log_records(body, in_protobuf)
    found = Found([], [], len(export.errors), list(export.errors))
    from_javascript = _is_from_javascript(headers)
    for record in export.items:
        if record.event_name == EVENT:
            own_id = own_key(record.trace_id, record.span_id)
            read = read_evaluation(record.attributes, record.source, own_id, from_javascript=from_javascript)
            found.refused += _add(read, found)
            _check_size(found)
    return found


def _is_from_javascript(headers: Mapping[str, str]) -> bool:
    """Whether JavaScript's exporter sends this: a program's own resource may lack the SDK's language."""
    return _JAVASCRIPT in headers.get("user-agent", "")


def _add(evaluation: Evaluation | str, found: Found) -> bool:
    """Whether it is an error."""
    if isinstance(evaluation, str):
        found.messages.append(evaluation)
        return True
    found.evaluations.append(evaluation)
    return False


def _check_size(found: Found) -> None:
    if max(len(found.requests), len(found.evaluations)) > MAX_ITEMS:
        message = f"more than {MAX_ITEMS} model calls, or evaluations, in one export: send smaller ones"
        raise InvalidInput([FieldError("", message)])


def _read_spans(body: bytes, in_protobuf: bool) -> Export[Span]:
    if in_protobuf:
        from heliscore.api.opentelemetry import otlp_protobuf

        return otlp_protobuf.read_spans(body)
    return otlp_json.read_spans(body)


def _read_log_records(body: bytes, in_protobuf: bool) -> Export[LogRecord]:
    if in_protobuf:
        from heliscore.api.opentelemetry import otlp_protobuf

        return otlp_protobuf.read_log_records(body)
    return otlp_json.read_log_records(body)
