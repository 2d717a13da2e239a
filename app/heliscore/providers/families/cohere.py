"""Cohere's chat, in its second version and in its first."""

from __future__ import annotations

from typing import Any, Final

from heliscore.providers.family import Chunk, Family, Fold
from heliscore.providers.messages import read_message, read_messages, read_system
from heliscore.providers.stream_parts import Pieces, at, in_order, keep_latest, merge, settled
from heliscore.providers.turns import Turn
from heliscore.providers.usage import Usage, completed, count, mapping

_SECOND: Final = ("message-", "content-", "tool-", "citation-")
_FIRST: Final = frozenset(
    ("text", "generation_id", "response_id", "finish_reason", "citations", "documents", "tool_calls")
)


def read_request(body: Any) -> list[Turn] | None:
    """The first version: one `message` beside its `chat_history` and `preamble`. The second's is OpenAI's."""
    match body:
        case {"message": str(message)} if not body.keys() & {"messages", "contents"}:
            history = body.get("chat_history")
            system = read_system(body.get("preamble"))
            return system + read_messages([*(history if isinstance(history, list) else []), message])
    return None


def read_response(body: Any) -> list[Turn] | None:
    """One `message` beside a `finish_reason`; in the first version a `text`."""
    match body:
        case {"message": {"role": str()} | {"content": [*_]} as message, "finish_reason": end}:
            return read_message(message, "assistant", end)
        case {"text": str(text), "generation_id": _}:
            said = {key: body[key] for key in ("tool_calls", "citations") if body.get(key)}
            return read_message({"content": text, **said}, "assistant", body.get("finish_reason"))
    return None


def read_usage(body: object) -> Usage | None:
    """`tokens` are what was read and written, `billed_units` what is paid; at first under `meta`."""
    held = mapping(body)
    usage = mapping(held.get("usage")) or mapping(held.get("meta"))
    counts = mapping(usage.get("tokens")) or mapping(usage.get("billed_units"))
    if not counts:
        return None
    return completed(
        Usage(
            prompt_tokens=count(counts, "input_tokens"),
            completion_tokens=count(counts, "output_tokens"),
            prompt_cache_read_tokens=count(usage, "cached_tokens"),
        )
    )


def open_stream(chunk: Chunk) -> Fold | None:
    """Events are named with dashes, under `type` or, at first, `event_type`."""
    match chunk:
        case {"type": str(kind)} if kind.startswith(_SECOND) and "delta" in chunk:
            return _Events()
        case {"event_type": str()}:
            return _FirstEvents()
    return None


class _Events:
    """Contents and tool calls by index."""

    certain = True

    def __init__(self) -> None:
        self.finished = False
        self._whole: dict[str, object] = {}
        self._message: dict[str, object] = {"role": "assistant"}
        self._contents: dict[int, dict[str, object]] = {}
        self._calls: dict[int, dict[str, object]] = {}
        self._citations: list[object] = []

    def add(self, chunk: Chunk) -> None:
        kind, index = str(chunk.get("type")), chunk.get("index")
        delta = mapping(chunk.get("delta"))
        message = mapping(delta.get("message"))
        if kind == "message-start" and "id" in chunk:
            self._whole["id"] = chunk["id"]
        elif kind == "message-end":
            self.finished = True
            keep_latest(self._whole, delta, "message", "error")
        if isinstance(content := message.get("content"), dict):
            merge(at(self._contents, index), content)
        if isinstance(call := message.get("tool_calls"), dict):
            merge(at(self._calls, index), call)
        if isinstance(plan := message.get("tool_plan"), str):
            merge(self._message, {"tool_plan": plan})
        if isinstance(cited := message.get("citations"), dict):
            self._citations.append(cited)

    def whole(self) -> dict[str, object]:
        message = {**self._message, "content": in_order(self._contents)}
        if self._calls:
            message["tool_calls"] = in_order(self._calls)
        if self._citations:
            message["citations"] = self._citations
        ended = {"finish_reason": self._whole.get("finish_reason")}
        return {**self._whole, **ended, "message": settled(message)}


class _FirstEvents:
    """The last event holds the whole response."""

    certain = True

    def __init__(self) -> None:
        self.finished = False
        self._whole: dict[str, object] = {}
        self._text = Pieces()

    def add(self, chunk: Chunk) -> None:
        self._whole.update({key: value for key, value in chunk.items() if key in _FIRST - {"text"} and value})
        if chunk.get("event_type") == "text-generation" and isinstance(text := chunk.get("text"), str):
            self._text.append(text)
        if chunk.get("event_type") == "stream-end":
            self.finished = True
            keep_latest(self._whole, mapping(chunk.get("response")))

    def whole(self) -> dict[str, object]:
        return {"generation_id": None, "text": self._text.joined(), **self._whole}


FAMILY: Final = Family("cohere", read_request, read_response, read_usage, open_stream)
