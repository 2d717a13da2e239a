"""Reads logged bodies, for all dialects: strings and JSON that PostgreSQL can hold, and token counts."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from heliscore.api.http.json_codec import decode
from heliscore.api.http.json_surrogates import without_halves
from heliscore.domain.errors import InvalidInput
from heliscore.domain.score import MAX_VALUE

_ESCAPED_NUL: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


def decode_logged(body: bytes) -> tuple[Any, bytes]:
    """Decode JSON, with U+FFFD for half of a surrogate pair: better one character replaced than a log lost.
    Also returns the JSON with the replacement. Raises InvalidInput."""
    try:
        return decode(body), body
    except InvalidInput:
        mended = without_halves(body)
        if mended == body:
            raise
        return decode(mended), mended


def storable(text: str) -> str:
    """The string with U+FFFD for NUL, which PostgreSQL cannot hold: better one character replaced than a log
    lost."""
    return text.replace("\0", "\ufffd")


def storable_json(raw: msgspec.Raw) -> str | None:
    sent = bytes(raw)
    if sent == b"null":
        return None
    if rb"\u0000" in sent:  # a quick test: the expression takes half a millisecond for 10 kB
        sent = _ESCAPED_NUL.sub(rb"\1\\ufffd", sent)
    return sent.decode()


def text_or_none(raw: object) -> str | None:
    return storable(raw) if isinstance(raw, str) else None


def read_tokens(response: dict[str, Any]) -> dict[str, Any]:
    """Token counts by column, as OpenAI, Anthropic and Google report them; anything else is left out."""
    usage = _mapping(response.get("usage")) or _mapping(response.get("usageMetadata"))
    prompt = _mapping(usage.get("prompt_tokens_details"))
    completion = _mapping(usage.get("completion_tokens_details"))
    counts = {
        "prompt_tokens": _first_count(usage, "prompt_tokens", "input_tokens", "promptTokenCount"),
        "completion_tokens": _first_count(
            usage, "completion_tokens", "output_tokens", "candidatesTokenCount"
        ),
        "total_tokens": _first_count(usage, "total_tokens", "totalTokenCount"),
        "prompt_cache_read_tokens": _first_count(prompt, "cached_tokens")
        or _first_count(usage, "cache_read_input_tokens", "cachedContentTokenCount"),
        "prompt_cache_write_tokens": _first_count(usage, "cache_creation_input_tokens"),
        "reasoning_tokens": _first_count(completion, "reasoning_tokens")
        or _first_count(usage, "thoughtsTokenCount"),
        "prompt_audio_tokens": _first_count(prompt, "audio_tokens"),
        "completion_audio_tokens": _first_count(completion, "audio_tokens"),
    }
    if counts["total_tokens"] is None and None not in (counts["prompt_tokens"], counts["completion_tokens"]):
        counts["total_tokens"] = (counts["prompt_tokens"] or 0) + (counts["completion_tokens"] or 0)
    return counts


def _first_count(usage: dict[str, Any], *names: str) -> int | None:
    for name in names:
        value = usage.get(name)
        if type(value) is int and 0 <= value <= MAX_VALUE // 2:
            return value
    return None


def _mapping(raw: object) -> dict[str, Any]:
    return raw if isinstance(raw, dict) else {}
