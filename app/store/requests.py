"""Reading requests: search, count, one by id."""

from __future__ import annotations

from datetime import datetime

import msgspec

from app.filters import NEWEST_FIRST, Column, Compare, Filter, Sort, score_names
from app.filters import Score as ScoreSubject
from app.store.compiler import Position, compile_conditions, compile_search
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
    cache_enabled: bool | None
    user_id: str | None
    provider: str | None
    request_model: str | None
    response_model: str | None
    model_override: str | None
    model: str | None
    prompt_id: str | None
    prompt_version: str | None
    response_id: str | None
    request_path: str | None
    target_url: str | None
    country_code: str | None
    cache_reference_id: str | None
    request_referrer: str | None
    storage_location: str | None
    assets: list[str] | None
    properties: str
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
    ids = await names.find(connection, organization_id, _names(tree, sort))
    compiled = compile_search(tree, sort, after, ids, first_parameter=4)
    statement = fill(_SQL["search"], **compiled.slots)
    rows = await connection.fetch(statement, organization_id, limit + 1, offset, *compiled.arguments)
    requests, sort_values = [], []
    for row in rows[:limit]:
        *columns, scored, sort_value = row
        requests.append(Request(*(*columns, Scored(*scored))))
        sort_values.append(sort_value)
    if len(rows) <= limit or not requests or sort.subject is None:
        return Page(requests, None)
    last = requests[-1]
    return Page(requests, Position(sort_values[-1], last.created_at, last.request_id))


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


def _names(tree: Filter, sort: Sort) -> frozenset[str]:
    match sort.subject:
        case ScoreSubject(name):
            return score_names(tree) | {name}
        case _:
            return score_names(tree)
