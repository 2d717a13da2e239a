"""The chunks in the text of a stream: server-sent events, lines of JSON, or one array, cut anywhere.

Clients log what they had: with a stack trace before the first chunk, without the blank lines between events,
cut off in the middle of one. So every line is read by what it holds; what is no chunk is kept beside them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from heliscore.providers.family import Chunk

_FIELDS: Final = ("data:", "event:", "id:", "retry:")
_STRINGS: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_MOST_BESIDE: Final = 100_000
"""Characters of text beside the chunks that are kept."""

_ARRAY: Final = re.compile(r"\[\s*\{")
_GAP: Final = re.compile(r"[\s,]*")
_SCANNER: Final = json.JSONDecoder()


class ChunkReader:
    """Reads chunks from text that comes in pieces."""

    def __init__(self) -> None:
        self.broken = False
        """Whether a chunk was cut off, in the middle or at the end."""

        self.is_events = False
        """Whether a chunk came as a server-sent event or in an array, which no whole response does."""

        self.is_done = False
        """Whether the mark `[DONE]` came."""

        self._beside: list[str] = []
        self._line: list[str] = []
        self._event = ""
        self._value = _SplitValue()
        self._array: _Array | None = None

    @property
    def beside(self) -> str:
        """The lines that belong to no chunk, such as an error's text."""
        return "\n".join(self._beside).strip()

    def feed(self, text: str) -> Iterator[Chunk]:
        """The chunks that end in this piece of the text."""
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        while text:
            if self._array is not None:
                yield from self._array.feed(text)
                text, self._array = self._array.rest, None if self._array.ended else self._array
                continue
            line, newline, text = text.partition("\n")
            self._line.append(line)
            line = "".join(self._line)
            if not newline and not _ARRAY.match(line):
                self._line = [line]
                return
            self._line = []
            if self._value.is_empty and _ARRAY.match(line):
                self._array, self.is_events = _Array(), True
                text = line + newline + text
            else:
                yield from self._take(line)

    def finish(self) -> Iterator[Chunk]:
        """The chunk in the last line, if it is whole."""
        if self._array is not None:
            self.broken = True
            return
        line = "".join(self._line)
        self._line = []
        if line and any(field.startswith(line) for field in _FIELDS):
            self.broken = True
        elif line:
            yield from self._take(line)
        yield from self._flush()

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
        for chunk in self._take_plain(data):
            self.is_events = True
            if self._event == "error" and "error" not in chunk:
                chunk = {"error": chunk}
            yield chunk

    def _take_plain(self, line: str) -> Iterator[Chunk]:
        """A line that is a chunk, or part of one that is printed over several lines, or neither."""
        chunk = decoded_chunk(line.strip().rstrip(",")) if line.lstrip().startswith("{") else None
        if chunk is not None and (self._value.is_empty or line.startswith("{")):
            self.broken = self.broken or not self._value.is_empty
            self._value = _SplitValue()
            yield chunk
        elif not self._value.is_empty or line.startswith("{"):
            self._value.add(line)
            if self._value.is_closed:
                yield from self._flush()
        elif len(self._beside) < _MOST_BESIDE // 100:
            self._beside.append(line[:_MOST_BESIDE])

    def _flush(self) -> Iterator[Chunk]:
        if not self._value.is_empty:
            chunk = decoded_chunk(self._value.text)
            self._value = _SplitValue()
            if chunk is None:
                self.broken = True
            else:
                yield chunk


class _SplitValue:
    """A JSON object that is printed over several lines."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 0

    @property
    def is_empty(self) -> bool:
        return not self._lines

    @property
    def is_closed(self) -> bool:
        return self._depth <= 0

    @property
    def text(self) -> str:
        return "\n".join(self._lines)

    def add(self, line: str) -> None:
        bare = _STRINGS.sub("", line) if '"' in line else line
        self._depth += bare.count("{") - bare.count("}")
        self._lines.append(line)


class _Array:
    """The objects of one array, however it is printed.

    An object that does not end yet is tried again only when the text has doubled, so that a large one costs
    no more than a few times its length.
    """

    def __init__(self) -> None:
        self.ended = False
        self.rest = ""
        """The text after the array."""

        self._text = ""
        self._try_at = 0

    def feed(self, text: str) -> Iterator[Chunk]:
        self.rest = ""
        self._text += text
        if len(self._text) < self._try_at:
            return
        at = self._text.index("[") + 1 if self._try_at == 0 else 0
        while True:
            gap = _GAP.match(self._text, at)
            at = gap.end() if gap else at
            if not self._text.startswith("{", at):
                break
            try:
                chunk, at = _SCANNER.raw_decode(self._text, at)
            except (ValueError, RecursionError):
                break
            yield chunk
        self.ended = at < len(self._text) and self._text[at] != "{"
        if self.ended:
            self.rest = self._text[at:].removeprefix("]")
        self._text = self._text[at:]
        self._try_at = max(1, 2 * len(self._text))


def decoded_chunk(text: str) -> Chunk | None:
    """The JSON object that a text is; halves of surrogate pairs may be in it."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        try:
            value = _SCANNER.decode(text) if "\\u" in text else None
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None
