"""Gemini's contents and candidates, at Google AI and Vertex, in camelCase and in the SDK's snake_case."""

from __future__ import annotations

import re
from typing import Any, Final

from heliscore.providers.family import Chunk, Family, Fold
from heliscore.providers.messages import cut_off, read_message, read_messages, read_system
from heliscore.providers.stream_parts import Pieces, at, keep_latest, settled
from heliscore.providers.turns import Json, Text, Turn, marked
from heliscore.providers.usage import Usage, completed, count, mapping

_MODEL_PATH: Final = re.compile(r"/(?:models|tunedModels)/(?P<model>[^/:]+(?:@[^/:]+)?):[A-Za-z]+$")
_INSTRUCTIONS: Final = ("systemInstruction", "system_instruction")
_QUIET: Final = frozenset(("thoughtSignature", "thought_signature", "text", "thought"))


def read_request(body: Any) -> list[Turn] | None:
    """`contents`, a text or messages; the system's instruction beside them or in the SDK's `config`."""
    match body:
        case {"contents": str() | dict() | [_, *_] as contents}:
            config = body.get("config") or body.get("generation_config")
            given = [mapping(holder).get(key) for holder in (body, config) for key in _INSTRUCTIONS]
            system = read_system(next((each for each in given if each), None))
            return system + read_messages(contents if isinstance(contents, list) else [contents])
    return None


def read_response(body: Any) -> list[Turn] | None:
    """`candidates`, each a turn; a blocked prompt has none, but a reason."""
    match body:
        case {"candidates": [*candidates]} if candidates:
            return [turn for each in candidates for turn in _read_candidate(each)]
        case {"promptFeedback": dict(feedback)} | {"prompt_feedback": dict(feedback)}:
            reason = feedback.get("blockReason") or feedback.get("block_reason")
            message = feedback.get("blockReasonMessage") or feedback.get("block_reason_message")
            said = [Text(message)] if isinstance(message, str) else []
            return marked([Turn("assistant", [*said])], cut_off(reason) or "blocked")
    return None


def _read_candidate(candidate: object) -> list[Turn]:
    held = mapping(candidate)
    end = held.get("finishReason") or held.get("finish_reason")
    content = held.get("content")
    message = held.get("finishMessage") or held.get("finish_message")
    if not content and (mark := cut_off(end)):
        return [Turn("assistant", [Text(message)] if isinstance(message, str) else [], mark=mark)]
    turns = read_message(content if content else candidate, "assistant", end)
    cited = held.get("citationMetadata") or held.get("groundingMetadata") or held.get("grounding_metadata")
    return [*turns, Turn("assistant", [Json("grounding", cited)])] if cited else turns


def read_usage(body: object) -> Usage | None:
    """`usageMetadata`: thoughts are counted apart from the candidates, and tools' results from the prompt."""
    held = mapping(body)
    said = mapping(held.get("usageMetadata") or held.get("usage_metadata"))
    usage = {_camel(key): value for key, value in said.items()}
    if not any(name in usage for name in ("promptTokenCount", "candidatesTokenCount", "totalTokenCount")):
        return None
    thoughts = count(usage, "thoughtsTokenCount")
    return completed(
        Usage(
            prompt_tokens=_sum(count(usage, "promptTokenCount"), count(usage, "toolUsePromptTokenCount")),
            completion_tokens=_sum(count(usage, "candidatesTokenCount", "responseTokenCount"), thoughts),
            total_tokens=count(usage, "totalTokenCount"),
            prompt_cache_read_tokens=count(usage, "cachedContentTokenCount"),
            reasoning_tokens=thoughts,
            prompt_audio_tokens=_audio(usage.get("promptTokensDetails")),
            completion_audio_tokens=_audio(
                usage.get("candidatesTokensDetails") or usage.get("responseTokensDetails")
            ),
        )
    )


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _sum(*counts: int | None) -> int | None:
    known = [number for number in counts if number is not None]
    return sum(known) if known else None


def _audio(details: object) -> int | None:
    """The tokens of the modality audio."""
    for detail in details if isinstance(details, list) else []:
        held = mapping(detail)
        if str(held.get("modality")).endswith("AUDIO"):
            return count(held, "tokenCount", "token_count")
    return None


def model_in_path(path: str) -> str | None:
    """`…/models/{model}:{verb}`."""
    return found["model"] if (found := _MODEL_PATH.search(path)) else None


def open_stream(chunk: Chunk) -> Fold | None:
    """A chunk looks like a whole response."""
    if isinstance(chunk.get("candidates"), list) or chunk.keys() & {"usageMetadata", "promptFeedback"}:
        return _Chunks()
    return None


class _Chunks:
    """Candidates by index. Texts that follow one another are one part, as without streaming."""

    certain = False

    def __init__(self) -> None:
        self._whole: dict[str, object] = {}
        self._candidates: dict[int, dict[str, object]] = {}
        self._parts: dict[int, list[dict[str, object]]] = {}
        self._roles: dict[int, object] = {}

    @property
    def finished(self) -> bool:
        ended = [each.get("finishReason") or each.get("finish_reason") for each in self._candidates.values()]
        return all(ended) if ended else "promptFeedback" in self._whole or "prompt_feedback" in self._whole

    def add(self, chunk: Chunk) -> None:
        keep_latest(self._whole, chunk, "candidates", "error")
        candidates = chunk.get("candidates")
        for position, candidate in enumerate(candidates if isinstance(candidates, list) else []):
            held = mapping(candidate)
            number = held.get("index")
            index = number if isinstance(number, int) else position
            keep_latest(at(self._candidates, index), held, "content")
            content = mapping(held.get("content"))
            if role := content.get("role"):
                self._roles[index] = role
            parts = content.get("parts")
            for part in parts if isinstance(parts, list) else []:
                self._add_part(self._parts.setdefault(index, []), mapping(part))

    def _add_part(self, parts: list[dict[str, object]], part: dict[str, object]) -> None:
        said = {key: value for key, value in part.items() if value is not None}
        text, last = said.get("text"), parts[-1] if parts else {}
        if not isinstance(text, str) or said.keys() - _QUIET:
            parts.append(said)
        elif isinstance(pieces := last.get("text"), Pieces) and last.get("thought") == said.get("thought"):
            pieces.append(text)
            last.update({key: value for key, value in said.items() if key != "text"})
        else:
            parts.append({**said, "text": Pieces([text])})

    def whole(self) -> dict[str, object]:
        candidates = []
        for index in sorted(self._candidates):
            candidate = dict(self._candidates[index])
            if index in self._parts or index in self._roles:
                role = self._roles.get(index, "model")
                candidate["content"] = {"role": role, "parts": settled(self._parts.get(index, []))}
            candidates.append(candidate)
        return {"candidates": candidates, **self._whole} if candidates else self._whole


FAMILY: Final = Family("gemini", read_request, read_response, read_usage, open_stream, model_in_path)
