"""Reads the items of a bulk upload, `{"requestId", "scores"}`, one by one: an upload of any size needs little
memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Final

import msgspec

from heliscore.api.http.body_fields import object_of, required
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_codec import decode
from heliscore.api.http.value_types import NAME
from heliscore.api.shared.score_maps import SCORES
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.score import Score

MAX_LINE_BYTES: Final = 1 << 20

_CHUNK_WEIGHT: Final = 6_000
"""Requests and scores in one statement: larger ones are no faster, and need more memory."""

_REQUEST_ID: Final = required("requestId", NAME)
_SCORES: Final = required("scores", SCORES)

ITEM: Final = object_of(_REQUEST_ID, _SCORES)


class Item(msgspec.Struct, frozen=True):
    """One item of an upload; with errors, nothing else of it counts."""

    index: int
    request_id: str | None
    scores: dict[str, Score]
    errors: tuple[FieldError, ...] = ()

    @property
    def message(self) -> str:
        return "; ".join(map(str, self.errors))


def read_item(index: int, raw: object) -> Item:
    """Read a decoded item."""
    errors = FieldErrors()
    values = ITEM.read(raw, "", errors)
    if errors.count:
        return Item(index, _find_request_id(raw), {}, errors.found)
    return Item(index, values[_REQUEST_ID], values[_SCORES])


def _find_request_id(raw: object) -> str | None:
    """The id in an item with errors, by which a client can find it."""
    sent = raw.get(_REQUEST_ID.key) if isinstance(raw, dict) else None
    return sent if isinstance(sent, str) else None


def read_line(index: int, line: bytes) -> Item:
    """Read one line of NDJSON."""
    if len(line) > MAX_LINE_BYTES:
        return Item(index, None, {}, (FieldError("", f"the line is longer than {MAX_LINE_BYTES} bytes"),))
    try:
        return read_item(index, decode(line, "line"))
    except InvalidInput as error:
        return Item(index, None, {}, error.errors)


async def split_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """The lines of a stream, as many at a time as have come; empty ones are left out. Of a line that is too
    long only as much is kept as shows that it is."""
    rest = bytearray()
    async for chunk in chunks:
        *lines, last = chunk.split(b"\n")
        if lines:
            lines[0] = bytes(rest + lines[0])
            rest.clear()
            yield [line for line in lines if _holds_something(line)]
        rest += last[: MAX_LINE_BYTES + 1 - len(rest)]
    if _holds_something(rest):
        yield [bytes(rest)]


def _holds_something(line: bytes | bytearray) -> bool:
    """Of a line that is too long only the beginning is there, perhaps only blanks: it is never left out."""
    return len(line) > MAX_LINE_BYTES or bool(line.strip())


def in_chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Cut items into lists of about as many scores as one statement should write."""
    chunk: list[Item] = []
    weight = 0
    for item in items:
        chunk.append(item)
        weight += 1 + len(item.scores)
        if weight >= _CHUNK_WEIGHT:
            yield chunk
            chunk, weight = [], 0
    if chunk:
        yield chunk
