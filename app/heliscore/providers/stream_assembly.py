"""Putting a stream together: from its chunks to the whole response in the provider's own shape.

The whole response has one key more, `streamed`: the number of chunks, whether the stream broke off, and what
text stood beside the chunks.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable
from typing import Any, Final

import msgspec

from heliscore.providers.families.bedrock_invoke import unwrapped
from heliscore.providers.family import Chunk, Fold
from heliscore.providers.registry import open_stream
from heliscore.providers.stream_chunks import ChunkReader

STREAMED: Final = "streamed"

_STEP: Final = 16 * 1024
"""Characters of text that are read between two moments of giving way."""

_STEP_CHUNKS: Final = 100
_EXCEPTIONS: Final = "Exception"
"""How the names of Bedrock's events end that are errors."""


class Assembled(msgspec.Struct, frozen=True):
    """A stream that was put together."""

    body: dict[str, object]
    """The response as it would have come without streaming, with `error` if one came, and `streamed`."""

    chunks: int
    broken_off: bool
    """Whether the stream ended before the provider said so, or in the middle of a chunk."""

    beside: str
    """The text beside the chunks, such as a client's error message."""


class Assembler:
    """Takes a stream in pieces as they come, and makes the whole response of them."""

    def __init__(self) -> None:
        self._reader = ChunkReader()
        self._fold: Fold | None = None
        self._error: object = None
        self._chunks = 0
        self.is_list = False
        """Whether the chunks come in a list, which no whole response does."""

    def feed(self, text: str) -> None:
        """Take the next piece of the stream's text; it may end anywhere."""
        self.add(self._reader.feed(text))

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Take chunks that are decoded already."""
        for sent in chunks:
            chunk = unwrapped(sent)
            self._chunks += 1
            self._error = _error_in(chunk) or self._error
            self._fold = self._fold or open_stream(chunk)
            if self._fold is not None:
                self._fold.add(chunk)

    def finish(self) -> Assembled | None:
        """The whole response; None where what came is no stream."""
        self.add(self._reader.finish())
        reader, fold = self._reader, self._fold
        if not self._is_stream():
            return None
        body = fold.whole() if fold is not None else {}
        if self._error is not None:
            body["error"] = self._error
        ended = reader.is_done or (fold is not None and fold.finished) or self._error is not None
        broken_off = reader.broken or not ended
        notes = {"broken_off": True} if broken_off else {}
        beside = {"beside": reader.beside} if reader.beside else {}
        body[STREAMED] = {"chunks": self._chunks, **notes, **beside}
        if reader.has_halves:
            body = _mended(body)
        return Assembled(body, self._chunks, broken_off, reader.beside)

    def _is_stream(self) -> bool:
        """Whether what came cannot be a whole response, nor a text of another kind."""
        if self._fold is None:
            return self._error is not None and self._reader.is_events
        reader = self._reader
        return self._fold.certain or self.is_list or reader.is_events or reader.broken or self._chunks > 1


def assemble(sent: object) -> Assembled | None:
    """Put together a text or a list of chunks, at once; None where it is no stream."""
    steps = assemble_in_steps(sent)
    while True:
        try:
            next(steps)
        except StopIteration as stopped:
            result: Assembled | None = stopped.value
            return result


def assemble_in_steps(sent: Any) -> Generator[None, None, Assembled | None]:
    """Put together a text or a list of chunks, with a stop every few milliseconds to let others work."""
    assembler = Assembler()
    match sent:
        case str():
            for start in range(0, len(sent), _STEP):
                assembler.feed(sent[start : start + _STEP].removeprefix("\ufeff"))
                yield
        case [dict(), *_] if open_stream(unwrapped(sent[0])) and all(isinstance(each, dict) for each in sent):
            assembler.is_list = True
            for start in range(0, len(sent), _STEP_CHUNKS):
                assembler.add(sent[start : start + _STEP_CHUNKS])
                yield
        case _:
            return None
    return assembler.finish()


def _error_in(chunk: Chunk) -> object:
    """The error that a chunk tells of, in whichever way."""
    match chunk:
        case {"error": error} if error:
            return error
        case {"type": "error", "message": _}:
            return {key: value for key, value in chunk.items() if key not in ("type", "sequence_number")}
        case {"response": {"error": error}} if error:
            return error
    for name, value in chunk.items():
        if name.endswith(_EXCEPTIONS) and isinstance(value, dict):
            return {"type": name, **value}
    return None


def _mended(body: dict[str, object]) -> dict[str, object]:
    """The body with pairs of surrogates joined that came in two chunks, and U+FFFD for half a pair."""
    text = json.dumps(body, ensure_ascii=False)
    mended: dict[str, object] = json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return mended
