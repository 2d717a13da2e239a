"""Mistral's conversations: `outputs` of entries, and events. Its chat speaks OpenAI's format."""

from __future__ import annotations

from typing import Any, Final

from heliscore.providers.family import Chunk, Family, Fold
from heliscore.providers.messages import read_messages, read_system
from heliscore.providers.stream_parts import at, in_order, keep_latest, merge, settled
from heliscore.providers.tool_parts import decoded
from heliscore.providers.turns import Json, Speaker, ToolCall, Turn
from heliscore.providers.usage import mapping

_ENTRIES: Final = ("message.", "function.", "tool.", "agent.")


def read_request(body: Any) -> list[Turn] | None:
    """`inputs`, a text or entries."""
    match body:
        case {"inputs": [{"type": str(kind)} | {"role": str(kind)}, *_] as entries} if kind:
            return read_system(body.get("instructions")) + _read_entries(entries, "user")
        case {"inputs": str(text), "agent_id": str()} | {"inputs": str(text), "instructions": _}:
            return read_system(body.get("instructions")) + read_messages([text])
    return None


def read_response(body: Any) -> list[Turn] | None:
    """`outputs`."""
    match body:
        case {"outputs": [{"type": str(kind)}, *_] as entries} if kind.startswith(_ENTRIES):
            return _read_entries(entries, "assistant")
    return None


def _read_entries(entries: list[object], default: Speaker) -> list[Turn]:
    turns = []
    for entry in entries:
        held = mapping(entry)
        match held:
            case {"type": "function.call" | "tool.execution"}:
                arguments = decoded(held.get("arguments"))
                turns.append(Turn("assistant", [ToolCall(str(held.get("name")), arguments)]))
            case {"type": "function.result", "result": result}:
                turns += read_messages([{"role": "tool", "content": result}])
            case {"type": "agent.handoff"}:
                turns.append(Turn("assistant", [Json("agent.handoff", held)]))
            case _:
                turns += read_messages([entry], default)
    return turns


def open_stream(chunk: Chunk) -> Fold | None:
    """Events are named `conversation.…`, and `message.output.delta`."""
    kind = chunk.get("type")
    known = isinstance(kind, str) and kind.startswith(("conversation.response", "message.output.delta"))
    return _Events() if known else None


class _Events:
    """Entries by index."""

    certain = True

    def __init__(self) -> None:
        self.finished = False
        self._whole: dict[str, object] = {}
        self._entries: dict[int, dict[str, object]] = {}

    def add(self, chunk: Chunk) -> None:
        kind = str(chunk.get("type"))
        if kind.startswith("conversation.response"):
            keep_latest(self._whole, chunk, "type", "created_at", "error")
            self.finished = self.finished or kind.endswith(".done")
            return
        entry = at(self._entries, chunk.get("output_index"))
        name = kind.removesuffix(".delta").removesuffix(".started").removesuffix(".done")
        content = chunk.get("content")
        if isinstance(content, dict):
            content = content.get("text")
        said: dict[str, object] = {"content": content} if isinstance(content, str) else {}
        if kind in ("function.call.delta", "tool.execution.started", "tool.execution.delta"):
            said = {"arguments": chunk.get("arguments")}
        merge(entry, said)
        entry.update(
            {"type": name} | {key: chunk[key] for key in ("id", "name", "role", "model") if chunk.get(key)}
        )

    def whole(self) -> dict[str, object]:
        return {**self._whole, "outputs": settled(in_order(self._entries))}


FAMILY: Final = Family("mistral", read_request, read_response, open_stream=open_stream)
