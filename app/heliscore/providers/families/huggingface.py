"""Hugging Face's text generation: `inputs`, and a list of generated texts."""

from __future__ import annotations

import re
from typing import Any, Final

from heliscore.providers.family import Chunk, Family, Fold
from heliscore.providers.messages import cut_off, read_messages
from heliscore.providers.stream_parts import Pieces, keep_latest
from heliscore.providers.turns import Text, Turn
from heliscore.providers.usage import Usage, completed, count, mapping

_MODEL_PATH: Final = re.compile(
    r"^/(?:hf-inference/)?models/(?P<model>[^/:]+/[^/:]+)(?:/v1/.*|/pipeline/.*)?$"
)


def read_request(body: Any) -> list[Turn] | None:
    """`inputs`, a text, several, or messages."""
    match body:
        case {"inputs": str() | [str() | {"role": str()}, *_] as inputs}:
            return read_messages(inputs if isinstance(inputs, list) else [inputs])
    return None


def read_response(body: Any) -> list[Turn] | None:
    """`generated_text`, by itself or in a list, or in a list of lists."""
    match body:
        case {"generated_text": str(text)}:
            end = mapping(body.get("details")).get("finish_reason")
            return [Turn("assistant", [Text(text)], mark=cut_off(end))]
        case [{"generated_text": str()} | [{"generated_text": str()}, *_], *_]:
            return [turn for each in body for turn in read_response(each) or []]
        case {"generated_text": [*messages]}:
            return read_messages(messages[-1:], "assistant")
    return None


def read_usage(body: object) -> Usage | None:
    """`details`, where they were asked for."""
    first = body[0] if isinstance(body, list) and body else body
    if not (details := mapping(mapping(first).get("details"))):
        return None
    prefill = details.get("prefill")
    prompt = len(prefill) if isinstance(prefill, list) and prefill else count(details, "input_length")
    return completed(Usage(prompt_tokens=prompt, completion_tokens=count(details, "generated_tokens")))


def model_in_path(path: str) -> str | None:
    """`/models/{owner}/{model}`."""
    return found["model"] if (found := _MODEL_PATH.search(path)) else None


def open_stream(chunk: Chunk) -> Fold | None:
    """Each chunk is one token."""
    match chunk:
        case {"token": {"text": str()}}:
            return _Tokens()
    return None


class _Tokens:
    """Texts of tokens; the last chunk holds the whole text."""

    certain = True

    def __init__(self) -> None:
        self.finished = False
        self._whole: dict[str, object] = {}
        self._text = Pieces()

    def add(self, chunk: Chunk) -> None:
        token = mapping(chunk.get("token"))
        if isinstance(text := token.get("text"), str) and not token.get("special"):
            self._text.append(text)
        keep_latest(self._whole, chunk, "token", "index", "error", "top_tokens")
        self.finished = self.finished or isinstance(chunk.get("generated_text"), str)

    def whole(self) -> dict[str, object]:
        return {"generated_text": self._text.joined(), **self._whole}


FAMILY: Final = Family("hugging face", read_request, read_response, read_usage, open_stream, model_in_path)
