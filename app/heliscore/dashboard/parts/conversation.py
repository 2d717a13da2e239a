"""Reads logged bodies of any provider as a conversation.

Known are OpenAI's chat, completions and responses, Anthropic's messages, Gemini's contents and PromptLayer's
blueprints. Other bodies, and parts of a message that are not text, are shown as JSON: nothing is left out.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from heliscore.domain.messages import shortened

_FOLDED_FROM: Final = 6_000
"""A text of more characters is folded after _FIRST_PART."""

_FIRST_PART: Final = 2_500
_MOST: Final = 200_000
"""Characters of a text that a page holds at most."""

_ROLES: Final = {"model": "assistant", "human": "user", "ai": "assistant", "developer": "system"}
_PREVIEW: Final = 200


class Part(msgspec.Struct, frozen=True):
    """A part of a message: a text, or JSON under a title."""

    text: str
    title: str = ""
    """The kind of the JSON; empty for a text."""

    @property
    def shown(self) -> str:
        """The part of the text that is visible at first."""
        return self.text if len(self.text) <= _FOLDED_FROM else self.text[:_FIRST_PART]

    @property
    def folded(self) -> str:
        """The rest of the text."""
        return "" if len(self.text) <= _FOLDED_FROM else self.text[_FIRST_PART:_MOST]

    @property
    def left_out(self) -> int:
        """The number of characters that the page does not hold."""
        return max(0, len(self.text) - _MOST)


class Turn(msgspec.Struct, frozen=True):
    """One message."""

    role: str
    parts: list[Part]

    @property
    def look(self) -> str:
        """The class of the role in the style sheet."""
        return self.role if self.role in ("system", "user", "assistant", "tool", "error") else "other"


def read_conversation(request_body: bytes | None, response_body: bytes | None) -> list[Turn]:
    """Read the messages of a request and its response. Bodies are JSON."""
    return _read(request_body, "request", _asked) + _read(response_body, "response", _answered)


def preview(request_body: bytes | None) -> str:
    """The beginning of the last user message, on one line; empty if there is none."""
    said = [turn for turn in _read(request_body, "", _asked) if turn.role == "user"]
    texts = [part.text for part in said[-1].parts if not part.title] if said else []
    return shortened(" ".join(" ".join(text[:1000] for text in texts).split()), _PREVIEW)


def indented(body: bytes) -> str:
    """Format the JSON of a body with one value a line."""
    try:
        return msgspec.json.format(body, indent=2).decode()
    except RecursionError:
        return body.decode()


def _read(body: bytes | None, role: str, layout: Any) -> list[Turn]:
    if body is None:
        return []
    try:
        raw = msgspec.json.decode(body)
        turns: list[Turn] | None = layout(raw)
    except RecursionError:
        turns = None
    if turns is None:
        return [Turn(role, [Part(indented(body), "JSON")])]
    return turns


def _asked(raw: Any) -> list[Turn] | None:
    """Read a request's body; None if its format is not known."""
    match raw:
        case str():
            return [Turn("user", [Part(raw)])]
        case [dict(), *_]:
            return _messages(raw, "user")
        case {"messages": [*messages]}:
            return _system(raw.get("system")) + _messages(messages, "user")
        case {"contents": [*contents]}:
            return _system(raw.get("systemInstruction")) + _messages(contents, "user")
        case {"prompt": str() | [str(), *_] as prompt}:
            return [Turn("user", _parts(text)) for text in _listed(prompt)]
        case {"input": str() | [_, *_] as input_}:
            return _system(raw.get("instructions")) + _messages(_listed(input_), "user")
        case {"type": "completion", "content": content}:
            return [Turn("user", _parts(content))]
    return None


def _answered(raw: Any) -> list[Turn] | None:
    """Read a response's body; None if its format is not known."""
    match raw:
        case str():
            return [Turn("assistant", [Part(raw)])]
        case {"error": error} if error:
            return [Turn("error", _error(error))]
        case {"choices": [*choices]}:
            return [_choice(choice) for choice in choices]
        case {"candidates": [*candidates]}:
            return _messages([_inside(candidate, "content") for candidate in candidates], "assistant")
        case {"output": [*output]}:
            return _messages(output, "assistant")
        case {"messages": [*messages]}:
            return _messages(messages, "assistant")
        case {"content": content, **beside} if "role" in beside or beside.get("type") == "completion":
            return [Turn("assistant", _parts(content))]
    return None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _inside(value: object, key: str) -> object:
    return value[key] if isinstance(value, dict) and key in value else value


def _system(raw: object) -> list[Turn]:
    return [Turn("system", _parts(raw))] if raw else []


def _error(error: object) -> list[Part]:
    match error:
        case {"message": str(message), **beside}:
            return [Part(message), *(_json(beside, "details") if beside else [])]
        case _:
            return _parts(error)


def _choice(choice: object) -> Turn:
    match choice:
        case {"message": message}:
            [turn] = _messages([message], "assistant")
            return turn
        case {"text": str(text)}:
            return Turn("assistant", [Part(text)])
    return Turn("assistant", _json(choice, "choice"))


def _messages(messages: list[Any], role: str) -> list[Turn]:
    return [_message(message, role) for message in messages]


def _message(message: object, role: str) -> Turn:
    if not isinstance(message, dict):
        return Turn(role, _parts(message))
    named = message.get("role")
    if isinstance(named, str) and named:
        role = _ROLES.get(named, named)
    parts = [*_parts(message.get("content")), *_parts(message.get("parts"))]
    for key, value in message.items():
        if key not in ("role", "content", "parts", "type", "id", "status") and value not in (
            None,
            "",
            [],
            {},
        ):
            parts += [Part(value, key)] if isinstance(value, str) else _json(value, key)
    return Turn(shortened(role, 40), parts or _json(message, "message"))


def _parts(content: object) -> list[Part]:
    match content:
        case None:
            return []
        case str():
            return [Part(content)]
        case list():
            return [part for piece in content for part in _piece(piece)]
        case {"parts": [*pieces]}:
            return _parts(pieces)
    return _piece(content)


def _piece(piece: object) -> list[Part]:
    match piece:
        case str():
            return [Part(piece)]
        case {"text": str(text), **beside} if beside.keys() <= {"type", "annotations", "input_variables"}:
            return [Part(text)]
        case {"thinking": str(text)}:
            return [Part(text, "thinking")]
        case {"type": "tool_result", "content": content, **beside}:
            return [*_json(beside, "tool_result"), *_parts(content)]
        case {"type": str(kind)}:
            return _json(piece, kind)
    return _json(piece, "JSON")


def _json(value: object, title: str) -> list[Part]:
    return [Part(indented(msgspec.json.encode(value)), shortened(title, 40))]
