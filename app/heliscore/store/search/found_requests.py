"""Requests as a search returns them, page by page."""

from __future__ import annotations

from datetime import datetime

import msgspec

from heliscore.store.request_log import Outcome
from heliscore.store.search.page_order import Position


class Scored(msgspec.Struct, frozen=True):
    """What is known of a request's scores."""

    scores: bytes | None
    """JSON, name to integer; None without a score."""

    feedback: int | None
    feedback_at: datetime | None


class Request(msgspec.Struct, frozen=True):
    """A request as the search statement returns it, column by column. JSON columns are in UTF-8."""

    request_id: str
    created_at: datetime
    updated_at: datetime
    response_created_at: datetime | None
    latency_ms: int | None
    time_to_first_token_ms: int | None
    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    prompt_cache_read_tokens: int | None
    prompt_cache_write_tokens: int | None
    reasoning_tokens: int | None
    prompt_audio_tokens: int | None
    completion_audio_tokens: int | None
    cost_usd: float | None
    cost_is_computed: bool
    status: int | None
    outcome: Outcome | None
    cache_enabled: bool
    user_id: str | None
    provider: str | None
    request_model: str | None
    response_model: str | None
    model_override: str | None
    model: str | None
    prompt_id: str | None
    prompt_version: str | None
    prompt_version_number: int | None
    response_id: str | None
    request_path: str | None
    target_url: str | None
    country_code: str | None
    cache_reference_id: str | None
    request_referrer: str | None
    storage_location: str | None
    assets: list[str] | None
    tags: list[str] | None
    properties: bytes
    promptlayer: bytes | None
    ai_gateway_body_mapping: bytes | None
    request_body: bytes | None
    response_body: bytes | None
    scored: Scored


class Page(msgspec.Struct, frozen=True):
    """A part of what a search found."""

    requests: list[Request]
    next: Position | None
    """Where the following page begins, None behind the last one."""
