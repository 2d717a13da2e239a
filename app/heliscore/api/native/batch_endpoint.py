"""`POST /v1/scores/batch`: many score maps in one call, as JSON or as a stream of lines."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable
from typing import IO, Any, Final, Self

import msgspec
from starlette.responses import Response

from heliscore.api.http.body_fields import ValueType, make_body, optional, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_codec import decode
from heliscore.api.http.json_schema import COUNT, STRING, closed_object, list_of_objects, nullable
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
from heliscore.api.shared import envelope
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.messages import MAX_NAME_LENGTH
from heliscore.domain.times import now
from heliscore.observability import metrics
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreWrite, lock_uploads, merged, record

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
_MAX_ERRORS: Final = 1000
_IN_MEMORY_BYTES: Final = 1 << 20
_MOST_HELD_BYTES: Final = MAX_LINE_BYTES + _IN_MEMORY_BYTES
"""Of a stream of lines: one of them, and what need not go to a file."""


async def post_batch(call: ApiCall) -> Response:
    """Add score maps to many requests in one call.

    The body is JSON, or lines of `{"requestId", "scores"}` with Content-Type `application/x-ndjson` and the
    mode in the query (`?mode=partial`), as many as you like and gzipped if you like. `atomic`, the default:
    with anything at fault nothing is stored and the answer is 400. `partial`: what is good is stored and
    what is not is listed, the first 1000 of it; should reading fail midway (broken gzip), what came before
    stays. Of two items for one score the later counts. The requests of an atomic upload are locked while it
    is written: a post to one of them waits for it, others do not.
    """
    content_type = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in _LINES:
        return await _post_json(call)
    mode = _QUERY.read(dict(call.request.query_params))[_MODE]
    lines = split_lines(_counted(call))
    if mode == "partial":
        count = 0
        async with _Upload(call) as upload:
            async for some in lines:
                await upload.add(read_line(count + i, line) for i, line in enumerate(some))
                count += len(some)
        return upload.answer()
    # Nothing may be written before the last line is read, and no row stay locked while a client dawdles.
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
            call.services.memory.hold(size)
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
    async with _Upload(call) as upload:
        await upload.add(items)
    return upload.answer()


class _Spooled:
    """The items of a file of lines, read anew each time."""

    def __init__(self, spool: IO[bytes]) -> None:
        self._spool = spool

    def __iter__(self) -> Any:
        self._spool.seek(0)
        return (read_line(index, line.rstrip(b"\n")) for index, line in enumerate(self._spool))


async def _store_all(call: ApiCall, items: Iterable[Item]) -> Response:
    """Store all items in one transaction, or none. Raises InvalidInput with their faults."""
    names: set[str] = set()
    errors = FieldErrors()
    for chunk in in_chunks(items):
        for item in chunk:
            names.update(item.scores)
            place = f"items[{item.index}]"
            for field_error in item.errors:
                errors.add(f"{place}.{field_error.path}" if field_error.path else place, field_error.message)
        await asyncio.sleep(0)  # others' turn
    errors.raise_any()
    organization_id, services = call.principal.organization_id, call.services
    async with services.database.connection() as connection:
        # Outside the transaction: the ids are remembered, also when it is rolled back.
        await services.names.ensure(connection, organization_id, names)
        async with connection.transaction():
            await lock_uploads(connection, organization_id)
            async with _Upload(call, connection) as upload:
                await upload.add(items)
            upload.raise_any()
    return upload.answer()


class _Error(msgspec.Struct, rename="camel"):
    index: int
    request_id: str | None
    message: str


class _Upload:
    """Writes items chunk by chunk, one statement each, while the next chunk is read; keeps the score."""

    def __init__(self, call: ApiCall, connection: Connection | None = None) -> None:
        self._call = call
        self._connection = connection
        self._writing: asyncio.Task[None] | None = None
        self._accepted = 0
        self._rejected = 0
        self._written_scores = metrics.ScoreTotals()
        self._errors: list[_Error] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Wait for the last chunk, also when reading failed: nothing is written behind the answer."""
        await self._written()

    async def add(self, items: Iterable[Item]) -> None:
        for chunk in in_chunks(items):
            await self._written()
            self._writing = asyncio.create_task(self._write(chunk))

    def raise_any(self) -> None:
        """Raises InvalidInput where an item was rejected."""
        if self._errors:
            unknown = [FieldError(f"items[{error.index}].requestId", error.message) for error in self._errors]
            raise InvalidInput(unknown, self._rejected)

    def answer(self) -> Response:
        """What to say once all is durable."""
        metrics.count_upload("partial" if self._connection is None else "atomic")
        metrics.count_upload_scores(self._written_scores.count())
        return envelope.answer(
            {"accepted": self._accepted, "rejected": self._rejected, "errors": self._errors}
        )

    async def _written(self) -> None:
        if self._writing is not None:
            await self._writing

    async def _write(self, chunk: list[Item]) -> None:
        organization_id, at = self._call.principal.organization_id, now()
        posts = merged(
            ScoreWrite(organization_id, item.request_id, item.scores, at)
            for item in chunk
            if not item.errors and item.request_id is not None and item.scores
        )
        if self._connection is not None:
            written = await self._record(self._connection, posts)
        else:
            async with self._call.services.database.connection() as connection:
                written = await self._record(connection, posts)
        for item in chunk:
            if item.errors:
                self._reject(item, item.message)
            elif item.scores and (organization_id, item.request_id) not in written:
                self._reject(item, f"there is no request {item.request_id}")
            else:
                self._accepted += 1
                self._written_scores.add(organization_id, item.scores)
        if self._connection is None:  # else a transaction is still to be committed
            metrics.count_upload_scores(self._written_scores.count())

    async def _record(self, connection: Connection, posts: list[ScoreWrite]) -> set[tuple[int, str]]:
        services = self._call.services
        accept_unknown = services.settings.unknown_requests == "accept"
        return await record(connection, services.names, posts, accept_unknown=accept_unknown)

    def _reject(self, item: Item, message: str) -> None:
        self._rejected += 1
        if len(self._errors) < _MAX_ERRORS:
            request_id = None if item.request_id is None else item.request_id[:MAX_NAME_LENGTH]
            self._errors.append(_Error(item.index, request_id, message))


_ERROR: Final = {"index": COUNT, "requestId": nullable(STRING), "message": STRING}

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
                "errors": list_of_objects(_ERROR) | {"maxItems": _MAX_ERRORS},
            },
            ("accepted", "rejected", "errors"),
        ),
        data_example={"accepted": 1, "rejected": 0, "errors": []},
    ),
)
