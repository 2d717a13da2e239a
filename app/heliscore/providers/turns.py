"""A conversation as it is shown: turns of a speaker, made of texts, thinking, tool calls, media and JSON."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Final, Literal, NamedTuple

import msgspec

Speaker = Literal["system", "user", "assistant", "tool", "error", "other"]

_TITLE_LENGTH: Final = 200
_TITLE_TEXTS: Final = 1000
"""Characters of each text that are looked at for a title or an answer's beginning."""


class Text(msgspec.Struct, frozen=True, tag=True):
    """Plain text, with its line breaks."""

    text: str


class Thinking(msgspec.Struct, frozen=True, tag=True):
    """The model's reasoning, or the summary of it that the provider gives."""

    text: str


class ToolCall(msgspec.Struct, frozen=True, tag=True):
    """A call of a tool, a function, or one of the provider's own tools."""

    name: str
    arguments: object
    """Decoded where they came as JSON text; the text itself where that is no JSON."""

    id: str = ""
    """By which a result names the call; empty where none is given."""


class Media(msgspec.Struct, frozen=True, tag=True):
    """A picture, a sound, a video or a file."""

    kind: Literal["image", "audio", "video", "file"]
    url: str
    """A `data:` URL, the address of a remote file, or empty where only an id is known."""

    name: str = ""
    """A file's name, title or id."""


class Json(msgspec.Struct, frozen=True, tag=True):
    """A value that has no better form."""

    title: str
    value: object


Part = Text | Thinking | ToolCall | Media | Json


class Turn(msgspec.Struct, frozen=True):
    """What one side said at once."""

    speaker: Speaker
    parts: list[Part]
    label: str = ""
    """The name of the tool or participant, or the role that a speaker `other` was given."""

    mark: str = ""
    """Why the answer is not whole: the provider's word (`length`, `SAFETY`, `refusal`), or `broken off`."""

    answers: str = ""
    """The id of the call that a tool answers; empty where none is given."""


class Conversation(msgspec.Struct, frozen=True):
    """A request and its response, in order."""

    turns: list[Turn]

    asked: int = 0
    """How many of the turns are the request's; those of the response follow."""

    @property
    def title(self) -> str:
        """The beginning of the user's last words, on one line; empty where there are none."""
        for turn in reversed(self.turns):
            if turn.speaker == "user":
                texts = [part.text[:_TITLE_TEXTS] for part in turn.parts if isinstance(part, Text)]
                if line := _one_line(texts):
                    return line
        return ""

    @property
    def answer(self) -> str:
        """The beginning of the last turn if it is the model's or an error, on one line: its text, or else
        the tools that it calls; empty where there is neither."""
        last = self.turns[-1] if self.turns else None
        if last is None or last.speaker not in ("assistant", "error"):
            return ""
        texts = [part.text[:_TITLE_TEXTS] for part in last.parts if isinstance(part, Text)]
        calls = [f"{part.name}(…)" for part in last.parts if isinstance(part, ToolCall)]
        return _one_line(texts) or _one_line(calls)


def _one_line(texts: Iterable[str]) -> str:
    line = " ".join(" ".join(texts).split())
    return line if len(line) <= _TITLE_LENGTH else line[:_TITLE_LENGTH] + "…"


class Piece(NamedTuple):
    """A part on its way into a turn; `speaker` where it is not the message's own."""

    part: Part
    speaker: Speaker | None = None
    label: str = ""
    mark: str = ""
    answers: str = ""


def group(pieces: Iterable[Piece], speaker: Speaker, label: str = "", answers: str = "") -> list[Turn]:
    """Make turns of the pieces of one message: neighbours of the same speaker and label that answer the same
    call share a turn."""

    def side(piece: Piece) -> tuple[Speaker, str, str]:
        if piece.speaker is None:
            return speaker, label, answers
        return piece.speaker, piece.label, piece.answers

    turns = []
    for (who, name, call), run in groupby(pieces, side):
        said = list(run)
        mark = joined_marks(piece.mark for piece in said)
        turns.append(Turn(who, [piece.part for piece in said], name, mark, call))
    return turns


def joined_marks(marks: Iterable[str]) -> str:
    """Each mark once."""
    return ", ".join(dict.fromkeys(mark for mark in marks if mark))


def marked(turns: list[Turn], mark: str) -> list[Turn]:
    """Put a mark on the last turn; without any turn, on an empty one of the assistant."""
    if not mark:
        return turns
    *before, last = turns or [Turn("assistant", [])]
    return [*before, msgspec.structs.replace(last, mark=joined_marks((last.mark, mark)))]
