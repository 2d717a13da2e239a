"""Reads request bodies, decompressing gzip, within the limits of size and memory."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Final

from starlette.requests import Request

from heliscore.api.http.body_budget import FREE_BYTES
from heliscore.api.http.request_state import state_of
from heliscore.domain.errors import BodyTooLarge, FieldError, InvalidInput
from heliscore.domain.messages import described

_PIECE_BYTES: Final = 1 << 16


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """Read the whole body, decompressed where it is gzip.

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
            state_of(request.scope).services.body_budget.hold(len(body))
    return bytes(body)


def stream_body(request: Request) -> AsyncIterator[bytes]:
    """Read the body piece by piece, decompressed where it is gzip. Raises InvalidInput."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    match encoding:
        case "identity" | "":
            return request.stream()
        case "gzip":
            return _decompress(request.stream())
    raise InvalidInput([FieldError("Content-Encoding", f"expected gzip or none, got {described(encoding)}")])


async def _decompress(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Decompress gzip; several members may follow each other."""
    gzip = None
    async for chunk in chunks:
        while chunk:
            gzip = gzip or zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            for piece in _pieces(gzip, chunk):
                yield piece
            chunk = gzip.unused_data
            if gzip.eof:
                gzip = None
    if gzip is not None:
        raise InvalidInput([FieldError("", "the body is not valid gzip: it ends too early")])


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
