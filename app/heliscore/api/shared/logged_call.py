"""Makes what is stored of a call of a provider, as its logger tells of it or the gateway saw it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from heliscore.api.shared.log_metadata import Metadata
from heliscore.api.shared.logged_bodies import storable, storable_json, string_or_none
from heliscore.api.shared.logged_exchange import Response, exchange_columns
from heliscore.domain.times import now
from heliscore.store.request_log import LoggedRequest

_VERSION: Final = re.compile(r"[1-9]\d{0,8}", re.ASCII)


class ProviderCall(msgspec.Struct, frozen=True, kw_only=True):
    """A request to a provider, its response, and their times."""

    organization_id: int
    request_id: str
    provider: str
    url: str | None
    request: Any
    """The body, decoded."""

    request_json: msgspec.Raw
    """The same as it was sent, byte for byte: decoding would round its numbers."""

    response: Response
    status: int | None
    started_at: datetime
    ended_at: datetime
    first_token_ms: float | None = None
    cost_usd: float | None = None
    user_id: str | None = None
    """Where the metadata names none."""

    properties: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Beside those of the metadata."""


def make_logged_request(call: ProviderCall, metadata: Metadata) -> LoggedRequest:
    """Make the row of a call."""
    version = metadata.get("Helicone-Prompt-Version")
    return LoggedRequest(
        organization_id=call.organization_id,
        request_id=call.request_id,
        created_at=call.started_at,
        updated_at=now(),
        response_created_at=call.ended_at,
        latency_ms=(call.ended_at - call.started_at) // timedelta(milliseconds=1),
        time_to_first_token_ms=None if call.first_token_ms is None else round(call.first_token_ms),
        status=call.status,
        user_id=metadata.get("Helicone-User-Id") or call.user_id,
        provider=storable(call.provider),
        model_override=metadata.get("Helicone-Model-Override"),
        prompt_id=metadata.get("Helicone-Prompt-Id"),
        prompt_version=version,
        prompt_version_number=_number_of(version),
        request_path=_path_of(call.url),
        target_url=string_or_none(call.url),
        properties=msgspec.json.encode({**metadata.properties(), **call.properties}).decode(),
        request_body=None if metadata.omits("Request") else storable_json(call.request_json),
        response_body=None if metadata.omits("Response") else call.response.stored,
        cache_enabled=(metadata.get("Helicone-Cache-Enabled") or "").lower() == "true",
        **exchange_columns(call.request, call.response.value, call.url, call.cost_usd),
    )


def _number_of(version: str | None) -> int | None:
    return int(version) if version is not None and _VERSION.fullmatch(version) else None


def _path_of(url: str | None) -> str | None:
    try:
        return storable(urlsplit(url).path) if url else None
    except ValueError:
        return None
