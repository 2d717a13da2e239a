"""The responses to what the HTTP protocol turns away before it is a request: the handlers do not see it."""

from __future__ import annotations

from collections.abc import Iterable
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
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\n{retry_after}Connection: close\r\n\r\n"
    )
    return ProtocolError(cause, head.encode() + body)


MALFORMED: Final = _make("Malformed", HTTPStatus.BAD_REQUEST, "this is not valid HTTP")
NO_SINGLE_HOST: Final = _make(
    "NoSingleHost", HTTPStatus.BAD_REQUEST, "expected exactly one Host header, as HTTP/1.1 demands"
)
UNKNOWN_TRANSFER_CODING: Final = _make(
    "UnknownTransferCoding",
    HTTPStatus.NOT_IMPLEMENTED,
    "expected no Transfer-Encoding but chunked; compress a body with Content-Encoding: gzip",
)
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


def find_head_error(http_version: str, headers: Iterable[tuple[bytes, bytes]]) -> ProtocolError | None:
    """Find what the parser accepts and RFC 9112 does not (3.2, 6.1). Names of headers are in lower case."""
    hosts = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name == b"transfer-encoding" and value.strip().lower() != b"chunked":
            return UNKNOWN_TRANSFER_CODING
    if hosts > 1 or (hosts == 0 and http_version == "1.1"):
        return NO_SINGLE_HOST
    return None
