"""Requests in and out: logging, properties, removal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import asyncpg
import msgspec

from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("log")
_PROPERTY = load("property")


Outcome = Literal["SUCCESS", "WARNING", "ERROR"]


class LoggedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request and its response as a client logs them, column by column. JSON columns are JSON text."""

    organization_id: int
    request_id: str
    created_at: datetime
    updated_at: datetime
    response_created_at: datetime | None = None
    latency_ms: int | None = None
    time_to_first_token_ms: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_cache_read_tokens: int | None = None
    prompt_cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    prompt_audio_tokens: int | None = None
    completion_audio_tokens: int | None = None
    cost_usd: float | None = None
    status: int | None = None
    outcome: Outcome | None = None
    user_id: str | None = None
    provider: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    model_override: str | None = None
    prompt_id: str | None = None
    prompt_version: str | None = None
    prompt_version_number: int | None = None
    prompt_variables: str | None = None
    response_id: str | None = None
    request_path: str | None = None
    target_url: str | None = None
    tags: list[str] | None = None
    properties: str = "{}"
    promptlayer: str | None = None
    request_body: str | None = None
    response_body: str | None = None


async def log(connection: Connection, request: LoggedRequest) -> None:
    """Store a request, replacing what was logged under its id before. Scores that were there earlier move to
    the request's time. Raises InvalidInput for a number in a body that PostgreSQL's JSON cannot hold."""
    async with connection.transaction():
        try:
            request_no = await connection.fetchval(_SQL["log"], *msgspec.structs.astuple(request))
        except asyncpg.NumericValueOutOfRangeError:
            error = FieldError("", "a number in a body is too large, or has too many digits, to be stored")
            raise InvalidInput([error]) from None
        await connection.execute(
            _SQL["retime_scores"], request.organization_id, request_no, request.created_at
        )


async def set_properties(
    connection: Connection,
    organization_id: int,
    request_id: str,
    properties: Mapping[str, str],
    at: datetime,
    *,
    accept_unknown: bool,
) -> bool:
    """Set some properties, whatever others there are. False when the request does not exist and
    `accept_unknown` is false."""
    encoded = msgspec.json.encode(properties).decode()
    arguments = (organization_id, request_id, encoded, at, accept_unknown)
    return await connection.fetchval(_SQL["set_properties"], *arguments) is not None


async def remove_property(
    connection: Connection, organization_id: int, request_id: str, key: str, at: datetime
) -> bool:
    """Remove one property; False when there was none."""
    arguments = (organization_id, request_id, key, at)
    return await connection.fetchval(_SQL["remove_property"], *arguments) is not None


async def remove_score(
    connection: Connection, organization_id: int, request_id: str, name_id: int, at: datetime
) -> bool:
    """Remove one score; False when there was none."""
    arguments = (organization_id, request_id, name_id, at)
    return await connection.fetchval(_SQL["remove_score"], *arguments) is not None


async def remove_request(connection: Connection, organization_id: int, request_id: str) -> bool:
    """Remove a request with all its scores; False when there was none."""
    async with connection.transaction():
        request_no = await connection.fetchval(_SQL["remove_request"], organization_id, request_id)
        if request_no is None:
            return False
        await connection.execute(_SQL["remove_scores"], organization_id, request_no)
    return True


async def list_property_keys(connection: Connection, organization_id: int) -> list[str]:
    """Every property key that a request of the organization has, sorted."""
    return [key for (key,) in await connection.fetch(_PROPERTY["keys"], organization_id)]


async def search_property_values(
    connection: Connection, organization_id: int, key: str, pattern: str
) -> list[str]:
    """Up to 25 values of a property that fit an ILIKE pattern, sorted."""
    rows = await connection.fetch(_PROPERTY["search_values"], organization_id, key, pattern)
    return [value for (value,) in rows]
