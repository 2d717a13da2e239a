"""The content of a message, in all spellings: texts, thinking, and what `tool_parts` and `media` know.

Formats mix: a proxy passes Anthropic's parts on in OpenAI's messages, and SDKs write a dozen nulls beside
each text. So a part is read by what it holds, whichever provider's message it stands in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from heliscore.domain.messages import shortened
from heliscore.providers.media import read_media
from heliscore.providers.tool_parts import ReadContent, read_tool, without_ciphers
from heliscore.providers.turns import Json, Part, Piece, Text, Thinking

_DEEPEST: Final = 40
"""Levels of content within content that are looked into."""

_SILENT: Final = frozenset(
    (
        "type",
        "block_type",
        "text",
        "id",
        "index",
        "role",
        "status",
        "phase",
        "cache_control",
        "cachePoint",
        "cache_point",
        "signature",
        "thought",
        "thoughtSignature",
        "thought_signature",
        "logprobs",
        "input_variables",
        "template_format",
        "providerOptions",
        "providerMetadata",
        "extras",
        "format",
        "encrypted_content",
        "p",
    )
)
"""Keys beside a text that add nothing to what was said. Of others the JSON is shown, if it is not empty."""

_THINKING_TEXTS: Final = (
    "thinking",
    "reasoning",
    "reasoning_content",
    "reasoningContent",
    "reasoningText",
    "summary",
    "content",
    "text",
)
"""Keys under which thinking stands, itself or further in."""


def read_content(content: object, depth: int = 0) -> Iterator[Piece]:
    """The pieces of a message's content, in order; nothing of it is left out."""
    match content:
        case None | []:
            return
        case str():
            yield Piece(Text(content))
        case dict() if depth < _DEEPEST:
            yield from _read_part({key: value for key, value in content.items() if value is not None}, depth)
        case [*parts] if depth < _DEEPEST and any(isinstance(part, str | dict | list) for part in parts):
            for part in parts:
                yield from read_content(part, depth + 1)
        case _:
            yield Piece(Json("JSON", content))


def thinking_texts(value: object, depth: int = 0) -> Iterator[str]:
    """The texts of a model's thinking, which stand in a string, a list or an object."""
    match value:
        case str():
            yield value
        case [*items] if depth < _DEEPEST:
            for item in items:
                yield from thinking_texts(item, depth + 1)
        case dict() if depth < _DEEPEST:
            for key in _THINKING_TEXTS:
                yield from thinking_texts(value.get(key), depth + 1)


def beside(held: dict[str, object], silent: frozenset[str] = _SILENT) -> list[Part]:
    """What an object holds beside the keys that need not be shown, as JSON."""
    return [
        Json(shortened(str(key), 40), without_ciphers(value))
        for key, value in held.items()
        if key not in silent and value not in (None, "", [], {}, False)
    ]


def _read_part(part: dict[str, object], depth: int) -> Iterator[Piece]:
    """The pieces of an object without nulls."""

    def inner(content: object) -> Iterator[Piece]:
        return read_content(content, depth + 1)

    if not part:
        return
    if (tool := read_tool(part, inner)) is not None:
        yield from tool
    elif _is_thinking(part):
        texts = [text for text in thinking_texts({**part, "type": None}) if text]
        if texts:
            yield Piece(Thinking("\n\n".join(texts)), "assistant")
        elif _is_redacted(part):
            yield Piece(Json("redacted_thinking", {}), "assistant")
    elif (text := _plain_text(part)) is not None:
        mark = "refusal" if part.get("type") == "refusal" else ""
        yield Piece(Text(text), mark=mark)
        yield from (Piece(other) for other in beside(part, _SILENT | {"refusal", "source"}))
    elif (media := read_media(part)) is not None:
        yield Piece(media)
    else:
        yield from _read_envelope(part, inner)


def _is_thinking(part: dict[str, object]) -> bool:
    match part:
        case {"type": "thinking" | "redacted_thinking" | "reasoning" | "reasoning_text" | "summary_text"}:
            return True
        case {"block_type": "thinking"} | {"reasoningContent": dict()}:
            return True
        case {"thought": True, "text": str()}:
            return True
        case {"type": str(kind)} if kind.startswith("reasoning."):  # OpenRouter's reasoning_details
            return True
    return False


def _is_redacted(part: dict[str, object]) -> bool:
    match part:
        case {"type": "redacted_thinking"} | {"reasoningContent": {"redactedContent": _}}:
            return True
    return False


def _plain_text(part: dict[str, object]) -> str | None:
    match part:
        case {"type": "refusal", "refusal": str(text)}:
            return text
        case {"text": str(text)} | {"text": {"value": str(text)}} | {"text": {"text": str(text)}}:
            return text
        case {"source": {"type": "text", "data": str(text)}}:
            return text
    return None


def _read_envelope(part: dict[str, object], inner: ReadContent) -> Iterator[Piece]:
    """Content within content; else JSON."""
    match part:
        case {"parts": list(content)} | {"blocks": list(content)}:
            yield from inner(content)
        case {"source": {"type": "content", "content": content}} | {"guardContent": content}:
            yield from inner(content)
        case {"json": value}:
            yield Piece(Json("JSON", value))
        case {"cachePoint": _} | {"type": "cache_point"} if len(part) <= 2:
            return
        case {"type": "compaction" | "container" | "message" | "text", "content": str() | list() as content}:
            yield from inner(content)
        case {"type": str(kind)}:
            yield Piece(Json(shortened(kind, 40), without_ciphers(part)))
        case _:
            yield Piece(Json("JSON", without_ciphers(part)))
