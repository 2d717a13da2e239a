"""Reading requests: search, count, one by id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from app.filters import NEWEST_FIRST, AllOf, Column, Compare, Exists, Filter, Not, Sort, score_names
from app.filters import Score as ScoreSubject
from app.store.compiler import (
    RARE,
    Position,
    compile_conditions,
    compile_rarity,
    compile_search,
    driving_scores,
)
from app.store.logs import Outcome
from app.store.pool import Connection
from app.store.queries import fill, load
from app.store.scores import ScoreNames

_SQL = load("request")


class Scored(msgspec.Struct, frozen=True):
    """What is known of a request's scores."""

    scores: str | None
    """JSON text, name to integer; None without a score."""

    feedback: int | None
    feedback_at: datetime | None


class Request(msgspec.Struct, frozen=True):
    """A request as the search statement returns it, column by column. JSON columns are JSON text."""

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
    status: int | None
    outcome: Outcome | None
    cache_enabled: bool | None
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
    properties: str
    promptlayer: str | None
    ai_gateway_body_mapping: str | None
    request_body: str | None
    response_body: str | None
    scored: Scored


class Page(msgspec.Struct, frozen=True):
    """A part of what a search found."""

    requests: list[Request]
    next: Position | None
    """Where the following page begins, None behind the last one."""


async def search(
    connection: Connection,
    names: ScoreNames,
    organization_id: int,
    tree: Filter,
    *,
    sort: Sort = NEWEST_FIRST,
    after: Position | None = None,
    offset: int = 0,
    limit: int,
) -> Page:
    """Find the organization's requests that match, `limit` of them from `after` or `offset` on."""
    find = partial(_find, connection, names, organization_id)
    wanted = limit + 1
    if isinstance(sort.subject, ScoreSubject):
        rows = await _find_by_score(find, tree, sort, sort.subject, after, offset, wanted)
    else:
        rows = await find(tree, sort, after, offset, wanted)
    requests = [request for request, _ in rows[:limit]]
    if len(rows) <= limit or not requests or sort.subject is None:
        return Page(requests, None)
    last, value = rows[limit - 1]
    return Page(requests, Position(value, last.created_at, last.request_id))


_Row = tuple[Request, Any]
"""A request and its sort value."""


async def _find_by_score(
    find: Callable[..., Awaitable[list[_Row]]],
    tree: Filter,
    sort: Sort,
    score: ScoreSubject,
    after: Position | None,
    offset: int,
    limit: int,
) -> list[_Row]:
    """First the requests that have the score, read off the index of values, then the others by time."""
    # The score first: it is one of those at which the search can begin, however many the tree names.
    present, absent = AllOf((Exists(score), tree)), AllOf((tree, Not(Exists(score))))
    if after is not None and after.value is None:
        return await find(absent, NEWEST_FIRST, after, offset, limit, with_value=False)
    rows = await find(present, sort, after, offset, limit)
    if len(rows) < limit:
        passed = offset if rows or not offset else len(await find(present, sort, after, 0, offset))
        rows += await find(absent, NEWEST_FIRST, None, offset - passed, limit - len(rows), with_value=False)
    return rows


async def _find(
    connection: Connection,
    names: ScoreNames,
    organization_id: int,
    tree: Filter,
    sort: Sort,
    after: Position | None,
    offset: int,
    limit: int,
    *,
    with_value: bool = True,
) -> list[_Row]:
    ids = await names.find(connection, organization_id, score_names(tree))
    rare = None
    if drivers := driving_scores(tree):
        counts = await _count_drivers(connection, organization_id, tree, ids, drivers)
        if not all(counts):
            return []
        if min(counts) < RARE:
            rare = drivers[counts.index(min(counts))]
    compiled = compile_search(tree, sort, after, ids, 4, rare)
    statement = fill(_SQL["search"], **compiled.slots)
    rows = []
    for row in await connection.fetch(statement, organization_id, limit, offset, *compiled.arguments):
        *columns, scored, sort_value = row
        rows.append((Request(*(*columns, Scored(*scored))), sort_value if with_value else None))
    return rows


async def _count_drivers(
    connection: Connection, organization_id: int, tree: Filter, ids: dict[str, int], drivers: list[str]
) -> list[int]:
    """How many scores meet the conditions on each driving score, counted up to RARE: a tenth of a millisecond
    that saves the many in which a walk would find nothing."""
    if not ids.keys() >= set(drivers):
        return [0]
    compiled = compile_rarity(tree, ids, first_parameter=2)
    statement = fill(_SQL["rarity"], **compiled.slots)
    return list(await connection.fetchval(statement, organization_id, *compiled.arguments))


async def count(connection: Connection, names: ScoreNames, organization_id: int, tree: Filter) -> int:
    """How many of the organization's requests match."""
    ids = await names.find(connection, organization_id, score_names(tree))
    compiled = compile_conditions(tree, ids, first_parameter=2)
    statement = fill(_SQL["count"], **compiled.slots)
    return int(await connection.fetchval(statement, organization_id, *compiled.arguments))


async def find(
    connection: Connection, names: ScoreNames, organization_id: int, request_id: str
) -> Request | None:
    """Return one request by its id."""
    tree = Compare(Column("request_id"), "=", request_id)
    page = await search(connection, names, organization_id, tree, limit=1)
    return page.requests[0] if page.requests else None
