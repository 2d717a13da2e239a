"""Helicone's own formats for its manual logger: calls of tools, vector stores and models of any make."""

from __future__ import annotations

from typing import Any, Final

from heliscore.providers.content import beside
from heliscore.providers.family import Family
from heliscore.providers.turns import Text, ToolCall, Turn

_SILENT: Final = frozenset(("_type", "toolName", "input", "message", "status", "statusCode"))


def read_request(body: Any) -> list[Turn] | None:
    """A tool's name and input."""
    match body:
        case {"_type": "tool", "toolName": str(name)}:
            return [Turn("assistant", [ToolCall(name, body.get("input")), *beside(body, _SILENT)])]
        case {"_type": "vector_db" | "data", "text": str(text)}:
            return [Turn("user", [Text(text), *beside(body, _SILENT | {"text"})])]
        case {"input": {"prompt": str(text)}}:
            return [Turn("user", [Text(text)])]
    return None


def read_response(body: Any) -> list[Turn] | None:
    """What a tool answered, or a bare `text` or `output`, which may be in pieces."""
    match body:
        case {"_type": "tool" | "vector_db" | "data", "message": str(message)}:
            return [Turn("tool", [Text(message), *beside(body, _SILENT)])]
        case {"text": str(text)} | {"output": str(text)} | {"output_text": str(text)}:
            return [Turn("assistant", [Text(text)])]
        case {"output": [str(), *_] as texts} if all(isinstance(text, str) for text in texts):
            return [Turn("assistant", [Text("".join(texts))])]  # Replicate's tokens
    return None


FAMILY: Final = Family("helicone", read_request, read_response)
