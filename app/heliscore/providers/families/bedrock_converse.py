"""Bedrock's Converse, and Nova's own format, which is the same."""

from __future__ import annotations

import re
from typing import Any, Final

from heliscore.providers.family import Chunk, Family, Fold
from heliscore.providers.messages import cut_off, read_message, read_messages, read_system
from heliscore.providers.stream_parts import Pieces, at, in_order, keep_latest, merge, parsed, settled
from heliscore.providers.turns import Turn, marked
from heliscore.providers.usage import Usage, completed, count, mapping

_MODEL_PATH: Final = re.compile(
    r"/model/(?P<model>.+)/(?:invoke|converse|invoke-with-response-stream|converse-stream|count-tokens)/?$"
)
_EVENTS: Final = frozenset(
    ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata")
)


def read_request(body: Any) -> list[Turn] | None:
    """`messages` beside a list of `system` texts, as Anthropic's."""
    match body:
        case {"system": [{"text": str()}, *_] as system, "messages": [*messages]}:
            return read_system(system) + read_messages(messages)
    return None


def read_response(body: Any) -> list[Turn] | None:
    """The message under `output`."""
    match body:
        case {"output": {"message": dict(message)}}:
            return read_message(message, "assistant", body.get("stopReason"))
        case {"stopReason": str(reason)} if "output" in body:
            return marked([Turn("assistant", [])], cut_off(reason))
    return None


def read_usage(body: object) -> Usage | None:
    """`usage` in camelCase; the cache's tokens are not among the input's."""
    usage = mapping(mapping(body).get("usage"))
    prompt = count(usage, "inputTokens", "promptTokens")
    completion = count(usage, "outputTokens", "completionTokens")
    read = count(usage, "cacheReadInputTokens", "cacheReadInputTokenCount")
    written = count(usage, "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    if prompt is None and completion is None:
        return None
    return completed(
        Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=count(usage, "totalTokens"),
            prompt_cache_read_tokens=count(usage, "cachedInputTokens") if read is None else read,
            prompt_cache_write_tokens=written,
            reasoning_tokens=count(usage, "reasoningTokens"),
        ),
        (read or 0) + (written or 0),
    )


def model_in_path(path: str) -> str | None:
    """`/model/{id or ARN}/{verb}`."""
    return found["model"] if (found := _MODEL_PATH.search(path)) else None


def open_stream(chunk: Chunk) -> Fold | None:
    """Events are the one key of an object, or come bare as they are on the wire."""
    return _Events() if _event(chunk) else None


def _event(chunk: Chunk) -> tuple[str, dict[str, object]] | None:
    """An event's name and what it says."""
    for name in _EVENTS & chunk.keys():
        if isinstance(chunk[name], dict) and len(chunk) <= 2:
            return name, mapping(chunk[name])
    match chunk:
        case {"contentBlockIndex": int(), "delta": dict()}:
            return "contentBlockDelta", chunk
        case {"contentBlockIndex": int(), "start": dict()}:
            return "contentBlockStart", chunk
        case {"role": str(), "p": str()}:
            return "messageStart", chunk
        case {"stopReason": str(), "p": str()}:
            return "messageStop", chunk
        case {"metrics": dict(), "usage": dict(), "p": str()}:
            return "metadata", chunk
    return None


class _Events:
    """Blocks by index."""

    certain = True

    def __init__(self) -> None:
        self.finished = False
        self._whole: dict[str, object] = {}
        self._role: object = "assistant"
        self._blocks: dict[int, dict[str, object]] = {}

    def add(self, chunk: Chunk) -> None:
        name, said = _event(chunk) or ("", {})
        match name:
            case "messageStart":
                self._role = said.get("role", self._role)
            case "contentBlockStart":
                at(self._blocks, said.get("contentBlockIndex")).update(mapping(said.get("start")))
            case "contentBlockDelta":
                self._add_delta(at(self._blocks, said.get("contentBlockIndex")), mapping(said.get("delta")))
            case "messageStop":
                self.finished = True
                keep_latest(self._whole, said, "p")
            case "metadata":
                keep_latest(self._whole, said, "p")

    def _add_delta(self, block: dict[str, object], delta: dict[str, object]) -> None:
        thought = mapping(delta.get("reasoningContent"))
        if "redactedContent" in thought:
            merge(block, {"reasoningContent": thought})
        elif thought:
            merge(block, {"reasoningContent": {"reasoningText": thought}})
        merge(block, {key: value for key, value in delta.items() if key != "reasoningContent"})

    def whole(self) -> dict[str, object]:
        for block in self._blocks.values():
            called = block.get("toolUse")
            if isinstance(called, dict) and isinstance(pieces := called.get("input"), Pieces):
                called["input"] = parsed(pieces.joined())
        message = {"role": self._role, "content": settled(in_order(self._blocks))}
        return {"output": {"message": message}, **self._whole}


FAMILY: Final = Family(
    "bedrock converse", read_request, read_response, read_usage, open_stream, model_in_path
)
