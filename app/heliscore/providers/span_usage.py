"""Token counts among the attributes of a span, laid out as OpenAI's `usage`."""

from __future__ import annotations

from typing import Any, Final

from heliscore.providers.span_values import Attributes
from heliscore.providers.usage import amount, count

_PROMPT: Final = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.usage.prompt_tokens",
    "llm.token_count.prompt",
)
_COMPLETION: Final = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.usage.completion_tokens",
    "llm.token_count.completion",
)
_TOTAL: Final = ("gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total")
_READ: Final = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "llm.token_count.prompt_details.cache_read",
    "llm.token_count.prompt_details.cache_input",
)
_WRITTEN: Final = (
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "llm.token_count.prompt_details.cache_write",
)
_REASONING: Final = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "llm.usage.reasoning_tokens",
    "llm.token_count.completion_details.reasoning",
)
_HEARD: Final = ("llm.token_count.prompt_details.audio",)
_SPOKEN: Final = ("llm.token_count.completion_details.audio",)
_COST: Final = ("gen_ai.usage.cost", "llm.cost.total", "llm.usage.cost")


def read_span_usage(attributes: Attributes) -> dict[str, Any]:
    """The counts that the span has. By the conventions the prompt's hold the cached tokens; where more were
    cached than it counts, it does not, and the total is made to hold them."""
    prompt, completion = count(attributes, *_PROMPT), count(attributes, *_COMPLETION)
    read, written = count(attributes, *_READ), count(attributes, *_WRITTEN)
    total = count(attributes, *_TOTAL)
    cached = (read or 0) + (written or 0)
    if total is None and prompt is not None and completion is not None and cached > prompt:
        total = prompt + completion + cached
    return _known(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=total,
        prompt_tokens_details=_known(
            cached_tokens=read, cache_write_tokens=written, audio_tokens=count(attributes, *_HEARD)
        ),
        completion_tokens_details=_known(
            reasoning_tokens=count(attributes, *_REASONING), audio_tokens=count(attributes, *_SPOKEN)
        ),
    )


def read_span_cost(attributes: Attributes) -> float | None:
    """The cost in USD that the span says."""
    return next((said for name in _COST if (said := amount(attributes.get(name))) is not None), None)


def _known(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, {})}
