"""A request in Helicone's shape: all keys are always there, null where unknown."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Raw

from heliscore.api.helicone.signed_bodies import Sign
from heliscore.api.http.json_schema import struct_schema
from heliscore.domain.times import encode_time
from heliscore.store.search.found_requests import Request


class ScoreDetail(msgspec.Struct, frozen=True):
    """Who gave a score, when and why."""

    value: int
    author: str | None
    """null: from before authors were kept."""

    at: str
    """In microseconds."""

    comment: str | None
    changed: bool
    """Whether it was another one before."""


class Row(msgspec.Struct, frozen=True):
    """One request with its scores. Times are ISO 8601, UTC, in milliseconds; scores are integers. The bodies
    can be read at `signed_body_url` without a key, for one to two hours. `score_details` is there where it is
    asked for."""

    response_id: str | None
    response_created_at: str | None
    response_body: Any
    response_status: int | None
    response_model: str | None
    request_id: str
    request_created_at: str
    request_body: Any
    request_path: str | None
    request_user_id: str | None
    request_properties: dict[str, str]
    request_model: str | None
    model_override: str | None
    helicone_user: str | None
    provider: str | None
    delay_ms: int | None
    time_to_first_token: int | None
    total_tokens: int | None
    prompt_tokens: int | None
    prompt_cache_write_tokens: int | None
    prompt_cache_read_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    prompt_audio_tokens: int | None
    completion_audio_tokens: int | None
    cost: float | None
    costUSD: float | None  # noqa: N815
    prompt_id: str | None
    prompt_version: str | None
    feedback_created_at: str | None
    feedback_id: str | None
    feedback_rating: bool | None
    signed_body_url: str
    llmSchema: None  # noqa: N815
    country_code: str | None
    asset_ids: list[str]
    asset_urls: None
    scores: dict[str, int]
    properties: dict[str, str]
    assets: list[str]
    target_url: str | None
    model: str | None
    cache_reference_id: str | None
    cache_enabled: bool
    updated_at: str
    request_referrer: str | None
    ai_gateway_body_mapping: Any
    storage_location: str | None
    score_details: dict[str, ScoreDetail] | msgspec.UnsetType = msgspec.UNSET


ROW: Final = struct_schema(Row)


def make_row(request: Request, sign: Sign, score_details: bytes | None = None) -> Row:
    """Make a row of a request. JSON from the database is passed through."""
    details: Any = msgspec.UNSET if score_details is None else Raw(score_details)
    properties: Any = Raw(request.properties)
    scores: Any = Raw(request.scored.scores or b"{}")
    feedback = request.scored.feedback
    return Row(  # by position, in the order above: 48 keywords would cost more than all the rest
        request.response_id,
        _time(request.response_created_at),
        pass_json(request.response_body),
        request.status,  # response_status
        request.response_model,
        request.request_id,
        encode_time(request.created_at),  # request_created_at
        pass_json(request.request_body),
        request.request_path,
        request.user_id,  # request_user_id
        properties,  # request_properties
        request.request_model,
        request.model_override,
        request.user_id,  # helicone_user
        request.provider,
        request.latency_ms,  # delay_ms
        request.time_to_first_token_ms,  # time_to_first_token
        request.total_tokens,
        request.prompt_tokens,
        request.prompt_cache_write_tokens,
        request.prompt_cache_read_tokens,
        request.completion_tokens,
        request.reasoning_tokens,
        request.prompt_audio_tokens,
        request.completion_audio_tokens,
        request.cost_usd,  # cost
        request.cost_usd,  # costUSD
        request.prompt_id,
        request.prompt_version,
        _time(request.scored.feedback_at),  # feedback_created_at
        None,  # feedback_id
        None if feedback is None else feedback == 1,  # feedback_rating
        sign(request.request_id),  # signed_body_url
        None,  # llmSchema
        request.country_code,
        [],  # asset_ids
        None,  # asset_urls
        scores,
        properties,
        request.assets or [],  # assets
        request.target_url,
        request.model,
        request.cache_reference_id,
        request.cache_enabled,
        encode_time(request.updated_at),
        request.request_referrer,
        pass_json(request.ai_gateway_body_mapping),
        request.storage_location,
        details,
    )


def _time(time: datetime | None) -> Any:
    return None if time is None else encode_time(time)


def pass_json(sent: bytes | None) -> Raw | None:
    """Encode JSON from the database as it is."""
    return None if sent is None else Raw(sent)
