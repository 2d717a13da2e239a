"""Takes the lines of a bulk upload as they come: within the limits of size, memory and patience."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from starlette.requests import Request

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.request_body import hold_body, stream_body
from heliscore.domain.errors import BodyTooLarge, TooSlow

Lines = AsyncIterator[list[bytes]]
"""As many at a time as have come."""

_MEDIA_TYPES: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl")

_PIECE_BYTES: Final = 1 << 19
_MAX_PAUSE_S: Final = 60
"""Without an item, whatever else comes: blank lines keep a connection busy and hold an upload open."""

_WAY_OUT: Final = ": send it in parts"


class _Items(msgspec.Struct):
    items: list[msgspec.Raw]


def has_lines(request: Request) -> bool:
    """Whether a body is lines of JSON, and not one JSON value."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() in _MEDIA_TYPES


async def stream_lines(call: ApiCall, held_bytes: int) -> AsyncIterator[bytes]:
    """The pieces of a body, counted for as much of it as is held. Raises Unavailable and BodyTooLarge."""
    size, limit = 0, call.services.settings.max_upload_bytes
    async for piece in stream_body(call.request):
        size += len(piece)
        if size > limit:
            raise BodyTooLarge(limit, _WAY_OUT)
        hold_body(call.request, min(size, held_bytes))
        if call.digest is not None:
            await call.digest.add(piece)
        yield piece


async def without_pauses(lines: Lines) -> Lines:
    """Raises TooSlow when no line comes for too long. The time for working on lines is not counted."""
    begun = time.monotonic()
    async for some in lines:
        if some:
            yield some
            begun = time.monotonic()
        elif time.monotonic() - begun > _MAX_PAUSE_S:
            raise TooSlow(f"no item came for {_MAX_PAUSE_S} s, only blank lines")


def items_as_lines(body: bytes) -> bytes:
    """The `items` of a JSON object, a line each."""
    # Line feeds stand between the values of JSON, never in them.
    items = msgspec.json.decode(body, type=_Items).items
    return b"\n".join(bytes(item).replace(b"\n", b" ") for item in items)


async def cut(encoded: bytes) -> AsyncIterator[bytes]:
    """The bytes in pieces."""
    for begin in range(0, len(encoded), _PIECE_BYTES):
        yield encoded[begin : begin + _PIECE_BYTES]
