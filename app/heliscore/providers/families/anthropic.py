"""Anthropic's messages, at Anthropic, on Bedrock and on Vertex; and its completions of old."""

from __future__ import annotations

from typing import Any, Final

from heliscore.providers.family import Chunk, Family, Fold
from heliscore.providers.messages import cut_off, read_message, read_messages, read_system
from heliscore.providers.stream_parts import Pieces, at, in_order, keep_latest, parsed
from heliscore.providers.turns import Text, Turn, marked
from heliscore.providers.usage import Usage, completed, count, mapping

_EVENTS: Final = frozenset(
    (
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    )
)


def read_request(body: Any) -> list[Turn] | None:
    """`messages` beside a `system` that is a text or a list of texts."""
    match body:
        case {"system": str() | [*_] as system, "messages": [*messages]}:
            return read_system(system) + read_messages(messages)
    return None


def read_response(body: Any) -> list[Turn] | None:
    """A message with its `content`, or a completion."""
    match body:
        case {"content": [*_] | str(), "role": str()} | {"content": [*_], "type": "message"}:
            silent = ("stop_reason", "stop_sequence", "usage", "model", "id", "container", "stop_details")
            message = {key: value for key, value in body.items() if key not in silent}
            return read_message({"role": "assistant"} | message, "assistant", body.get("stop_reason"))
        case {"completion": str(text)}:
            return marked([Turn("assistant", [Text(text)])], cut_off(body.get("stop_reason")))
    return None


def read_usage(body: object) -> Usage | None:
    """`usage` with input and output tokens; those of the cache are not among the input's."""
    usage = mapping(mapping(body).get("usage"))
    if "input_tokens" not in usage and "output_tokens" not in usage:
        return None
    read = count(usage, "cache_read_input_tokens")
    written = count(usage, "cache_creation_input_tokens")
    return completed(
        Usage(
            prompt_tokens=count(usage, "input_tokens"),
            completion_tokens=count(usage, "output_tokens"),
            total_tokens=count(usage, "total_tokens"),
            prompt_cache_read_tokens=read,
            prompt_cache_write_tokens=written,
            reasoning_tokens=count(mapping(usage.get("output_tokens_details")), "thinking_tokens"),
        ),
        (read or 0) + (written or 0),
    )


def open_stream(chunk: Chunk) -> Fold | None:
    """Events are named `message_…` and `content_block_…`."""
    kind = chunk.get("type")
    if isinstance(kind, str) and kind in _EVENTS:
        return _Events()
    return _Completions() if isinstance(chunk.get("completion"), str) else None


class _Events:
    """Blocks by index."""

    certain = True

    def __init__(self) -> None:
        self.finished = False
        self._message: dict[str, object] = {"type": "message", "role": "assistant", "content": []}
        self._usage: dict[str, object] = {}
        self._blocks: dict[int, dict[str, object]] = {}
        self._pieces: dict[tuple[int, str], Pieces] = {}
        self._citations: dict[int, list[object]] = {}

    def add(self, chunk: Chunk) -> None:
        index = chunk.get("index")
        match chunk:
            case {"type": "message_start", "message": dict(message)}:
                keep_latest(self._message, message)
            case {"type": "content_block_start", "content_block": dict(block)}:
                at(self._blocks, index).update(block)
            case {"type": "content_block_delta", "delta": dict(delta)}:
                self._add_delta(index if isinstance(index, int) else next(reversed(self._blocks), 0), delta)
            case {"type": "message_delta", "delta": dict(delta)}:
                keep_latest(self._message, delta)
                self.finished = self.finished or bool(delta.get("stop_reason"))
            case {"type": "message_stop"}:
                self.finished = True
        keep_latest(self._usage, mapping(mapping(chunk.get("message")).get("usage")))
        keep_latest(self._usage, mapping(chunk.get("usage")))
        keep_latest(
            self._message, chunk, "type", "message", "index", "delta", "content_block", "usage", "error"
        )

    def _add_delta(self, index: int, delta: dict[str, object]) -> None:
        at(self._blocks, index)
        match delta:
            case {"type": "citations_delta", "citation": citation}:
                self._citations.setdefault(index, []).append(citation)
            case {"type": str(), **said}:
                for key, value in said.items():
                    if isinstance(value, str):
                        self._pieces.setdefault((index, key), Pieces()).append(value)

    def whole(self) -> dict[str, object]:
        for (index, key), pieces in self._pieces.items():
            block, text = self._blocks[index], pieces.joined()
            if key == "partial_json":
                block["input"] = parsed(text) if text else block.get("input", {})
            else:
                block[key] = str(block.get(key) or "") + text
            block.setdefault("type", "tool_use" if key == "partial_json" else key)
        for index, cited in self._citations.items():
            self._blocks[index]["citations"] = cited
        self._pieces.clear()
        usage = {"usage": self._usage} if self._usage else {}
        return {**self._message, "content": in_order(self._blocks), **usage}


class _Completions:
    """Pieces of one text."""

    certain = False

    def __init__(self) -> None:
        self._whole: dict[str, object] = {}
        self._text = Pieces()

    @property
    def finished(self) -> bool:
        return bool(self._whole.get("stop_reason"))

    def add(self, chunk: Chunk) -> None:
        keep_latest(self._whole, chunk, "completion", "error")
        if isinstance(text := chunk.get("completion"), str):
            self._text.append(text)

    def whole(self) -> dict[str, object]:
        return {**self._whole, "completion": self._text.joined()}


FAMILY: Final = Family("anthropic", read_request, read_response, read_usage, open_stream)
