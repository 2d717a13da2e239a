"""`POST /v1/scores/batch`: many score maps in one call, as JSON or as a stream of lines."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable
from typing import IO, Any, Final

from starlette.responses import Response

from heliscore.api.http.body_fields import ValueType, make_body, optional, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_codec import decode
from heliscore.api.http.json_schema import COUNT, Schema, closed_object, struct_schema
from heliscore.api.http.request_body import stream_body
from heliscore.api.http.value_types import ANY, choice, list_of
from heliscore.api.native.upload_items import (
    ITEM,
    MAX_LINE_BYTES,
    Item,
    in_chunks,
    read_item,
    read_line,
    split_lines,
)
from heliscore.api.native.uploads import MAX_LISTED_ERRORS, AtomicUpload, PartialUpload, UploadError
from heliscore.api.shared import envelope
from heliscore.store.scores import lock_uploads

_ITEMS: Final = required("items", ValueType({"type": "array", "items": ITEM.schema}, list_of(ANY).read))
_MODE: Final = optional("mode", choice(("atomic", "partial")), default="atomic")
_BODY: Final = make_body(
    _ITEMS,
    _MODE,
    example={
        "items": [{"requestId": "req_abc123def456", "scores": {"accuracy": 95}}],
        "mode": "partial",
    },
)
_QUERY: Final = make_body(_MODE, is_open=True, example={"mode": "partial"})

_LINES: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl")
_IN_MEMORY_BYTES: Final = 1 << 20
_MOST_HELD_BYTES: Final = MAX_LINE_BYTES + _IN_MEMORY_BYTES
"""The memory that a stream of lines takes: one line, and as much as is not spooled to a file."""


async def post_batch(call: ApiCall) -> Response:
    """Add score maps to many requests in one call.

    The body is JSON, or any number of lines of `{"requestId", "scores"}` with Content-Type
    `application/x-ndjson` and the mode in the query (`?mode=partial`); gzip is supported. `atomic`, the
    default: if any item has an error, nothing is stored and the answer is 400. `partial`: valid items are
    stored and the first 1000 invalid ones are listed; if reading fails midway (broken gzip), the items before
    stay stored. Of two items for one score the later counts. The requests of an atomic upload are locked
    while it is written: posts to them wait for it.
    """
    content_type = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in _LINES:
        return await _post_json(call)
    mode = _QUERY.read(dict(call.request.query_params))[_MODE]
    lines = split_lines(_counted(call))
    if mode == "partial":
        count = 0
        async with PartialUpload(call) as upload:
            async for some in lines:
                await upload.add(read_line(count + i, line) for i, line in enumerate(some))
                count += len(some)
        return upload.answer()
    # Nothing may be written before the last line is read, and no row be locked while a client is slow.
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as spool:
        async for some in lines:
            spool.writelines(line + b"\n" for line in some)
        return await _store_all(call, _Spooled(spool))


async def _counted(call: ApiCall) -> AsyncIterator[bytes]:
    """The pieces of a body, counted for as much of it as is held. Raises Unavailable."""
    size = 0
    async for piece in stream_body(call.request):
        if size < _MOST_HELD_BYTES:
            size = min(size + len(piece), _MOST_HELD_BYTES)
            call.services.body_budget.hold(size)
        yield piece


async def _post_json(call: ApiCall) -> Response:
    raw = decode(await call.body())
    if isinstance(raw, dict) and raw.get(_MODE.key) is None:
        raw = raw | {_MODE.key: call.request.query_params.get("mode")}
    body = _BODY.read(raw)
    mode = body[_MODE]
    items = [read_item(index, item) for index, item in enumerate(body[_ITEMS])]
    if mode == "atomic":
        return await _store_all(call, items)
    async with PartialUpload(call) as upload:
        await upload.add(items)
    return upload.answer()


class _Spooled:
    """The items of a file of lines, read again for each iteration."""

    def __init__(self, spool: IO[bytes]) -> None:
        self._spool = spool

    def __iter__(self) -> Any:
        self._spool.seek(0)
        return (read_line(index, line.rstrip(b"\n")) for index, line in enumerate(self._spool))


async def _store_all(call: ApiCall, items: Iterable[Item]) -> Response:
    """Store all items in one transaction, or none. Raises InvalidInput with their errors."""
    names: set[str] = set()
    errors = FieldErrors()
    for chunk in in_chunks(items):
        for item in chunk:
            names.update(item.scores)
            place = f"items[{item.index}]"
            for field_error in item.errors:
                errors.add(f"{place}.{field_error.path}" if field_error.path else place, field_error.message)
        await asyncio.sleep(0)  # let other calls run
    errors.raise_any()
    organization_id, services = call.principal.organization_id, call.services
    async with services.database.connection() as connection:
        # Outside the transaction: the ids are remembered, also when it is rolled back.
        await services.names.ensure(connection, organization_id, names)
        async with connection.transaction():
            await lock_uploads(connection, organization_id)
            async with AtomicUpload(call, connection) as upload:
                await upload.add(items)
            upload.raise_any()
    return upload.answer()


_ERRORS: Final[Schema] = {
    "type": "array",
    "maxItems": MAX_LISTED_ERRORS,
    "items": struct_schema(UploadError),
}

ENDPOINTS: Final = (
    envelope.endpoint(
        "POST",
        "/v1/scores/batch",
        post_batch,
        "w",
        "Scores",
        body=_BODY,
        data=closed_object(
            {
                "accepted": COUNT,
                "rejected": COUNT,
                "errors": {
                    "type": "array",
                    "maxItems": MAX_LISTED_ERRORS,
                    "items": struct_schema(UploadError),
                },
            },
            ("accepted", "rejected", "errors"),
        ),
        data_example={"accepted": 1, "rejected": 0, "errors": []},
    ),
)
