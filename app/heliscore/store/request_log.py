"""Log requests, and remove one."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import asyncpg
import msgspec

from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import remove_scores
from heliscore.store.statements import load

_SQL = load("log")

Outcome = Literal["SUCCESS", "WARNING", "ERROR"]


class LoggedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request and its response as a client logs them, column by column. JSON columns hold encoded JSON."""

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
    cache_enabled: bool = False


async def log(connection: Connection, request: LoggedRequest) -> None:
    """Store a request in place of one that was logged under its id before. Scores that came earlier get the
    request's time. Raises InvalidInput for a number in a body that PostgreSQL's JSON cannot hold."""
    async with connection.transaction():
        try:
            request_no = await connection.fetchval(_SQL["log"], *msgspec.structs.astuple(request))
        except asyncpg.NumericValueOutOfRangeError:
            error = FieldError("", "a number in a body is too large, or has too many digits, to be stored")
            raise InvalidInput([error]) from None
        await connection.execute(
            _SQL["retime_scores"], request.organization_id, request_no, request.created_at
        )


async def remove_request(connection: Connection, organization_id: int, request_id: str) -> bool:
    """Remove a request with all its scores; False when there was none."""
    async with connection.transaction():
        request_no = await connection.fetchval(_SQL["remove_request"], organization_id, request_id)
        if request_no is None:
            return False
        await remove_scores(connection, organization_id, [request_no])
    return True
