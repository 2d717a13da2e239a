"""Answers of OTLP over HTTP, in the encoding of the request: what was refused, and errors as a
`google.rpc.Status`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

from starlette.requests import Request
from starlette.responses import Response

from heliscore.api.http.json_codec import Json
from heliscore.api.http.json_schema import Schema
from heliscore.domain.errors import ApiError, InvalidInput
from heliscore.domain.messages import shortened

Signal = Literal["traces", "logs"]

PROTOBUF: Final = "application/x-protobuf"

_REFUSED: Final[dict[Signal, str]] = {"traces": "rejectedSpans", "logs": "rejectedLogRecords"}

_MAX_LISTED: Final = 20
_MAX_MESSAGE: Final = 300

_CODES: Final = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 408: 4, 409: 10, 413: 8, 429: 8, 503: 14}
"""gRPC's codes of HTTP statuses; 13 is an internal error."""

_MESSAGE_TAG: Final = b"\x12"
_CODE_TAG: Final = b"\x08"


def is_protobuf(request: Request) -> bool:
    """Whether a request is in protobuf; any other is in JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type in (PROTOBUF, "application/protobuf", "application/vnd.google.protobuf")


def answer(request: Request, signal: Signal, refused: int, messages: Sequence[str]) -> Response:
    """Say how many items were refused, and why; messages without a refused item are warnings."""
    shown = "; ".join(shortened(message, _MAX_MESSAGE) for message in messages[:_MAX_LISTED])
    if (more := len(messages) - _MAX_LISTED) > 0:
        shown += f"; and {more} more"
    if is_protobuf(request):
        from heliscore.api.opentelemetry.otlp_protobuf import encode_answer

        return Response(encode_answer(signal, refused, shown), media_type=PROTOBUF)
    if not (refused or shown):
        return Json({})
    return Json({"partialSuccess": {_REFUSED[signal]: str(refused), "errorMessage": shown}})


def answer_schema(signal: Signal) -> Schema:
    """The JSON of an answer; counts are strings, as protobuf's JSON has 64-bit integers."""
    properties = {_REFUSED[signal]: {"type": "string"}, "errorMessage": {"type": "string"}}
    part = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"type": "object", "properties": {"partialSuccess": part}, "additionalProperties": False}


def choose_error_format(request: Request) -> Callable[[ApiError], Response]:
    """Render an error in the encoding of its request."""
    return _render_protobuf if is_protobuf(request) else render_error


def render_error(error: ApiError) -> Response:
    """An error in JSON; each error of an input is among the details."""
    body: dict[str, object] = {"code": _CODES.get(error.status, 13), "message": str(error)}
    if isinstance(error, InvalidInput):
        violations = [{"field": each.path, "description": each.message} for each in error.errors]
        body["details"] = [{"@type": _BAD_REQUEST, "fieldViolations": violations}]
    return Json(body)


def _render_protobuf(error: ApiError) -> Response:
    """Two fields: no package has the message that the service needs otherwise."""
    message = str(error).encode()
    encoded = (
        _CODE_TAG + bytes([_CODES.get(error.status, 13)]) + _MESSAGE_TAG + _varint(len(message)) + message
    )
    return Response(encoded, media_type=PROTOBUF)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


_BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"


ERROR_SCHEMA: Final[Schema] = {
    "type": "object",
    "description": "A `google.rpc.Status`.",
    "properties": {
        "code": {"type": "integer"},
        "message": {"type": "string"},
        "details": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["code", "message"],
    "additionalProperties": False,
}
