"""Rows of Helicone's requests, as `npx @helicone/export` writes them and `/v1/request/query` answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from heliscore.domain.score import FEEDBACK
from heliscore.imports.fields import Found, as_object, as_time
from heliscore.imports.row_formats import GivenScore, RowFormat, make_boolean

_BOOLEAN_SUFFIX: Final = "-hcone-bool"
"""Behind the name of a boolean."""


def _recognises(values: Mapping[str, Any]) -> bool:
    return "request_created_at" in values and "response_created_at" in values


def _read_scores(row: Found) -> Iterator[GivenScore]:
    scores = row.get("scores")
    named = {} if scores is None else as_object(scores)
    for sent_name, value in named.items():
        if sent_name != FEEDBACK:
            name = sent_name.removesuffix(_BOOLEAN_SUFFIX)
            yield GivenScore(name, value) if name == sent_name else make_boolean(name, value)
    rating = row.get("feedback_rating")
    rating = named.get(FEEDBACK) if rating is None else rating
    if rating is not None:
        at = row.get("feedback_created_at")
        yield make_boolean(FEEDBACK, rating, None if at is None else as_time(at))


HELICONE: Final = RowFormat(
    "helicone",
    "Helicone",
    {
        "request_id": ("request_id", "response_id"),
        "created_at": ("request_created_at",),
        "updated_at": ("updated_at", "response_created_at", "request_created_at"),
        "response_created_at": ("response_created_at",),
        "latency_ms": ("delay_ms", "latency"),
        "time_to_first_token_ms": ("time_to_first_token",),
        "prompt_tokens": ("prompt_tokens",),
        "completion_tokens": ("completion_tokens",),
        "total_tokens": ("total_tokens",),
        "prompt_cache_read_tokens": ("prompt_cache_read_tokens",),
        "prompt_cache_write_tokens": ("prompt_cache_write_tokens",),
        "reasoning_tokens": ("reasoning_tokens",),
        "prompt_audio_tokens": ("prompt_audio_tokens",),
        "completion_audio_tokens": ("completion_audio_tokens",),
        "cost_usd": ("costUSD", "cost"),
        "status": ("response_status",),
        "cache_enabled": ("cache_enabled",),
        "user_id": ("request_user_id", "helicone_user"),
        "provider": ("provider",),
        "request_model": ("request_model", "model"),
        "response_model": ("response_model",),
        "model_override": ("model_override",),
        "prompt_id": ("prompt_id",),
        "prompt_version": ("prompt_version",),
        "response_id": ("response_id",),
        "request_path": ("request_path",),
        "target_url": ("target_url",),
        "properties": ("properties", "request_properties"),
        "request_body": ("request_body",),
        "response_body": ("response_body",),
        "scores": ("scores",),
        "feedback_rating": ("feedback_rating",),
        "feedback_created_at": ("feedback_created_at",),
    },
    _recognises,
    _read_scores,
    "scores, feedback_rating",
)
