"""The chunks in the text of a stream: server-sent events, lines of JSON, or one array, cut anywhere.

Clients log what they had: with a stack trace before the first chunk, without the blank lines between events,
cut off in the middle of one. So every line is read by what it holds; what is no chunk is kept beside them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from typing import Final

import msgspec

from heliscore.providers.family import Chunk

_FIELDS: Final = ("data:", "event:", "id:", "retry:")
_MOST_BESIDE: Final = 100_000
"""Characters of text beside the chunks that are kept."""

_MOST_OF_FIRST: Final = 1_000_000
"""Characters of the first chunk where no field name stands before it."""

_ARRAY: Final = re.compile(r"\[\s*(?:\{|$)")
_GAP: Final = re.compile(r"[\s,]*")
_SCANNER: Final = json.JSONDecoder()


class ChunkReader:
    """Reads chunks from text that comes in pieces."""

    def __init__(self) -> None:
        self.broken = False
        """Whether a chunk was cut off, in the middle or at the end."""

        self.is_events = False
        """Whether a chunk came as a server-sent event or in an array, which no whole response does."""

        self.has_halves = False
        """Whether a chunk may hold half of a pair of surrogates."""

        self.is_done = False
        """Whether the mark `[DONE]` came."""

        self._beside: list[str] = []
        self._line: list[str] = []
        self._event = ""
        self._value: list[str] = []
        """The lines so far of an object that is printed over several."""

        self._array: _Array | None = None
        self._had_array = False
        self._is_field = False
        self._count = 0

    @property
    def beside(self) -> str:
        """The lines that belong to no chunk, such as an error's text."""
        return "\n".join(self._beside).strip()

    def feed(self, text: str) -> Iterator[Chunk]:
        """The chunks that end in this piece of the text."""
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        rest: str | None = text
        while rest is not None:
            rest = yield from (self._feed_lines(rest) if self._array is None else self._feed_array(rest))

    def finish(self) -> Iterator[Chunk]:
        """The chunk in the last line, if it is whole."""
        if self._array is not None:
            yield from self._feed_array("", is_last=True)
            self.broken = self.broken or self._array is not None
        line = "".join(self._line)
        self._line = []
        if line and any(field.startswith(line) for field in _FIELDS):
            self.broken = True
        elif line:
            yield from self._take(line)
        yield from self._flush()

    def _feed_lines(self, text: str) -> Generator[Chunk, None, str | None]:
        """The chunks in the lines up to an array; returns the text from there on."""
        *lines, last = text.split("\n")
        for number, ending in enumerate(lines):
            line = "".join((*self._line, ending))
            self._line = []
            if self._begins_array(line):
                return "\n".join((line.removeprefix("["), *lines[number + 1 :], last))
            yield from self._take(line)
        self._line.append(last)
        if len(self._line) == 1 and self._begins_array(last):
            self._line = []
            return last.removeprefix("[")
        return None

    def _begins_array(self, line: str) -> bool:
        """Whether a line begins an array of objects, the first in the text; it is then read as one."""
        begins = line.startswith("[") and not self._value and not self._had_array and _ARRAY.match(line)
        if begins:
            self._array, self._had_array = _Array(), True
        return bool(begins)

    def _feed_array(self, text: str, *, is_last: bool = False) -> Generator[Chunk, None, str | None]:
        """The chunks in the array; returns the text after it."""
        if self._array is None:
            return text
        for chunk in self._array.feed(text, is_last=is_last):
            self._count += 1
            self.is_events = True
            self.has_halves = self.has_halves or self._array.has_halves
            yield chunk
        if not self._array.ended:
            return None
        rest, self._array = self._array.rest, None
        return rest

    def _take(self, line: str) -> Iterator[Chunk]:
        name, colon, value = line.partition(":")
        if not line.strip():
            yield from self._flush()
            self._event = ""
        elif colon and name == "data":
            yield from self._take_data(value.removeprefix(" "))
        elif colon and name == "event":
            yield from self._flush()
            self._event = value.strip()
        elif not (colon and name in ("id", "retry", "")):
            yield from self._take_plain(line)

    def _take_data(self, data: str) -> Iterator[Chunk]:
        if data.strip() and "[DONE]".startswith(data.strip()):
            self.is_done = self.is_done or data.strip() == "[DONE]"
            return
        self._is_field = True
        for chunk in self._take_plain(data):
            self.is_events = True
            if self._event == "error" and "error" not in chunk:
                chunk = {"error": chunk}
            yield chunk

    def _take_plain(self, line: str) -> Iterator[Chunk]:
        """A line that is a chunk, or part of one that is printed over several lines, or neither."""
        chunk = self._decoded(line)
        if chunk is not None and (not self._value or line.startswith("{")):
            self.broken = self.broken or bool(self._value)
            self._value = []
            yield chunk
        elif self._value or line.startswith("{"):
            self._value.append(line)
            if line.startswith("}"):
                yield from self._flush()
        elif len(self._beside) < _MOST_BESIDE // 100:
            self._beside.append(line[:_MOST_BESIDE])

    def _decoded(self, text: str) -> Chunk | None:
        """The chunk that a text is. One that is large and first is a response of another kind."""
        bare = text.strip(" \t\n,")
        if not (bare.startswith("{") and bare.endswith("}")):
            return None
        if not self._count and len(bare) > _MOST_OF_FIRST and not self._is_field:
            return None
        chunk, has_halves = decoded_chunk(bare)
        self.has_halves = self.has_halves or has_halves
        self._count += chunk is not None
        return chunk

    def _flush(self) -> Iterator[Chunk]:
        if self._value:
            chunk = self._decoded("\n".join(self._value))
            self._value = []
            if chunk is None:
                self.broken = True
            else:
                yield chunk


class _Array:
    """The objects of one array, however it is printed.

    An object that does not end yet is tried again only when the text has doubled, so that a large one costs
    no more than a few times its length.
    """

    def __init__(self) -> None:
        self.ended = False
        self.has_halves = False
        self.rest = ""
        """The text after the array."""

        self._text: list[str] = []
        self._length = 0
        self._try_at = 0

    def feed(self, text: str, *, is_last: bool = False) -> Iterator[Chunk]:
        """The objects that end in this piece of the text."""
        self._text.append(text)
        self._length += len(text)
        if self._length >= self._try_at or is_last:
            yield from self._scan("".join(self._text))

    def _scan(self, text: str) -> Iterator[Chunk]:
        at = 0
        while True:
            gap = _GAP.match(text, at)
            at = gap.end() if gap else at
            if not text.startswith("{", at):
                break
            try:
                start = at
                chunk, at = _SCANNER.raw_decode(text, at)
            except (ValueError, RecursionError):
                break
            self.has_halves = self.has_halves or _has_halves(chunk, text, start, at)
            yield chunk
        self.ended = at < len(text) and text[at] != "{"
        if self.ended:
            self.rest = text[at:].removeprefix("]")
        self._text, self._length = [text[at:]], len(text) - at
        self._try_at = 2 * self._length


def decoded_chunk(text: str) -> tuple[Chunk | None, bool]:
    """The JSON object that a text is, and whether halves of pairs of surrogates may be in it."""
    has_halves = False
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        has_halves = _may_have_halves(text)
        try:
            value = _SCANNER.decode(text) if has_halves else None
        except (ValueError, RecursionError):
            value = None
    return (value, has_halves) if isinstance(value, dict) else (None, False)


def _may_have_halves(text: str) -> bool:
    return "\\ud" in text or "\\uD" in text


def _has_halves(chunk: Chunk, text: str, start: int, end: int) -> bool:
    if text.find("\\ud", start, end) < 0 and text.find("\\uD", start, end) < 0:
        return False
    try:
        msgspec.json.encode(chunk)
    except (UnicodeEncodeError, RecursionError):
        return True
    return False
