"""OpenAI's chat completions, completions and pictures.

Most other providers and proxies speak this format too: Azure, DeepSeek, Groq, Mistral, OpenRouter, Together,
vLLM, LiteLLM.
"""

from __future__ import annotations

import re
from typing import Any, Final

from heliscore.providers.family import Chunk, Family, Fold
from heliscore.providers.messages import cut_off, read_message, read_messages, read_system
from heliscore.providers.stream_parts import Pieces, at, in_order, keep_latest, merge, settled
from heliscore.providers.turns import Json, Media, Part, Text, Turn, marked
from heliscore.providers.usage import Usage, amount, completed, count, mapping

_MODEL_PATHS: Final = (
    re.compile(r"/openai/deployments/(?P<model>[^/]+)(?:/|$)"),
    re.compile(r"/engines/(?P<model>[^/]+)/"),
)


def read_request(body: Any) -> list[Turn] | None:
    """`messages`, or the `prompt` of a completion."""
    match body:
        case {"messages": [*messages]}:
            system = read_system(body.get("system")) or read_system(body.get("instructions"))
            return system + [turn for each in messages for turn in _read_nested(each)]
        case {"prompt": str() | [str(), *_] as prompt}:
            system = read_system(body.get("system"))
            return system + read_messages(prompt if isinstance(prompt, list) else [prompt])
    return None


def _read_nested(message: object) -> list[Turn]:
    """A message; LangChain's batches are lists of them."""
    return read_messages(message) if isinstance(message, list) and message else read_message(message, "user")


def read_response(body: Any) -> list[Turn] | None:
    """`choices`, each a turn; pictures under `data`."""
    match body:
        case {"choices": [*choices]}:
            return [turn for choice in choices for turn in _read_choice(choice)]
        case {"data": [{"b64_json": str()} | {"url": str()}, *_] as pictures}:
            return [Turn("assistant", [part for each in pictures for part in _read_picture(each)])]
    return None


def _read_choice(choice: Any) -> list[Turn]:
    match choice:
        case {"message": message} | {"delta": message}:
            return read_message(message, "assistant", choice.get("finish_reason"))
        case {"text": str(text)}:
            return marked([Turn("assistant", [Text(text)])], cut_off(choice.get("finish_reason")))
    return [Turn("assistant", [Json("choice", choice)])]


def _read_picture(picture: object) -> list[Part]:
    held = mapping(picture)
    prompt = held.get("revised_prompt")
    said: list[Part] = [Text(prompt)] if isinstance(prompt, str) and prompt else []
    match held:
        case {"b64_json": str(data)}:
            return [*said, Media("image", f"data:image/png;base64,{data}")]
        case {"url": str(url)}:
            return [*said, Media("image", url)]
    return [*said, Json("JSON", picture)]


def read_usage(body: object) -> Usage | None:
    """`usage` in OpenAI's spelling, with DeepSeek's, Moonshot's and LiteLLM's names of the cache."""
    usage = mapping(mapping(body).get("usage"))
    details = mapping(usage.get("prompt_tokens_details"))
    written = mapping(usage.get("completion_tokens_details"))
    if not any(name in usage for name in ("prompt_tokens", "completion_tokens")) and (
        "input_tokens" in usage or not any(name in usage for name in ("total_tokens", "cost"))
    ):
        return None
    cost = usage.get("cost")
    return completed(
        Usage(
            prompt_tokens=count(usage, "prompt_tokens"),
            completion_tokens=count(usage, "completion_tokens"),
            total_tokens=count(usage, "total_tokens"),
            prompt_cache_read_tokens=_first(
                count(details, "cached_tokens"),
                count(usage, "prompt_cache_hit_tokens", "cache_read_input_tokens", "cached_tokens"),
            ),
            prompt_cache_write_tokens=_first(
                count(details, "cache_write_tokens", "cache_creation_tokens"),
                count(usage, "cache_creation_input_tokens"),
            ),
            reasoning_tokens=_first(count(written, "reasoning_tokens"), count(usage, "reasoning_tokens")),
            prompt_audio_tokens=count(details, "audio_tokens"),
            completion_audio_tokens=count(written, "audio_tokens"),
            cost_usd=amount(mapping(cost).get("total_cost") if isinstance(cost, dict) else cost),
        )
    )


def _first(*counts: int | None) -> int | None:
    """The first count that says something; a zero only where no other does."""
    known = [number for number in counts if number is not None]
    return next((number for number in known if number), known[0] if known else None)


def model_in_path(path: str) -> str | None:
    """Azure's deployment, or the engine of OpenAI's first URLs."""
    return next((found["model"] for pattern in _MODEL_PATHS if (found := pattern.search(path))), None)


def open_stream(chunk: Chunk) -> Fold | None:
    """Chunks have `choices` with a `delta`, or with a piece of `text`."""
    match chunk:
        case {"choices": [{"delta": _} | {"text": str()}, *_]}:
            return _Chunks()
        case {"choices": []} if chunk.get("object") in ("chat.completion.chunk", "", None):
            return _Chunks()  # Azure begins with the filter's results for the prompt
    return None


class _Chunks:
    """Choices by index, each a message in the making."""

    def __init__(self) -> None:
        self.certain = False
        self._whole: dict[str, object] = {}
        self._choices: dict[int, dict[str, object]] = {}
        self._messages: dict[int, dict[str, object]] = {}
        self._calls: dict[int, _ToolCalls] = {}
        self._logprobs: dict[int, dict[str, list[object]]] = {}

    @property
    def finished(self) -> bool:
        return bool(self._choices) and all(each.get("finish_reason") for each in self._choices.values())

    def add(self, chunk: Chunk) -> None:
        keep_latest(self._whole, chunk, "choices", "object", "usage", "x_groq", "error")
        if usage := chunk.get("usage") or mapping(chunk.get("x_groq")).get("usage"):
            self._whole["usage"] = usage
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else []:
            if isinstance(choice, dict):
                self._add_choice(choice)

    def _add_choice(self, choice: dict[str, object]) -> None:
        number = choice.get("index")
        index = number if isinstance(number, int) else 0
        held = at(self._choices, index)
        keep_latest(held, choice, "index", "delta", "text", "logprobs", "message")
        for key, tokens in mapping(choice.get("logprobs")).items():
            if isinstance(tokens, list):
                self._logprobs.setdefault(index, {}).setdefault(key, []).extend(tokens)
        if isinstance(choice.get("text"), str):
            merge(held, {"text": choice["text"]})
        if "delta" in choice:
            self.certain = True
            message = at(self._messages, index)
            delta = mapping(choice["delta"])
            if isinstance(calls := delta.get("tool_calls"), list):
                self._calls.setdefault(index, _ToolCalls()).add(calls)
            content = delta.get("content")
            if isinstance(content, list) or _is_list(message.get("content")):
                message["content"] = _as_list(message.get("content"))
                content = _as_list(content)
            merge(message, {**delta, "content": content, "tool_calls": None})
            del message["tool_calls"]

    def whole(self) -> dict[str, object]:
        kind = "chat.completion" if self._messages else "text_completion"
        choices = [self._choice(index) for index in sorted(self._choices)]
        return {**self._whole, "object": kind, "choices": choices}

    def _choice(self, index: int) -> object:
        choice: dict[str, object] = {"index": index, **self._choices[index]}
        if index in self._messages:
            message: dict[str, object] = {"role": "assistant", "content": None} | self._messages[index]
            if index in self._calls:
                message["tool_calls"] = self._calls[index].whole()
            if _is_list(message["content"]):
                message["content"] = _run_together(_as_list(message["content"]))
            choice["message"] = message
        whole = mapping(settled({**choice, "finish_reason": choice.get("finish_reason")}))
        return whole | ({"logprobs": self._logprobs[index]} if index in self._logprobs else {})


class _ToolCalls:
    """Calls by index. Some servers send none: a new id then begins the next call."""

    def __init__(self) -> None:
        self._calls: dict[int, dict[str, object]] = {}
        self._ids: set[object] = set()

    def add(self, deltas: list[object]) -> None:
        for delta in deltas:
            call = mapping(delta)
            index = call.get("index")
            if not isinstance(index, int):
                id_ = call.get("id")
                is_new = isinstance(id_, str) and id_ not in self._ids
                index = len(self._calls) if is_new or not self._calls else len(self._calls) - 1
            if isinstance(call.get("id"), str):
                self._ids.add(call["id"])
            held = at(self._calls, index)
            merge(held, {key: value for key, value in call.items() if key != "index" and value is not None})

    def whole(self) -> list[dict[str, object]]:
        return in_order(self._calls)


def _is_list(content: object) -> bool:
    """Whether a content is in parts. Mistral sends a list of parts first, and then mere strings."""
    return isinstance(content, list) and not isinstance(content, Pieces)


def _as_list(content: object) -> list[object]:
    """A content as parts."""
    match content:
        case Pieces():
            return [{"type": "text", "text": content.joined()}]
        case list():
            return content
        case str() if content:
            return [{"type": "text", "text": content}]
    return []


def _run_together(content: list[object]) -> list[object]:
    """Mistral's content in chunks: neighbours of one type are one part."""
    parts: list[object] = []
    for piece in content:
        last = parts[-1] if parts else None
        if isinstance(last, dict) and isinstance(piece, dict) and last.get("type") == piece.get("type"):
            merge(last, piece)
        else:
            part: dict[str, object] = {}
            merge(part, piece if isinstance(piece, dict) else {"type": "text", "text": str(piece)})
            parts.append(part)
    return [
        {**part, "thinking": _run_together(_as_list(part["thinking"]))}
        if isinstance(part, dict) and _is_list(part.get("thinking"))
        else part
        for part in parts
    ]


FAMILY: Final = Family("openai chat", read_request, read_response, read_usage, open_stream, model_in_path)
