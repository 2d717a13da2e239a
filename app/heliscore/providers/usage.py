"""Token counts and cost of a call, as its provider reports them."""

from __future__ import annotations

from typing import Final

import msgspec

from heliscore.domain.score import MAX_VALUE

_MOST: Final = MAX_VALUE // 2
"""Two counts still add up to a 64-bit integer."""


class Usage(msgspec.Struct, frozen=True):
    """Counts of tokens by column of the request, and the cost in USD; None where nothing is said.

    `prompt_tokens` is the provider's own number: OpenAI's, Gemini's and Cohere's hold the cached tokens,
    Anthropic's and Bedrock's do not. `total_tokens` always holds them. `completion_tokens` holds reasoning.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_cache_read_tokens: int | None = None
    prompt_cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    prompt_audio_tokens: int | None = None
    completion_audio_tokens: int | None = None
    cost_usd: float | None = None

    @property
    def says_anything(self) -> bool:
        """Whether there is a count or a cost."""
        return self != _NOTHING

    @property
    def has_counts(self) -> bool:
        """Whether there is a count by which a price can be computed."""
        return bool(self.prompt_tokens or self.completion_tokens)


_NOTHING: Final = Usage()


def mapping(value: object) -> dict[str, object]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def count(counts: dict[str, object], *names: str) -> int | None:
    """The first of the names that holds a count of tokens."""
    for name in names:
        value = counts.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST:
            return value
    return None


def amount(value: object) -> float | None:
    """A cost in USD; zero means that nobody said it."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e12:
        return float(value)
    return None


def completed(usage: Usage, beside: int = 0) -> Usage | None:
    """Fill in the total where both counts are known; `beside` are tokens that neither of them holds.

    Loggers send zeros for what they do not know: prompt, completion and total all zero is no report. None
    where nothing is left.
    """
    prompt, completion, total = usage.prompt_tokens, usage.completion_tokens, usage.total_tokens
    if not (prompt or completion or total):
        usage = Usage(cost_usd=usage.cost_usd)
    elif not total and prompt is not None and completion is not None:
        usage = msgspec.structs.replace(usage, total_tokens=min(prompt + completion + beside, _MOST))
    return usage if usage.says_anything else None
