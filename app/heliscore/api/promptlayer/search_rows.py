"""A request in the shape of PromptLayer's search."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from heliscore.domain.times import format_time
from heliscore.store.search.found_requests import Request

_SAFE_INTEGER: Final = 2**53 - 1


class SearchItem(msgspec.Struct, frozen=True):
    """One request. Times are ISO 8601, UTC, in milliseconds; `latency` is in seconds, `price` in US dollars.
    The id is an integer if PromptLayer's calls take it as one."""

    id: int | str
    prompt_id: str | None
    prompt_name: str | None
    prompt_version_number: int | None
    prompt_version: str | None
    engine: str | None
    provider_type: str | None
    price: float | None
    input_tokens: int | None
    output_tokens: int | None
    latency: float | None
    request_start_time: str
    request_end_time: str | None
    status: str | None
    error_type: str | None
    error_message: str | None
    metadata: dict[str, str]
    tags_array: list[str]
    scores: list[NamedScore]


class NamedScore(msgspec.Struct, frozen=True):
    name: str
    score: int


def make_item(request: Request) -> SearchItem:
    """Make the answer's item of a request."""
    scores: dict[str, int] = msgspec.json.decode(request.scored.scores or b"{}")
    sent: dict[str, Any] = msgspec.json.decode(request.promptlayer or b"{}")
    metadata: Any = msgspec.Raw(request.properties)
    return SearchItem(
        id=_id(request.request_id),
        prompt_id=request.prompt_id,
        prompt_name=request.prompt_id,
        prompt_version_number=request.prompt_version_number,
        prompt_version=request.prompt_version,
        engine=request.model,
        provider_type=request.provider,
        price=request.cost_usd,
        input_tokens=request.prompt_tokens,
        output_tokens=request.completion_tokens,
        latency=None if request.latency_ms is None else request.latency_ms / 1000,
        request_start_time=format_time(request.created_at),
        request_end_time=_time(request.response_created_at),
        status=request.outcome,
        error_type=sent.get("error_type"),
        error_message=sent.get("error_message"),
        metadata=metadata,
        tags_array=request.tags or [],
        scores=[NamedScore(name, scores[name]) for name in sorted(scores)],
    )


def _id(request_id: str) -> int | str:
    is_canonical = request_id.isascii() and request_id.isdecimal() and str(int(request_id)) == request_id
    # JavaScript would round larger ones; as a string they can be sent back.
    return int(request_id) if is_canonical and int(request_id) <= _SAFE_INTEGER else request_id


def _time(time: datetime | None) -> str | None:
    return None if time is None else format_time(time)
