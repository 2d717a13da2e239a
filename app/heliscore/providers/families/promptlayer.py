"""PromptLayer's blueprints, and the arguments of the calls that its SDKs and handlers log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from heliscore.providers.family import Family
from heliscore.providers.messages import read_message, read_messages
from heliscore.providers.turns import Speaker, Turn

_SAID: Final = (
    "messages",
    "system",
    "instructions",
    "system_instruction",
    "systemInstruction",
    "config",
    "input",
    "inputs",
    "contents",
    "prompt",
    "message",
    "preamble",
    "chat_history",
)
"""Keyword arguments that hold what the model is to read; the others are its parameters."""

_EMPTY: Final[tuple[object, ...]] = (None, "", "None", [], {})


def read_request(body: Any) -> list[Turn] | None:
    """A blueprint of a chat or a completion."""
    return _read(body, "user")


def read_response(body: Any) -> list[Turn] | None:
    """The same blueprint with the model's messages."""
    return _read(body, "assistant")


def _read(body: Any, default: Speaker) -> list[Turn] | None:
    match body:
        case {"type": "chat", "messages": [*messages]}:
            return read_messages(messages, default)
        case {"type": "completion", "content": content}:
            return read_message({"content": content}, default)
    return None


def said_in(arguments: Iterable[str]) -> list[str]:
    """The names of the keyword arguments that hold what was said, in order; none: nobody knows which."""
    names = set(arguments)
    return [name for name in _SAID if name in names]


def says_something(positional: object) -> bool:
    """Whether positional arguments hold what was said: handlers send `["None"]` where they have none."""
    return isinstance(positional, list) and any(each not in _EMPTY for each in positional)


FAMILY: Final = Family("promptlayer", read_request, read_response)
