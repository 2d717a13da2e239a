"""The answer that streams an export, for the API and for pages.

It holds a connection and a snapshot until its end. Whatever goes wrong after its beginning breaks the
connection off, so that no client takes a part for the whole; one that takes nothing for a minute is cut off.
"""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from abc import abstractmethod
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing, suppress
from typing import Final, TypeVar

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.request_state import begin_stream
from heliscore.api.shared.sort_fields import encode_cursor
from heliscore.domain.errors import ApiError, FieldError, InvalidInput, Unavailable
from heliscore.domain.export_columns import SCORES
from heliscore.domain.filter_tree import Filter, Sort
from heliscore.exports.csv_file import CsvFile
from heliscore.exports.flat_rows import FlatTable
from heliscore.exports.json_lines import JsonLines
from heliscore.exports.parquet_file import ParquetFile
from heliscore.exports.writer import Format, Writer
from heliscore.store.connections.pool import Connection
from heliscore.store.exports import Batch, Export, Selection
from heliscore.store.scores import list_kinds
from heliscore.store.search.page_order import Position

_log = logging.getLogger("heliscore")

MAX_SCORES: Final = 1000
"""Columns of scores."""

MEDIA_TYPES: Final[dict[Format, str]] = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8; header=present",
    "parquet": "application/vnd.apache.parquet",
}

_PIECE_BYTES: Final = 1 << 20
_STALL_S: Final = 60.0
"""For a client to take a piece."""

_LONGEST_S: Final = 3600.0
"""While a snapshot is held, PostgreSQL cannot clean up what has changed since."""

T = TypeVar("T")


class WantedExport(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks for."""

    tree: Filter
    sort: Sort
    after: Position | None = None
    format: Format
    columns: tuple[str, ...]
    scores: tuple[str, ...] | None = None
    """None: all."""


async def stream_export(call: ApiCall, wanted: WantedExport) -> Response:
    """Begin an export: what fails up to its first rows is an error as of any call. Raises InvalidInput where
    there are too many scores for columns, and Unavailable."""
    headers = _make_headers(call, wanted.format)
    if call.request.method == "HEAD":
        return Response(headers=headers)
    begin_file(call)
    organization_id, names = call.principal.organization_id, call.services.ids.names
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(call.services.exports.connection())
        await stack.enter_async_context(connection.transaction(isolation="repeatable_read", readonly=True))
        as_lines = wanted.format == "jsonl"
        scores = wanted.scores
        if scores is None and SCORES in wanted.columns and not as_lines:
            scores = await _find_scores(connection, organization_id)
        ids = await names.find(connection, organization_id, scores or ())
        selection = Selection(
            organization_id=organization_id,
            tree=wanted.tree,
            sort=wanted.sort,
            after=wanted.after,
            columns=wanted.columns,
            scores=wanted.scores,
            as_lines=as_lines,
        )
        batches = _ahead(Export(connection, names, selection).read())
        await stack.enter_async_context(aclosing(batches))
        first = await anext(batches, None)
        # In a thread: the first of Parquet imports pyarrow, for some tenths of a second.
        writer = await asyncio.to_thread(_make_writer, wanted, scores or (), ids)
        return ExportStream(headers, stack.pop_all(), writer, first, batches)


def begin_file(call: ApiCall) -> None:
    """Have the current call end when its client leaves or the service stops: amid a statement, too."""
    task = asyncio.current_task()

    def end(_: str) -> None:
        if task is not None:
            task.cancel()

    begin_stream(call.request.scope, end)


async def _find_scores(connection: Connection, organization_id: int) -> tuple[str, ...]:
    found = await list_kinds(connection, organization_id, MAX_SCORES + 1)
    if len(found) > MAX_SCORES:
        message = f"there are more than {MAX_SCORES} scores: name those that are to be columns"
        raise InvalidInput([FieldError("scores", message)])
    return tuple(found)


def _make_writer(wanted: WantedExport, scores: tuple[str, ...], ids: dict[str, int]) -> Writer:
    def encode(position: Position) -> str:
        return encode_cursor(wanted.sort, position)

    table = FlatTable(wanted.columns, scores, tuple(ids.get(name) for name in scores), encode)
    match wanted.format:
        case "jsonl":
            return JsonLines(wanted.columns, encode)
        case "csv":
            return CsvFile(table)
        case "parquet":
            return ParquetFile(table)


def _make_headers(call: ApiCall, format_: Format) -> dict[str, str]:
    headers = {
        "Content-Type": MEDIA_TYPES[format_],
        "Content-Disposition": f'attachment; filename="requests.{format_}"',
    }
    if format_ != "parquet" and _accepts_gzip(call.request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
    return headers


def _accepts_gzip(accepted: str) -> bool:
    for one in accepted.lower().split(","):
        coding, _, parameter = one.partition(";")
        if coding.strip() == "gzip":
            return parameter.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


async def _ahead(items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Yield the items of a generator, which works on the next one meanwhile."""
    async with aclosing(items):
        following = asyncio.ensure_future(anext(items, None))
        try:
            while (item := await following) is not None:
                following = asyncio.ensure_future(anext(items, None))
                yield item
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await following


class FileStream(Response):
    """An answer that is made while it is sent. If anything goes wrong, its connection is broken off."""

    def __init__(self, headers: dict[str, str], resources: AsyncExitStack) -> None:
        """`resources` are given back when the answer has ended."""
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._resources = resources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        try:
            async with self._resources:
                await send(
                    {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
                )
                deadline = time.monotonic() + _LONGEST_S
                async with aclosing(self._pieces()) as pieces:
                    async for piece in pieces:
                        await _send(send, piece)
                        if time.monotonic() > deadline:
                            raise Unavailable(f"it took longer than {_LONGEST_S:g} s")
        except ApiError as error:
            # Without the end of the body: the server then closes the connection.
            _log.warning("an export was broken off: %s", error)
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    @abstractmethod
    def _pieces(self) -> AsyncGenerator[bytes, None]:
        """The body."""


class ExportStream(FileStream):
    """The answer, once its first rows are there."""

    def __init__(
        self,
        headers: dict[str, str],
        resources: AsyncExitStack,
        writer: Writer,
        first: Batch | None,
        batches: AsyncGenerator[Batch, None],
    ) -> None:
        super().__init__(headers, resources)
        self._writer = writer
        self._first = first
        self._batches = batches
        is_gzip = self.headers.get("content-encoding") == "gzip"
        # Level 1: 100,000 requests with five scores shrink to a seventh in 1.3 s of a processor.
        self._compressor = zlib.compressobj(1, wbits=31) if is_gzip else None

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        yield await self._make(self._writer.begin)
        if self._first is not None:
            first, self._first = self._first, None
            yield await self._make(lambda: self._writer.write(first))
            del first
        async for batch in self._batches:
            yield await self._make(lambda batch=batch: self._writer.write(batch))  # type: ignore[misc]
        yield await self._make(self._writer.end)
        if self._compressor is not None:
            yield self._compressor.flush()

    async def _make(self, make: Callable[[], bytes]) -> bytes:
        return await asyncio.to_thread(self._compressed, make)

    def _compressed(self, make: Callable[[], bytes]) -> bytes:
        made = make()
        return made if self._compressor is None else self._compressor.compress(made)


async def _send(send: Send, made: bytes) -> None:
    for begin in range(0, len(made), _PIECE_BYTES):
        piece = made[begin : begin + _PIECE_BYTES]
        try:
            async with asyncio.timeout(_STALL_S):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except TimeoutError:
            raise Unavailable(f"its client took nothing for {_STALL_S:g} s") from None
