"""Ollama's chat and generate."""

from __future__ import annotations

from typing import Any, Final

from heliscore.providers.family import Chunk, Family, Fold
from heliscore.providers.messages import read_message, read_system
from heliscore.providers.stream_parts import keep_latest, merge, settled
from heliscore.providers.turns import Turn
from heliscore.providers.usage import Usage, completed, count, mapping


def read_request(body: Any) -> list[Turn] | None:
    """A `prompt` with pictures; without them it is read as OpenAI's, and so are `messages`."""
    match body:
        case {"prompt": str(prompt), "images": [_, *_] as images}:
            system = read_system(body.get("system"))
            return system + read_message({"role": "user", "content": prompt, "images": images}, "user")
    return None


def read_response(body: Any) -> list[Turn] | None:
    """One `message`, or a text under `response`."""
    match body:
        case {"message": dict(message), "done": _}:
            return read_message(message, "assistant", body.get("done_reason"))
        case {"response": str(text), "done": _}:
            message = {"content": text, "thinking": body.get("thinking")}
            return read_message(message, "assistant", body.get("done_reason"))
    return None


def read_usage(body: object) -> Usage | None:
    """Counts at the top."""
    held = mapping(body)
    prompt, completion = count(held, "prompt_eval_count"), count(held, "eval_count")
    if prompt is None and completion is None:
        return None
    return completed(Usage(prompt_tokens=prompt, completion_tokens=completion))


def open_stream(chunk: Chunk) -> Fold | None:
    """Each chunk says whether it is `done`; a first one that is done is a whole response."""
    match chunk:
        case {"done": bool(), "message": dict()} | {"done": bool(), "response": str()}:
            return _Chunks()
    return None


class _Chunks:
    """Pieces of one message or text."""

    def __init__(self) -> None:
        self.certain = False
        self.finished = False
        self._whole: dict[str, object] = {}
        self._said: dict[str, object] = {}

    def add(self, chunk: Chunk) -> None:
        keep_latest(self._whole, chunk, "message", "response", "thinking", "error")
        merge(self._said, {key: chunk[key] for key in ("message", "response", "thinking") if chunk.get(key)})
        self.finished = self.finished or chunk.get("done") is True
        self.certain = self.certain or chunk.get("done") is False

    def whole(self) -> dict[str, object]:
        return {**self._whole, **mapping(settled(self._said))}


FAMILY: Final = Family("ollama", read_request, read_response, read_usage, open_stream)
