"""The responses to what the HTTP protocol turns away before it is a request: the handlers do not see it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import msgspec

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_HEADERS: Final = 200


class ProtocolError(msgspec.Struct, frozen=True):
    """The last response of a connection."""

    cause: str
    """Its name in the metrics."""

    response: bytes
    """As it goes over the wire."""


def _make(cause: str, status: HTTPStatus, error: str) -> ProtocolError:
    body = msgspec.json.encode({"data": None, "error": error})
    retry_after = "Retry-After: 1\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{retry_after}Connection: close\r\n\r\n"
    )
    return ProtocolError(cause, head.encode() + body)


MALFORMED: Final = _make("Malformed", HTTPStatus.BAD_REQUEST, "this is not valid HTTP")
HEAD_TOO_LARGE: Final = _make(
    "HeadTooLarge",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    f"the head of the request is larger than {MAX_HEAD_BYTES} bytes or {MAX_HEADERS} headers",
)
URL_TOO_LONG: Final = _make(
    "UrlTooLong",
    HTTPStatus.REQUEST_URI_TOO_LONG,
    f"the head of the request is larger than {MAX_HEAD_BYTES} bytes",
)
TOO_SLOW: Final = _make("TooSlow", HTTPStatus.REQUEST_TIMEOUT, "the request did not arrive in time")
TOO_MANY_CONNECTIONS: Final = _make(
    "TooManyConnections", HTTPStatus.SERVICE_UNAVAILABLE, "too many connections, please try again"
)
