"""OpenAI's Responses: items of input and output instead of messages, and events instead of chunks."""

from __future__ import annotations

from typing import Any, Final

from heliscore.providers.family import Chunk, Family, Fold
from heliscore.providers.messages import cut_off, read_messages, read_system
from heliscore.providers.stream_parts import at, in_order, keep_latest, merge, settled
from heliscore.providers.turns import Turn, marked
from heliscore.providers.usage import Usage, amount, completed, count, mapping

_LAST: Final = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")


def read_request(body: Any) -> list[Turn] | None:
    """`instructions` and `input`, a text or items."""
    match body:
        case {"input": str() | [str() | dict(), *_] as input_}:
            items = input_ if isinstance(input_, list) else [input_]
            return read_system(body.get("instructions")) + read_messages(items)
    return None


def read_response(body: Any) -> list[Turn] | None:
    """The items of `output`; an answer that is incomplete says why."""
    match body:
        case {"output": [*items]} if not (items and all(isinstance(item, str) for item in items)):
            turns = read_messages((item for item in items if not _says_nothing(item)), "assistant")
            details = mapping(body.get("incomplete_details"))
            return marked(turns, cut_off(details.get("reason")))
    return None


def _says_nothing(item: object) -> bool:
    """Whether an item is reasoning of which the provider shows nothing."""
    match item:
        case {"type": "reasoning", **beside}:
            return not beside.get("summary") and not beside.get("content")
    return False


def read_usage(body: object) -> Usage | None:
    """`usage` with input and output tokens, the cached among the input's."""
    usage = mapping(mapping(body).get("usage"))
    read = mapping(usage.get("input_tokens_details") or usage.get("input_token_details"))
    written = mapping(usage.get("output_tokens_details") or usage.get("output_token_details"))
    if not ("input_tokens" in usage and (read or written or "total_tokens" in usage)):
        return None
    if "cache_creation_input_tokens" in usage:
        return None
    return completed(
        Usage(
            prompt_tokens=count(usage, "input_tokens"),
            completion_tokens=count(usage, "output_tokens"),
            total_tokens=count(usage, "total_tokens"),
            prompt_cache_read_tokens=count(read, "cached_tokens", "cache_read"),
            prompt_cache_write_tokens=count(read, "cache_write_tokens", "cache_creation"),
            reasoning_tokens=count(written, "reasoning_tokens", "reasoning"),
            prompt_audio_tokens=count(read, "audio_tokens", "audio"),
            completion_audio_tokens=count(written, "audio_tokens", "audio"),
            cost_usd=amount(usage.get("cost")),
        )
    )


def open_stream(chunk: Chunk) -> Fold | None:
    """Events are named `response.…`."""
    kind = chunk.get("type")
    known = (
        isinstance(kind, str)
        and kind.startswith("response.")
        and chunk.keys()
        & {
            "response",
            "delta",
            "item",
            "item_id",
            "part",
            "output_index",
            "sequence_number",
        }
    )
    return _Events() if known else None


class _Events:
    """The last event holds the whole response; until it comes, the items are made of the deltas."""

    certain = True

    def __init__(self) -> None:
        self.finished = False
        self._response: dict[str, object] = {"object": "response"}
        self._items: dict[int, dict[str, object]] = {}
        self._parts: dict[tuple[int, str], dict[int, dict[str, object]]] = {}

    def add(self, chunk: Chunk) -> None:
        kind = str(chunk.get("type"))
        if isinstance(response := chunk.get("response"), dict):
            keep_latest(self._response, response)
        self.finished = self.finished or kind in _LAST
        index = chunk.get("output_index")
        number = index if isinstance(index, int) else next(reversed(self._items), 0)
        match chunk:
            case {"type": "response.output_item.added", "item": dict(item)}:
                at(self._items, number).update(item)
            case {"type": "response.output_item.done", "item": dict(item)}:
                self._items[number] = dict(item)
                self._parts.pop((number, "content"), None)
                self._parts.pop((number, "summary"), None)
            case {"delta": str(delta)}:
                self._add_delta(kind, number, chunk, delta)

    def _add_delta(self, kind: str, number: int, chunk: Chunk, delta: str) -> None:
        item = at(self._items, number)
        match kind:
            case "response.output_text.delta":
                self._part(number, "content", chunk.get("content_index"), "output_text", {"text": delta})
            case "response.refusal.delta":
                self._part(number, "content", chunk.get("content_index"), "refusal", {"refusal": delta})
            case "response.reasoning_text.delta":
                item.setdefault("type", "reasoning")
                self._part(number, "content", chunk.get("content_index"), "reasoning_text", {"text": delta})
            case "response.reasoning_summary_text.delta":
                item.setdefault("type", "reasoning")
                self._part(number, "summary", chunk.get("summary_index"), "summary_text", {"text": delta})
            case "response.code_interpreter_call_code.delta" | "response.code_interpreter_call.code.delta":
                item.setdefault("type", "code_interpreter_call")
                merge(item, {"code": delta})
            case "response.custom_tool_call_input.delta":
                item.setdefault("type", "custom_tool_call")
                merge(item, {"input": delta})
            case "response.function_call_arguments.delta" | "response.mcp_call_arguments.delta":
                item.setdefault("type", kind.split(".")[1].removesuffix("_arguments"))
                merge(item, {"arguments": delta})

    def _part(self, number: int, key: str, index: object, kind: str, delta: dict[str, object]) -> None:
        part = at(self._parts.setdefault((number, key), {}), index if isinstance(index, int) else 0)
        part.setdefault("type", kind)
        merge(part, delta)

    def whole(self) -> dict[str, object]:
        if self.finished and self._response.get("output"):
            return self._response
        for (number, key), parts in self._parts.items():
            item = self._items[number]
            if item.setdefault("type", "message") == "message":
                item.setdefault("role", "assistant")
            item[key] = in_order(parts)
        output = settled(in_order(self._items))
        return {**self._response, "output": output}


FAMILY: Final = Family("openai responses", read_request, read_response, read_usage, open_stream)
