"""The models that answer, and the bodies in which their providers speak."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """How well a model does (0 to 100, on average), how fast, at which price."""

    name: str
    provider: str
    url: str
    accuracy: int
    relevance: int
    faithfulness: int
    hallucinates: float
    """The share of its answers that make something up."""

    latency_ms: int
    """Until the first token."""

    token_ms: float
    prompt_usd: float
    """For a million tokens, as is `completion_usd`."""

    completion_usd: float


_OPENAI: Final = "https://api.openai.com/v1/chat/completions"

LARGE: Final = Model(
    name="gpt-4.1",
    provider="OPENAI",
    url=_OPENAI,
    accuracy=86,
    relevance=86,
    faithfulness=87,
    hallucinates=0.03,
    latency_ms=620,
    token_ms=14,
    prompt_usd=2.0,
    completion_usd=8.0,
)
SMALL: Final = Model(
    name="gpt-4.1-mini",
    provider="OPENAI",
    url=_OPENAI,
    accuracy=78,
    relevance=84,
    faithfulness=79,
    hallucinates=0.08,
    latency_ms=380,
    token_ms=8,
    prompt_usd=0.4,
    completion_usd=1.6,
)
CAREFUL: Final = Model(
    name="claude-sonnet-4-5",
    provider="ANTHROPIC",
    url="https://api.anthropic.com/v1/messages",
    accuracy=89,
    relevance=88,
    faithfulness=92,
    hallucinates=0.02,
    latency_ms=840,
    token_ms=17,
    prompt_usd=3.0,
    completion_usd=15.0,
)
QUICK: Final = Model(
    name="gemini-2.5-flash",
    provider="GOOGLE",
    url="https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
    accuracy=81,
    relevance=83,
    faithfulness=81,
    hallucinates=0.06,
    latency_ms=310,
    token_ms=6,
    prompt_usd=0.3,
    completion_usd=2.5,
)


def make_request_body(model: Model, system: str, turns: Sequence[str]) -> dict[str, Any]:
    """A conversation on its way to the provider; the first and every other turn is the user's."""
    messages = [
        {"role": "assistant" if turn % 2 else "user", "content": text} for turn, text in enumerate(turns)
    ]
    if model.provider == "ANTHROPIC":
        return {"model": model.name, "max_tokens": 1024, "system": system, "messages": messages}
    messages.insert(0, {"role": "system", "content": system})
    return {"model": model.name, "temperature": 0.3, "messages": messages}


def make_response_body(
    model: Model,
    response_id: str,
    answer: str,
    prompt_tokens: int,
    cached_tokens: int,
    completion_tokens: int,
) -> dict[str, Any]:
    """An answer on its way back."""
    if model.provider == "ANTHROPIC":
        usage = {
            "input_tokens": prompt_tokens,
            "cache_read_input_tokens": cached_tokens,
            "output_tokens": completion_tokens,
        }
        return {
            "id": response_id,
            "type": "message",
            "role": "assistant",
            "model": model.name,
            "content": [{"type": "text", "text": answer}],
            "stop_reason": "end_turn",
            "usage": usage,
        }
    return {
        "id": response_id,
        "object": "chat.completion",
        "model": model.name,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
            "prompt_tokens_details": {"cached_tokens": cached_tokens},
        },
    }


def make_error_body(kind: str, message: str) -> dict[str, Any]:
    return {"error": {"type": kind, "message": message}}
