"""Rows of PromptLayer's requests, as its search answers them (`POST /api/public/v2/requests/search`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from heliscore.imports.fields import Found, Unfit, as_list
from heliscore.imports.row_formats import SECONDS, GivenScore, RowFormat

_WITHOUT_NAME: Final = "default"
"""The score that PromptLayer gives no name."""


def _recognises(values: Mapping[str, Any]) -> bool:
    return "request_start_time" in values and bool({"engine", "provider_type", "provider"} & values.keys())


def _read_scores(row: Found) -> Iterator[GivenScore]:
    for one in as_list(row.get("scores") or []):
        if not isinstance(one, dict):
            raise Unfit("scores: expected objects with name and score")
        yield GivenScore(str(one.get("name") or _WITHOUT_NAME), one.get("score"))
    if (score := row.get("score")) is not None:
        yield GivenScore(_WITHOUT_NAME, score)


PROMPTLAYER: Final = RowFormat(
    "promptlayer",
    "PromptLayer",
    {
        "request_id": ("id", "request_id"),
        "created_at": ("request_start_time",),
        "updated_at": ("request_end_time", "request_start_time"),
        "response_created_at": ("request_end_time",),
        "latency_ms": ("latency_ms",),
        SECONDS: ("latency",),
        "prompt_tokens": ("input_tokens",),
        "completion_tokens": ("output_tokens",),
        "total_tokens": ("tokens", "total_tokens"),
        "cost_usd": ("price",),
        "outcome": ("status",),
        "provider": ("provider_type", "provider"),
        "request_model": ("engine", "model"),
        "prompt_id": ("prompt_name", "prompt_id"),
        "prompt_version": ("prompt_version", "prompt_version_number"),
        "prompt_version_number": ("prompt_version_number",),
        "prompt_variables": ("input_variables",),
        "tags": ("tags_array", "tags"),
        "properties": ("metadata",),
        "request_body": ("input", "prompt_blueprint"),
        "response_body": ("output", "request_response"),
        "scores": ("scores",),
        "score": ("score",),
    },
    _recognises,
    _read_scores,
    "scores",
)
