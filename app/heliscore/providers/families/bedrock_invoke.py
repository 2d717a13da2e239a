"""The formats of models that Bedrock invokes as they are: Titan, Llama, Mistral, Cohere, AI21.

Anthropic's and Nova's models keep their own formats there; `anthropic` and `bedrock_converse` read them.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any, Final

import msgspec

from heliscore.providers.family import Chunk, Family, Fold
from heliscore.providers.messages import cut_off, read_messages
from heliscore.providers.stream_parts import Pieces, keep_latest
from heliscore.providers.turns import Text, Turn, marked
from heliscore.providers.usage import Usage, completed, count, mapping

_METRICS: Final = "amazon-bedrock-invocationMetrics"
_LISTS: Final = {
    "results": ("outputText", "completionReason"),
    "outputs": ("text", "stop_reason"),
    "generations": ("text", "finish_reason"),
    "completions": ("data", "finishReason"),
}
"""Lists of answers, and the keys of an answer's text and end: Titan, Mistral, Cohere, AI21."""


def read_request(body: Any) -> list[Turn] | None:
    """Titan's `inputText`; the others' `prompt` is read as OpenAI's."""
    match body:
        case {"inputText": str(text)}:
            return read_messages([text])
    return None


def read_response(body: Any) -> list[Turn] | None:
    """Llama's `generation`, or a list of answers."""
    match body:
        case {"generation": str(text)}:
            return marked([Turn("assistant", [Text(text)])], cut_off(body.get("stop_reason")))
        case dict():
            for key, (text_key, end_key) in _LISTS.items():
                answers = body.get(key)
                if isinstance(answers, list) and answers:
                    turns = [_read_answer(mapping(answer), text_key, end_key) for answer in answers]
                    if None not in turns:
                        return [turn for turn in turns if turn]
    return None


def _read_answer(answer: dict[str, object], text_key: str, end_key: str) -> Turn | None:
    text, end = answer.get(text_key), answer.get(end_key)
    text = text.get("text") if isinstance(text, dict) else text
    end = end.get("reason") if isinstance(end, dict) else end
    return Turn("assistant", [Text(text)], mark=cut_off(end)) if isinstance(text, str) else None


def read_usage(body: object) -> Usage | None:
    """Counts at the top: Llama's, Titan's, or those that Bedrock adds to the last chunk of any stream."""
    held = mapping(body)
    results = held.get("results")
    written = [count(mapping(each), "tokenCount") for each in results] if isinstance(results, list) else []
    metrics = mapping(held.get(_METRICS))
    prompt = _known(
        count(held, "prompt_token_count", "inputTextTokenCount"), count(metrics, "inputTokenCount")
    )
    completion = _known(
        count(held, "generation_token_count"),
        sum(number or 0 for number in written) if any(number is not None for number in written) else None,
        count(metrics, "outputTokenCount"),
    )
    read = count(metrics, "cacheReadInputTokenCount")
    created = count(metrics, "cacheWriteInputTokenCount")
    if prompt is None and completion is None:
        return None
    return completed(
        Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            prompt_cache_read_tokens=read,
            prompt_cache_write_tokens=created,
        ),
        (read or 0) + (created or 0),
    )


def _known(*counts: int | None) -> int | None:
    return next((number for number in counts if number is not None), None)


def unwrapped(chunk: Chunk) -> Chunk:
    """The model's own chunk from Bedrock's envelope of base64; any other chunk as it is."""
    match chunk:
        case {"chunk": {"bytes": str(data)}} | {"bytes": str(data)}:
            try:
                return mapping(msgspec.json.decode(b64decode(data))) or chunk
            except (binascii.Error, ValueError, RecursionError):
                return chunk
    return chunk


def open_stream(chunk: Chunk) -> Fold | None:
    """Chunks of Titan; of Llama and Mistral, whose chunks look like whole responses."""
    match chunk:
        case {"outputText": str()}:
            return _Texts("outputText", certain=True)
        case {"generation": str()}:
            return _Texts("generation", certain=False)
        case {"outputs": [{"text": str(), **beside}]} if "stop_reason" in beside:
            return _Texts("outputs", certain=False)
    return None


class _Texts:
    """Pieces of one text, and the last word on everything else."""

    def __init__(self, key: str, *, certain: bool) -> None:
        self.certain = certain
        self.finished = False
        self._key = key
        self._whole: dict[str, object] = {}
        self._text = Pieces()

    def add(self, chunk: Chunk) -> None:
        keep_latest(self._whole, chunk, self._key, "error")
        held, text = chunk, chunk.get(self._key)
        if isinstance(text, list) and text:
            held = mapping(text[0])
            text = held.get("text")
        if isinstance(text, str):
            self._text.append(text)
        end = held.get("stop_reason") or held.get("completionReason")
        if end:
            self.finished = True
            self._whole["stop_reason"] = end

    def whole(self) -> dict[str, object]:
        whole, text = dict(self._whole), self._text.joined()
        match self._key:
            case "outputText":
                for key in ("index", "stop_reason"):
                    whole.pop(key, None)
                end = whole.pop("completionReason", None)
                number = whole.pop("totalOutputTextTokenCount", None)
                return {
                    **whole,
                    "results": [{"outputText": text, "tokenCount": number, "completionReason": end}],
                }
            case "outputs":
                end = whole.pop("stop_reason", None)
                return {**whole, "outputs": [{"text": text, "stop_reason": end}]}
        return {**whole, "generation": text}


FAMILY: Final = Family("bedrock invoke", read_request, read_response, read_usage, open_stream)
