"""Reads the items of a bulk upload, `{"requestId", "scores", "author"}`, one by one: an upload of any size
needs little memory, and other calls run in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Final

import msgspec

from heliscore.api.http.body_fields import object_of, optional, required
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_codec import decode
from heliscore.api.http.value_types import NAME
from heliscore.api.native.commented_scores import COMMENTED_SCORES
from heliscore.api.native.score_scale import scale_scores
from heliscore.api.shared.authors import AUTHOR
from heliscore.api.shared.definition_checks import count_breaches, refused
from heliscore.domain.author import Author
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.score import Score
from heliscore.domain.score_definition import Breach, find_breaches
from heliscore.observability.event_loop import Turn
from heliscore.store.definition_cache import Definitions
from heliscore.store.scores import NO_COMMENTS

MAX_LINE_BYTES: Final = 1 << 20

_CHUNK_WEIGHT: Final = 6_000
"""Requests and scores in one statement: larger ones are no faster, and need more memory."""

REQUEST_ID: Final = required("requestId", NAME)
SCORES: Final = required("scores", COMMENTED_SCORES)
ITEM_AUTHOR: Final = optional(
    "author", AUTHOR, description="Who gives the scores: else the header's author, else the key's."
)
ITEM_FIELDS: Final = (REQUEST_ID, SCORES, ITEM_AUTHOR)

ITEM: Final = object_of(*ITEM_FIELDS, name="BatchItem")


class Item(msgspec.Struct, frozen=True):
    """One item of an upload; with errors, nothing else of it counts."""

    index: int
    request_id: str | None
    scores: dict[str, Score]
    errors: tuple[FieldError, ...] = ()
    warnings: tuple[Breach, ...] = ()
    comments: Mapping[str, str] = NO_COMMENTS
    author: Author | None = None

    @property
    def message(self) -> str:
        return "; ".join(map(str, self.errors))


def read_line(index: int, line: bytes, scale: int | None = None) -> Item:
    """Read one line of NDJSON, with scores to be multiplied by a scale."""
    if len(line) > MAX_LINE_BYTES:
        return Item(index, None, {}, (FieldError("", f"the line is longer than {MAX_LINE_BYTES} bytes"),))
    try:
        return _read_item(index, line, scale)
    except InvalidInput as error:
        return Item(index, None, {}, error.errors)


def _read_item(index: int, line: bytes, scale: int | None) -> Item:
    raw, errors = decode(line, "line"), FieldErrors()
    if scale is not None and isinstance(raw, dict) and isinstance(scores := raw.get(SCORES.key), dict):
        scale_scores(scores, line, scale, SCORES.key, errors)
    values = ITEM.read(raw, "", errors)
    if errors.count:
        return Item(index, _find_request_id(raw), {}, errors.found)
    given = values[SCORES]
    return Item(index, values[REQUEST_ID], given.scores, comments=given.comments, author=values[ITEM_AUTHOR])


def check_items(items: list[Item], definitions: Definitions) -> list[Item]:
    """The items with what definitions say of their scores, as errors and warnings."""
    return [_check_item(item, definitions) for item in items] if definitions.enforced else items


def _check_item(item: Item, definitions: Definitions) -> Item:
    breaches = find_breaches(definitions.enforced, item.scores)
    if errors := refused(breaches):
        count_breaches(breaches)
        return Item(item.index, item.request_id, {}, tuple(errors))
    return msgspec.structs.replace(item, warnings=breaches) if breaches else item


def _find_request_id(raw: object) -> str | None:
    """The id in an item with errors, by which a client can find it."""
    sent = raw.get(REQUEST_ID.key) if isinstance(raw, dict) else None
    return sent if isinstance(sent, str) else None


async def split_lines(
    pieces: AsyncIterator[bytes], limit_bytes: int = MAX_LINE_BYTES
) -> AsyncIterator[list[bytes]]:
    """The lines of a stream, as many at a time as have come; empty ones are left out. Of a line that is too
    long only as much is kept as shows that it is."""
    rest, turn = bytearray(), Turn()
    async for piece in pieces:
        lines = piece.split(b"\n")
        last = lines.pop()
        if lines:
            lines[0] = bytes(rest + lines[0])
            rest.clear()
            yield [line for line in filter(None, lines) if _holds_something(line, limit_bytes)]
        rest += last[: limit_bytes + 1 - len(rest)]
        await turn.give_way()
    if _holds_something(rest, limit_bytes):
        yield [bytes(rest)]


def _holds_something(line: bytes | bytearray, limit_bytes: int) -> bool:
    """Of a line that is too long only the beginning is there, perhaps only blanks: it is never left out."""
    return len(line) > limit_bytes or bool(line.strip())


async def read_items(
    lines: AsyncIterator[list[bytes]], scale: int | None = None
) -> AsyncIterator[list[Item]]:
    """Read lines, in lists of at most about as many scores as one statement should write; a list holds no
    lines that came later than others, which may be the last that come."""
    index, turn = 0, Turn()
    async for some in lines:
        chunk: list[Item] = []
        weight = 0
        for line in some:
            item = read_line(index, line, scale)
            index += 1
            chunk.append(item)
            weight += 1 + len(item.scores)
            if weight >= _CHUNK_WEIGHT:
                yield chunk
                chunk, weight = [], 0
            await turn.give_way()
        if chunk:
            yield chunk
