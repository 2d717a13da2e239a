"""Calls of tools and their results in the content of messages, in all spellings.

A call is the assistant's and a result the tool's, whichever message they stand in: Anthropic and Gemini want
results in messages of the user.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from heliscore.providers.turns import Json, Media, Piece, Text, ToolCall
from heliscore.providers.usage import mapping

ReadContent = Callable[[object], Iterator[Piece]]
"""Reads the content of a result, which may hold any part."""

_QUIET: Final = frozenset(
    ("type", "id", "call_id", "status", "role", "caller", "index", "cache_control", "created_by", "agent")
)
"""Keys of a provider's own calls that say nothing of what was called."""

_RESULTS: Final = ("output", "outputs", "results", "result")


def read_tool(part: dict[str, object], read_content: ReadContent) -> list[Piece] | None:
    """The pieces of a part that is a call, a result or both; None where it is neither. Nulls are out."""
    return _read_typed(part, read_content) or _read_keyed(part, read_content)


def decoded(arguments: object) -> object:
    """The value of a JSON text; anything else as it is."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return msgspec.json.decode(arguments)
    except (ValueError, RecursionError):
        return arguments


def without_ciphers(value: object) -> object:
    """The value without what the provider encrypted for itself, at its first two levels."""
    match value:
        case [*items]:
            return [without_ciphers(item) if isinstance(item, dict) else item for item in items]
        case dict():
            return {key: item for key, item in value.items() if not str(key).startswith("encrypted")}
    return value


def _read_typed(part: dict[str, object], read_content: ReadContent) -> list[Piece] | None:
    match part:
        case {"type": "tool_use" | "server_tool_use" | "mcp_tool_use" | "tool_call" | "tool-call"}:
            return [_call(part)]
        case {"block_type": "tool_call"}:
            return [_call(part)]
        case {"type": "function" | "custom", "function": dict(called)} | {
            "type": "custom",
            "custom": dict(called),
        }:
            return [_call(called, _id(part))]
        case {"type": "function_call" | "custom_tool_call", "name": str()}:
            return [_call(part)]
        case {"type": "tool_result" | "tool-result"}:
            return _result(part, _first_text(part, "toolName", "tool_name", "name"), read_content)
        case {"type": str(kind)} if kind.endswith("_tool_result"):
            return _result(part, kind, read_content)
        case {"type": str(kind)} if kind.endswith("_output") and "output" in part:
            return _result({**part, "content": part["output"]}, "", read_content)
        case {"type": str(kind)} if kind.endswith("_call"):
            return _own_call(part, kind, read_content)
    return None


def _read_keyed(part: dict[str, Any], read_content: ReadContent) -> list[Piece] | None:
    """Gemini and Bedrock name what a part is by its one key."""
    match part:
        case {"functionCall": dict(called)} | {"function_call": dict(called)} | {"toolUse": dict(called)}:
            return [_call(called)]
        case {"function": {"name": str()}}:
            return [_call(part["function"], _id(part))]
        case {"functionResponse": dict(answer)} | {"function_response": dict(answer)}:
            response = mapping(answer.get("response"))
            said = response if response.keys() - {"output", "result"} else next(iter(response.values()), {})
            name, call = _first_text(answer, "name"), _first_text(answer, "id")
            pieces = _result({"content": said, "call_id": call}, name, read_content)
            return [*pieces, *_theirs(read_content(answer.get("parts")))]
        case {"toolResult": dict(answer)}:
            return _result({**answer, "is_error": answer.get("status") == "error"}, "", read_content)
        case {"executableCode": dict(code)} | {"executable_code": dict(code)}:
            return [Piece(ToolCall("executable_code", code.get("code", code)), "assistant")]
        case {"codeExecutionResult": dict(ran)} | {"code_execution_result": dict(ran)}:
            return [Piece(Text(str(ran.get("output", ""))), "tool", _first_text(ran, "outcome"))]
    return None


def _call(called: dict[str, object], id_: str = "") -> Piece:
    for key in ("arguments", "input", "args", "parameters", "tool_kwargs"):
        if key in called:
            return Piece(ToolCall(_name(called), decoded(called[key]), id_ or _id(called)), "assistant")
    return Piece(ToolCall(_name(called), {}, id_ or _id(called)), "assistant")


def _id(part: dict[str, object]) -> str:
    """The id by which results name a call. Responses' items have another one of their own beside it."""
    return _first_text(part, "call_id", "toolUseId", "toolCallId", "tool_call_id", "id")


def _name(called: dict[str, object]) -> str:
    name = _first_text(called, "name", "toolName", "tool_name")
    server = _first_text(called, "server_label", "server_name")
    return f"{server}.{name}" if server else name


def _result(part: dict[str, object], label: str, read_content: ReadContent) -> list[Piece]:
    """What a tool answered; a value of the tool's own making stays JSON."""
    content = part.get("content", part.get("output", part.get("result")))
    call = _first_text(part, "tool_use_id", "toolUseId", "toolCallId", "tool_call_id", "call_id")
    if part.get("is_error") is True or part.get("isError") is True:
        label = f"{label} error".strip()
    match content:
        case None | "" | []:
            return [Piece(Text(""), "tool", label, answers=call)]
        case {"type": "text" | "json" | "error-text" | "error-json", "value": value}:  # the AI SDK's envelope
            return _result({"content": value, "call_id": call}, label, read_content)
        case str() | [{"type": "text" | "output_text" | "input_text"} | {"text": str()} | str(), *_]:
            pieces = list(read_content(content))
        case [dict(), *_] | {"type": str()} if not str(mapping(part).get("type", "")).endswith(
            "_tool_result"
        ):
            pieces = list(read_content(content))
        case _:
            pieces = [Piece(Json("", without_ciphers(content)))]
    return list(_theirs(pieces, label, call))


def _theirs(pieces: Iterator[Piece] | list[Piece], label: str = "", call: str = "") -> Iterator[Piece]:
    return (Piece(piece.part, "tool", label, piece.mark, call) for piece in pieces)


def _own_call(part: dict[str, object], kind: str, read_content: ReadContent) -> list[Piece]:
    """A call that the provider runs itself, with its result where it stands in the same item."""
    said = {key: value for key, value in part.items() if key not in _QUIET}
    if kind == "image_generation_call" and isinstance(data := said.pop("result", None), str):
        return [Piece(Media("image", f"data:image/png;base64,{data}", ""), "assistant")]
    outcome = next((said.pop(key) for key in _RESULTS if said.get(key)), None)
    name = _name(said) or kind
    arguments = decoded(said.pop("arguments", None)) or {
        key: value for key, value in said.items() if value and key not in ("name", "server_label")
    }
    call = Piece(ToolCall(name, arguments, _id(part)), "assistant")
    answer = {"content": outcome, "call_id": _id(part)}
    return [call, *(_result(answer, name, read_content) if outcome else [])]


def _first_text(held: dict[str, object], *names: str) -> str:
    return next((value for name in names if isinstance(value := held.get(name), str)), "")
