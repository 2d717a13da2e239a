"""Lays a conversation out for the request's page: each turn as blocks of safe HTML, JSON and media.

A page stays readable and quick whatever was logged: long texts are folded, and what it cannot hold is
counted. The newest turns are laid out first, so what was said last gets the most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, assert_never

import msgspec
from markupsafe import Markup

from heliscore.api.http.large_work import LARGE_BYTES
from heliscore.dashboard.parts.markdown import has_syntax, render_markdown, render_plain
from heliscore.dashboard.parts.shown_json import MAX_INDENTED, abridged, find_json, indented, on_one_line
from heliscore.dashboard.parts.shown_media import show_media
from heliscore.dashboard.parts.turn_order import Order, Step, order_turns
from heliscore.providers.exchange import read_conversation
from heliscore.providers.turns import Conversation, Json, Media, Part, Speaker, Text, Thinking, ToolCall, Turn

_FOLDED_FROM: Final = 6_000
"""A text of more characters is folded after about _FIRST_PART."""

_FIRST_PART: Final = 2_500
_MOST: Final = 200_000
"""Characters of a text, or of a body's JSON, that a page holds at most."""

_MOST_TEXT: Final = 2_000_000
"""Characters of all texts that a page holds."""

_MOST_MARKDOWN: Final = 50_000
"""Characters that are rendered as Markdown, which takes 3 to 6 µs each; others are shown as they are."""

_MOST_MEDIA: Final = 40 << 20
"""Characters of all `data:` URLs."""

_MANY_VALUES: Final = 50_000

_ONE_LINE: Final = 72
"""The arguments of a call are shown on one line if they have at most so many characters."""


class Block(msgspec.Struct, frozen=True):
    """A part of a turn. Texts are HTML; JSON is a string that the template escapes."""

    kind: Literal["text", "thinking", "json", "call", "image", "audio", "link", "note"]
    shown: str
    """What is visible at first; of media the address or the note."""

    title: str = ""
    folded: str = ""
    folded_length: int = 0
    left_out: int = 0
    """The number of characters that the page does not hold."""

    results: Sequence[Result] = ()
    """Of a call."""


class Result(msgspec.Struct, frozen=True):
    """What a tool answered to a call."""

    label: str
    """The tool's name if it is not the call's, or that it failed."""

    blocks: list[Block]


class ShownTurn(msgspec.Struct, frozen=True):
    """A turn as the template shows it."""

    speaker: Speaker
    heading: str
    label: str
    mark: str
    blocks: list[Block]


class BodyJson(msgspec.Struct, frozen=True):
    """The JSON of a logged body."""

    title: str
    shown: str
    length: int
    """Characters of the whole JSON."""


class Layout(msgspec.Struct, frozen=True):
    """All that the page says of the bodies."""

    title: str
    turns: list[ShownTurn]
    bodies: list[BodyJson]
    answer: int | None = None
    """The index of the turn that is judged."""

    earlier: int = 0
    """How many turns, from the first on, are folded."""


def working_size(*bodies: bytes | None) -> int:
    """How much work it is to read the bodies, as a number of bytes for `LargeWork`: long strings, such as
    pictures, are decoded quickly."""
    held = [body for body in bodies if body is not None]
    size = sum(map(len, held))
    if size <= LARGE_BYTES or sum(body.count(b",") for body in held) > _MANY_VALUES:
        return size
    return LARGE_BYTES


def lay_out(request_body: bytes | None, response_body: bytes | None) -> Layout:
    """Read the bodies, which are JSON, as a conversation. Takes up to a second for tens of megabytes."""
    try:
        conversation = _read(request_body, response_body)
        order = order_turns(conversation)
        turns = _lay_out_turns(order)
    except RecursionError:
        conversation = _undecoded(request_body, response_body)
        order = order_turns(conversation)
        turns = _lay_out_turns(order)
    bodies = [
        _body_json(title, body)
        for title, body in (("Request", request_body), ("Response", response_body))
        if body is not None
    ]
    return Layout(conversation.title, turns, bodies, order.answer, order.earlier)


def read_title(request_body: bytes | None) -> str:
    """The title of a conversation of which only the request is at hand; empty if it has none."""
    try:
        return _read(request_body, None).title
    except RecursionError:
        return ""


def read_preview(request_body: bytes | None, response_body: bytes | None) -> tuple[str, str]:
    """The title of a conversation, and the beginning of its answer; empty where there is none."""
    try:
        conversation = _read(request_body, response_body)
    except RecursionError:
        return "", ""
    return conversation.title, conversation.answer if response_body is not None else ""


def _read(request_body: bytes | None, response_body: bytes | None) -> Conversation:
    return read_conversation(_decode(request_body), _decode(response_body))


def _undecoded(request_body: bytes | None, response_body: bytes | None) -> Conversation:
    """Bodies that are nested too deeply, as they are."""
    return Conversation(
        [
            Turn("other", [Json("JSON", body.decode())], label)
            for label, body in (("request", request_body), ("response", response_body))
            if body is not None
        ]
    )


def _lay_out_turns(order: Order) -> list[ShownTurn]:
    sheet = _Sheet()
    return [sheet.turn(step) for step in reversed(order.steps)][::-1]


def _decode(body: bytes | None) -> object:
    return None if body is None else msgspec.json.decode(body)


def _body_json(title: str, body: bytes) -> BodyJson:
    text = indented(body) if len(body) <= MAX_INDENTED else body.decode()
    return BodyJson(title, text[:_MOST], len(text))


class _Sheet:
    """The page while it is being filled: how much it still holds."""

    def __init__(self) -> None:
        self._text = _MOST_TEXT
        self._markdown = _MOST_MARKDOWN
        self._media = _MOST_MEDIA

    def turn(self, step: Step) -> ShownTurn:
        turn = step.turn
        heading, label = (
            (turn.label or "other", "") if turn.speaker == "other" else (turn.speaker, turn.label)
        )
        blocks = [self._block(part, step.results.get(at, ())) for at, part in enumerate(turn.parts)]
        return ShownTurn(turn.speaker, heading, label, turn.mark, blocks)

    def _block(self, part: Part, results: Sequence[Turn] = ()) -> Block:
        match part:
            case Text(text):
                return self._text_block("text", text)
            case Thinking(text):
                return self._text_block("thinking", text)
            case ToolCall():
                return self._call_block(part, results)
            case Json(title, value):
                return self._json_block(title, value)
            case Media():
                return self._media_block(part)
        assert_never(part)

    def _text_block(self, kind: Literal["text", "thinking"], text: str) -> Block:
        if kind == "text" and (formatted := find_json(text)) is not None:
            return self._json_block("", formatted)
        begin, rest, left_out = self._cut(text)
        folded = self._render(rest) if rest else ""
        return Block(kind, self._render(begin), "", folded, len(rest) + left_out, left_out)

    def _json_block(self, title: str, value: object) -> Block:
        text = value if isinstance(value, str) else indented(msgspec.json.encode(abridged(value)))
        begin, rest, left_out = self._cut(text)
        return Block("json", begin, title, rest, len(rest) + left_out, left_out)

    def _call_block(self, call: ToolCall, results: Sequence[Turn]) -> Block:
        arguments = call.arguments
        if not isinstance(arguments, str) and len(line := on_one_line(arguments)) <= _ONE_LINE:
            arguments = line
        block = self._json_block(call.name, arguments)
        shown = [
            Result("" if turn.label == call.name else turn.label, [self._block(part) for part in turn.parts])
            for turn in results
        ]
        return msgspec.structs.replace(block, kind="call", results=shown)

    def _media_block(self, media: Media) -> Block:
        shown = show_media(media, self._media)
        if shown.form in ("image", "audio"):
            self._media -= len(shown.url)
        return Block(shown.form, shown.url, shown.text)

    def _cut(self, text: str) -> tuple[str, str, int]:
        """What is visible, what is folded, and how much is left out."""
        kept = text[: min(_MOST, self._text)]
        self._text -= len(kept)
        at = len(kept) if len(kept) <= _FOLDED_FROM else _find_break(kept)
        return kept[:at], kept[at:], len(text) - len(kept)

    def _render(self, text: str) -> Markup:
        if len(text) > self._markdown or not has_syntax(text):
            return render_plain(text)
        self._markdown -= len(text)
        return render_markdown(text)


def _find_break(text: str) -> int:
    """Where a long text is folded: between paragraphs, not in a block of code, if there is such a place."""
    at = text.rfind("\n\n", 0, _FIRST_PART)
    while at > 0 and text.count("```", 0, at) % 2:
        at = text.rfind("\n\n", 0, at)
    return at + 2 if at > 0 else _FIRST_PART
