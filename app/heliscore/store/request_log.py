"""Log requests, with the scores that waited for their responses, and remove one."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import asyncpg
import msgspec

from heliscore.domain.audit import Actor
from heliscore.domain.errors import FieldError
from heliscore.store.audit_entries import note
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import erase_scores
from heliscore.store.statements import load
from heliscore.store.waiting_scores import record_taken

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
    cost_is_computed: bool = False


async def log(connection: Connection, request: LoggedRequest) -> list[FieldError]:
    """Store a request in place of one that was logged under its id before. Scores that came earlier get the
    request's time. Returns what could not be stored as it was sent."""
    try:
        await _store(connection, request)
    except asyncpg.NumericValueOutOfRangeError:
        await _store(connection, _with_bodies_as_strings(request))
        message = "a number is too large, or has too many digits: the bodies are stored as strings"
        return [FieldError("", message)]
    return []


def _with_bodies_as_strings(request: LoggedRequest) -> LoggedRequest:
    return msgspec.structs.replace(
        request,
        request_body=_as_string(request.request_body),
        response_body=_as_string(request.response_body),
        prompt_variables=None,
        promptlayer=None,
    )


def _as_string(json: str | None) -> str | None:
    return None if json is None else msgspec.json.encode(json).decode()


async def _store(connection: Connection, request: LoggedRequest) -> None:
    async with connection.transaction():
        request_no = await connection.fetchval(_SQL["log"], *msgspec.structs.astuple(request))
        taken = await connection.fetch(
            _SQL["retime_scores"],
            request.organization_id,
            request_no,
            request.created_at,
            request.response_id,
        )
        if taken:
            await record_taken(connection, request.organization_id, request.request_id, taken)


async def remove_request(connection: Connection, organization_id: int, request_id: str, by: Actor) -> bool:
    """Remove a request with all its scores, and note that in the audit; False when there was none."""
    async with connection.transaction():
        request_no = await connection.fetchval(_SQL["remove_request"], organization_id, request_id)
        if request_no is None:
            return False
        erased = await erase_scores(connection, organization_id, [request_no])
        numbers = msgspec.to_builtins(erased)
        await note(connection, organization_id, by, "request.deleted", numbers=numbers)
    return True
