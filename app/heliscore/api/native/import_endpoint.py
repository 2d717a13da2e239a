"""`POST /v1/import`: requests with their scores and the past of these, as an export writes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from starlette.responses import Response

from heliscore.api.http.body_fields import ValueType, make_body, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_codec import decode
from heliscore.api.http.json_schema import COUNT, Schema, closed_object, struct_schema
from heliscore.api.http.value_types import ANY, list_of
from heliscore.api.native.import_lines import LINE, Line, read_line
from heliscore.api.native.import_pieces import Pieces
from heliscore.api.native.upload_items import split_lines
from heliscore.api.native.upload_lines import (
    Lines,
    cut,
    has_lines,
    items_as_lines,
    stream_lines,
    without_pauses,
)
from heliscore.api.native.upload_spool import IN_MEMORY_BYTES, Spool
from heliscore.api.native.uploads import MAX_LISTED_ERRORS, UploadError
from heliscore.api.shared import envelope
from heliscore.api.shared.authors import sent_author
from heliscore.domain.errors import TooSlow
from heliscore.observability.event_loop import Turn

_PIECE_WEIGHT: Final = 2_000
"""Requests and changes of scores in one piece."""

_PIECE_BYTES: Final = 2 << 20
"""A piece is one transaction: its requests are locked while it is written."""

_ITEMS: Final = required("items", ValueType({"type": "array", "items": LINE.schema}, list_of(ANY).read))
_BODY: Final = make_body(
    _ITEMS,
    example={
        "items": [
            {
                "request_id": "req_abc123def456",
                "created_at": "2026-01-01T10:00:00.000Z",
                "updated_at": "2026-01-01T10:00:07.123Z",
                "provider": "OPENAI",
                "scores": {
                    "accuracy": {
                        "value": 95,
                        "at": "2026-01-01T10:00:07.123456Z",
                        "author": "judge:relevance@2",
                    }
                },
                "history": {
                    "accuracy": [
                        {
                            "value": 40,
                            "at": "2026-01-01T10:00:05.000001Z",
                            "author": "api:production",
                            "call": "score",
                        }
                    ]
                },
            }
        ]
    },
)


async def import_requests(call: ApiCall) -> Response:
    """Store requests with their scores and all that these were before, each at its own time.

    The body is any number of lines of an export (`POST /v1/export`, JSONL) with Content-Type
    `application/x-ndjson`, or JSON; gzip is supported. What is stored stays: a change of a score is added at
    its time, and is the score only where it is later than all others; a request is replaced only by one that
    was updated later. So the same import again changes nothing, and counts as `unchanged`. Lines are stored
    in pieces of one transaction; the first 1000 that cannot be stored are listed. With an Idempotency-Key all
    are one transaction.
    """
    author, limit = sent_author(call), call.services.settings.max_body_bytes

    async def store(lines: Lines) -> Response:
        async with Pieces(call) as pieces:
            async for piece in _pieces(lines, read):
                await pieces.add(piece)
        return pieces.answer()

    async def read(index: int, line: bytes) -> Line:
        arguments = index, line, limit, author
        return await call.services.large_work.run(read_line, *arguments, size_bytes=len(line))

    if not has_lines(call.request):
        body = await call.large_body()
        encoded = await call.services.large_work.run(_read_json, body, size_bytes=len(body))
        return await store(split_lines(cut(encoded), limit))
    lines = without_pauses(split_lines(stream_lines(call, limit + _PIECE_BYTES + IN_MEMORY_BYTES), limit))
    if call.digest is None:
        return await store(lines)
    async with Spool() as spool:
        async for some in lines:
            await spool.add(some)
        return await store(split_lines(spool.pieces(), limit))


def _read_json(body: bytes) -> bytes:
    """The items, a line each. Raises InvalidInput."""
    _BODY.read(decode(body))
    return items_as_lines(body)


async def _pieces(lines: Lines, read: Callable[[int, bytes], Awaitable[Line]]) -> AsyncIterator[list[Line]]:
    index, turn = 0, Turn()
    piece: list[Line] = []
    weight = size_bytes = 0
    async for some in lines:
        for line in some:
            piece.append(await read(index, line))
            index, weight, size_bytes = index + 1, weight + piece[-1].weight, size_bytes + len(line)
            if weight >= _PIECE_WEIGHT or size_bytes >= _PIECE_BYTES:
                yield piece
                piece, weight, size_bytes = [], 0, 0
            await turn.give_way()
    if piece:
        yield piece


_ERRORS: Final[Schema] = {
    "type": "array",
    "maxItems": MAX_LISTED_ERRORS,
    "items": struct_schema(UploadError),
}

ENDPOINTS: Final = (
    envelope.endpoint(
        "POST",
        "/v1/import",
        import_requests,
        "w",
        "Scores",
        body=_BODY,
        data=closed_object(
            {
                "accepted": COUNT,
                "unchanged": COUNT,
                "rejected": COUNT,
                "errors": _ERRORS,
                "warnings": _ERRORS,
            },
            ("accepted", "unchanged", "rejected", "errors"),
        ),
        data_example={"accepted": 1, "unchanged": 0, "rejected": 0, "errors": []},
        errors=(TooSlow,),
    ),
)
