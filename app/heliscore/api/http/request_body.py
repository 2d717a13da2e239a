"""Reads request bodies, decompressing gzip, within the limits of size and memory."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Final

from starlette.requests import Request

from heliscore.api.http.memory_budget import FREE_BYTES, MemoryBudget
from heliscore.api.http.request_state import state_of
from heliscore.domain.errors import BodyTooLarge, FieldError, InvalidInput
from heliscore.domain.messages import described
from heliscore.observability.event_loop import Turn

_PIECE_BYTES: Final = 1 << 16

MAX_UNZIPPED_RATIO: Final = 200
"""A body that unzips to more is no data. Lines of three scores shrink to a 4th with random ids, to a 15th
with counted ids, and to a 35th if the scores are equal too."""

_FREE_OF_RATIO: Final = 16 << 20
"""Bytes that any body may unzip to."""


async def read_body(request: Request, limit_bytes: int, budget: MemoryBudget | None = None) -> bytes:
    """Read the whole body, decompressed where it is gzip. `budget` is for calls that hold it for long.

    Raises BodyTooLarge before reading if the body announces its size, otherwise as soon as the limit is
    exceeded, and Unavailable when all calls together hold too much.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit_bytes:
        raise BodyTooLarge(limit_bytes)
    body = bytearray()
    async for chunk in stream_body(request):
        body += chunk
        if len(body) > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        if len(body) > FREE_BYTES:
            hold_body(request, len(body), budget)
    return bytes(body)


def hold_body(request: Request, size_bytes: int, budget: MemoryBudget | None = None) -> None:
    """Count memory that a body takes. Raises Unavailable."""
    state = state_of(request.scope)
    (budget or state.services.body_budget).hold(size_bytes, state.organization_id)


def stream_body(request: Request) -> AsyncIterator[bytes]:
    """Read the body piece by piece, decompressed where it is gzip. Raises InvalidInput and BodyTooLarge."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    match encoding:
        case "identity" | "":
            return request.stream()
        case "gzip":
            return _decompress(request.stream())
    raise InvalidInput([FieldError("Content-Encoding", f"expected gzip or none, got {described(encoding)}")])


async def _decompress(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Decompress gzip; several members may follow each other. A chunk may become a thousand pieces, or hold
    thousands of members: other calls run in between."""
    gzip, turn, zipped, unzipped = None, Turn(), 0, 0
    async for chunk in chunks:
        zipped += len(chunk)
        while chunk:
            gzip = gzip or zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            for piece in _pieces(gzip, chunk):
                unzipped += len(piece)
                if unzipped > _FREE_OF_RATIO + MAX_UNZIPPED_RATIO * zipped:
                    raise _unzips_to_too_much()
                yield piece
                await turn.give_way()
            chunk = gzip.unused_data
            if gzip.eof:
                gzip = None
    if gzip is not None:
        raise InvalidInput([FieldError("", "the body is not valid gzip: it ends too early")])


def _unzips_to_too_much() -> BodyTooLarge:
    way_out = (
        f" for one that unzips to {MAX_UNZIPPED_RATIO} times its size: send it in parts, or without gzip"
    )
    return BodyTooLarge(_FREE_OF_RATIO, way_out)


def _pieces(gzip: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    """Decompress a chunk in small pieces: it may become a thousand times as large."""
    try:
        while True:
            piece = gzip.decompress(chunk, _PIECE_BYTES)
            yield piece
            chunk = gzip.unconsumed_tail
            if gzip.eof or (not chunk and len(piece) < _PIECE_BYTES):
                return
    except zlib.error:
        raise InvalidInput([FieldError("", "the body is not valid gzip")]) from None
