"""Messages: a role and content, with what providers and loggers put beside the content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from heliscore.domain.messages import shortened
from heliscore.providers.content import beside, read_content, thinking_texts
from heliscore.providers.media import image_from, read_media
from heliscore.providers.tool_parts import read_tool
from heliscore.providers.turns import Json, Piece, Speaker, Text, Thinking, ToolCall, Turn, group, marked
from heliscore.providers.usage import mapping

_SPEAKERS: Final[dict[str, Speaker]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "chatbot": "assistant",
    "bot": "assistant",
    "tool": "tool",
    "function": "tool",
    "ipython": "tool",
    "error": "error",
}

_READ: Final = frozenset(
    (
        "role",
        "content",
        "parts",
        "blocks",
        "message",
        "tool_calls",
        "toolCalls",
        "function_call",
        "reasoning_content",
        "reasoning",
        "reasoning_details",
        "thinking",
        "thinking_blocks",
        "tool_plan",
        "refusal",
        "images",
        "audio",
        "additional_kwargs",
        "type",
        "id",
        "name",
        "status",
        "phase",
        "index",
        "tool_call_id",
        "tool_name",
        "cache_control",
        "input_variables",
        "template_format",
        "response_metadata",
        "usage_metadata",
        "provider_specific_fields",
        "logprobs",
        "encrypted_content",
        "raw_request_display_role",
    )
)
"""Keys of a message that are read, or that say nothing of what was said. Of others the JSON is shown."""

_OF_MESSAGES: Final = _READ - {"type", "id", "name", "status", "index", "thinking", "reasoning", "audio"}
"""Keys that only messages have."""

_ORDINARY_ENDS: Final = frozenset(
    (
        "",
        "stop",
        "end_turn",
        "stop_sequence",
        "stop_str",
        "tool_use",
        "tool_calls",
        "tool_call",
        "function_call",
        "complete",
        "completed",
        "finish",
        "finished",
        "eos",
        "eos_token",
        "end_of_sequence",
        "endoftext",
        "load",
        "unload",
        "unspecified",
        "finish_reason_unspecified",
        "unknown",
        "done",
    )
)
"""Reasons for which whole answers end, in lower case with underscores. Any other cuts an answer off."""


def read_messages(messages: Iterable[object], default: Speaker = "user") -> list[Turn]:
    """The turns of messages, in order; `default` speaks where a message names no role."""
    return [turn for message in messages for turn in read_message(message, default)]


def read_message(message: object, default: Speaker, end: object = None) -> list[Turn]:
    """The turns of one message, at least one; `end` is the provider's reason why it ended."""
    mark = cut_off(end)
    if not isinstance(message, dict):
        turns = group(read_content(message), default)
        return marked(turns or [Turn(default, [Json("message", message)])], mark)
    if _is_item(message) and (pieces := list(read_content(message))):
        return marked(group(pieces, default), mark)
    speaker, label = _speaker(message, default)
    pieces = list(_pieces(message))
    if not pieces and not mark:
        pieces = [Piece(Text("") if message.get("content") == "" else Json("message", message))]
    answers = message.get("tool_call_id")
    turns = group(pieces, speaker, label, answers if isinstance(answers, str) else "")
    return marked(turns, mark) if pieces else [Turn(speaker, [], label, mark)]


def read_system(instructions: object) -> list[Turn]:
    """The turns of instructions that stand beside the messages."""
    if isinstance(instructions, dict) and instructions.get("role") in ("user", "model"):
        instructions = instructions.get("parts", instructions)
    return group((Piece(part) for part, *_ in read_content(instructions)), "system")


def cut_off(end: object) -> str:
    """The reason of an end, in the provider's word, where it is one that cuts an answer off."""
    if not isinstance(end, str):
        return ""
    name = end.rsplit(".", 1)[-1]  # an SDK's enumeration printed: FinishReason.STOP
    return "" if name.lower().replace("-", "_") in _ORDINARY_ENDS else name[:80]


def _is_item(message: dict[str, object]) -> bool:
    """Whether this is no message, but a call, a result, a thought or a part of one in its place."""
    if message.get("role") is None and isinstance(kind := message.get("type"), str) and kind != "message":
        return True
    return not message.keys() & _OF_MESSAGES


def _speaker(message: dict[str, object], default: Speaker) -> tuple[Speaker, str]:
    role, name = message.get("role"), message.get("name") or message.get("tool_name")
    label = shortened(name, 40) if isinstance(name, str) else ""
    if not isinstance(role, str) or not role:
        return default, label
    known = _SPEAKERS.get(role.rsplit(".", 1)[-1].lower())
    return (known, label) if known else ("other", label or shortened(role, 40))


def _pieces(message: dict[str, object]) -> Iterator[Piece]:
    """Everything that a message says, thinking first."""
    reasons = ("reasoning_content", "reasoning", "thinking", "reasoning_details", "thinking_blocks")
    held = next((message[key] for key in reasons if message.get(key)), None)
    if thought := "".join(thinking_texts(held)):
        yield Piece(Thinking(thought))
    if isinstance(plan := message.get("tool_plan"), str) and plan:
        yield Piece(Thinking(plan))
    called: list[object] = []
    for key in ("content", "parts", "blocks", "message"):
        if (content := message.get(key)) != "":
            for piece in read_content(content):
                called.append(_called(piece))
                yield piece
    if isinstance(refusal := message.get("refusal"), str) and refusal:
        yield Piece(Text(refusal), mark="refusal")
    yield from _media(message)
    yield from (
        piece for piece in _calls(message) if _called(piece) not in called
    )  # LangChain says them twice
    yield from (Piece(part) for part in beside(message, _READ))


def _called(piece: Piece) -> object:
    """The call without its id, which need not be said each time."""
    part = piece.part
    return msgspec.structs.replace(part, id="") if isinstance(part, ToolCall) else part


def _calls(message: dict[str, object]) -> Iterator[Piece]:
    for key in ("tool_calls", "toolCalls"):
        calls = message.get(key)
        for call in calls if isinstance(calls, list) else [calls] if calls else []:
            held = {name: value for name, value in mapping(call).items() if value is not None}
            tool = read_tool(held, read_content) or read_tool({**held, "type": "tool_call"}, read_content)
            yield from tool if held and tool else [Piece(Json(key, call))]
    if isinstance(message.get("function_call"), dict):
        yield from read_tool({"function_call": message["function_call"]}, read_content) or []
    extra = message.get("additional_kwargs")
    if isinstance(extra, dict) and not message.get("tool_calls") and "additional_kwargs" not in extra:
        yield from _calls(extra)


def _media(message: dict[str, object]) -> Iterator[Piece]:
    images = message.get("images")
    for image in images if isinstance(images, list) else []:
        media = image_from(image) if isinstance(image, str) else read_media(mapping(image))
        yield Piece(media or Json("image", image))
    if isinstance(audio := message.get("audio"), dict):
        if isinstance(transcript := audio.get("transcript"), str):
            yield Piece(Text(transcript))
        if media := read_media({"type": "audio", "audio": audio}):
            yield Piece(media)
