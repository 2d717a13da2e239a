"""Statements for PromptLayer's calls alone: log calls that may be repeated, groups, prompts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from heliscore.domain.author import Origin
from heliscore.domain.score import Score
from heliscore.observability.score_totals import ScoreTotals
from heliscore.store import request_log
from heliscore.store.connections.pool import Connection
from heliscore.store.request_log import LoggedRequest
from heliscore.store.scores import ScoreIds, ScoreWrite, record
from heliscore.store.statements import load

_SQL = load("promptlayer")


class Prompt(msgspec.Struct, frozen=True):
    """The prompt that a request was made from."""

    name: str
    version: str | None
    """The number as a string, or else the label."""

    version_number: int | None
    variables: str | None
    """An encoded JSON object."""


async def log_once(
    connection: Connection,
    ids: ScoreIds,
    request: LoggedRequest,
    scores: Mapping[str, Score],
    origin: Origin,
    body_hash: bytes,
) -> int:
    """Store a request with its scores under a new id, and return that; `request.request_id` is ignored. The
    same hash within a minute stores nothing and returns the same id, unless that request was removed."""
    organization_id = request.organization_id
    call = organization_id, body_hash
    # Outside the transaction: the ids stay in the cache when it is rolled back.
    await ids.names.ensure(connection, organization_id, scores)
    await ids.origins.ensure(connection, organization_id, {origin} if scores else ())
    async with connection.transaction():
        claimed: int | None = await connection.fetchval(_SQL["claim"], *call)
        if claimed is None:
            logged: int | None = await connection.fetchval(_SQL["find_logged"], *call)
            if logged is not None:
                return logged
            claimed = await connection.fetchval(_SQL["claim_another"], *call)
        while not await _reserve(connection, request, str(claimed)):
            claimed = await connection.fetchval(_SQL["claim_another"], *call)
        await connection.execute(_SQL["forget"], organization_id)
        request = msgspec.structs.replace(request, request_id=str(claimed))
        await request_log.log(connection, request)
        if scores:
            post = ScoreWrite(organization_id, request.request_id, scores, request.updated_at, origin)
            await record(connection, ids, [post])
    written = ScoreTotals()
    written.add(organization_id, scores)
    written.count()
    return claimed


async def _reserve(connection: Connection, request: LoggedRequest, request_id: str) -> bool:
    """Reserve the id for this request; False when another request has it."""
    arguments = (request.organization_id, request_id, request.created_at, request.updated_at)
    return await connection.fetchval(_SQL["reserve"], *arguments) is not None


async def create_group(connection: Connection, organization_id: int) -> int:
    """Make a group of requests and return its id."""
    return int(await connection.fetchval(_SQL["create_group"], organization_id))


async def has_group(connection: Connection, organization_id: int, group_id: int) -> bool:
    return bool(await connection.fetchval(_SQL["has_group"], organization_id, group_id))


async def set_prompt(
    connection: Connection,
    organization_id: int,
    request_id: str,
    prompt: Prompt,
    at: datetime,
    *,
    accept_unknown: bool,
) -> bool:
    """Set the prompt that a request was made from. False when the request does not exist and `accept_unknown`
    is false."""
    arguments = (
        organization_id,
        request_id,
        at,
        prompt.name,
        prompt.version,
        prompt.version_number,
        prompt.variables,
        accept_unknown,
    )
    return await connection.fetchval(_SQL["set_prompt"], *arguments) is not None
