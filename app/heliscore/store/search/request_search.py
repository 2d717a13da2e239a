"""Reading requests: search, count, one by id."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

import msgspec

from heliscore.domain.filter_tree import NEWEST_FIRST, Column, Compare, Filter, Sort, Value, score_names
from heliscore.domain.filter_tree import Score as ScoreSubject
from heliscore.store.connections.pool import Connection
from heliscore.store.request_log import Outcome
from heliscore.store.scores import ScoreNames
from heliscore.store.search.compiler import (
    Bodies,
    Position,
    compile_count,
    compile_rarity,
    compile_reach,
    compile_rows,
    compile_search,
    driving_scores,
)
from heliscore.store.search.score_order import alternatives, by_score
from heliscore.store.statements import fill, load

_SQL = load("request")

MIN_FEW: Final = 3000
"""A search begins at a score that up to so many requests meet, whatever it costs to walk in time instead."""

MAX_FEW: Final = 20_000
"""More are not counted: it costs 0.1 us each, before any search."""

_MAX_MERGED: Final = 2000
"""A page this far down is not merged of several searches: each would have to come as far."""


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


_Row = tuple[Request, Any]
"""A request and its sort value."""


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
    bodies: Bodies = "whole",
) -> Page:
    """Find the organization's requests that match, `limit` of them from `after` or `offset` on."""
    searching = _Search(connection, names, organization_id, bodies)
    wanted = limit + 1
    if isinstance(sort.subject, ScoreSubject):
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            rows = await searching.by_score(tree, sort, sort.subject, after, offset, wanted)
    elif (
        isinstance(sort.subject, Column)
        and sort.subject.name == "created_at"
        and offset + wanted <= _MAX_MERGED
        and (choices := alternatives(tree))
    ):
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            rows = await searching.any_of(choices, sort, after, offset, wanted)
    else:
        rows = await searching.matching(tree, sort, after, offset, wanted)
    requests = [request for request, _ in rows[:limit]]
    if len(rows) <= limit or not requests or sort.subject is None:
        return Page(requests, None)
    last, value = rows[limit - 1]
    return Page(requests, Position(value, last.created_at, last.request_id))


class _Search:
    """The ways to the rows of one organization's page. Those that take several statements need one snapshot
    for all of them: a request whose score changes in between could come twice or not at all."""

    def __init__(
        self, connection: Connection, names: ScoreNames, organization_id: int, bodies: Bodies
    ) -> None:
        self._connection = connection
        self._names = names
        self._organization_id = organization_id
        self._bodies = bodies

    async def by_score(
        self, tree: Filter, sort: Sort, score: ScoreSubject, after: Position | None, offset: int, limit: int
    ) -> list[_Row]:
        """Segment by segment until there are enough."""
        rows: list[_Row] = []

        async def reach(tree: Filter, length: int) -> tuple[Value | None, Value | None]:
            return await self._reach(tree, score, length, descending=sort.descending)

        async with aclosing(by_score(reach, score, tree, sort, after, offset + limit)) as segments:
            async for segment in segments:
                searched = segment.tree, segment.sort, segment.after
                found = await self.matching(*searched, offset, limit - len(rows))
                if found:
                    offset = 0
                elif offset:
                    offset -= len(await self._locate(*searched, offset))
                in_time = segment.sort is NEWEST_FIRST
                rows += [(request, segment.value if in_time else value) for request, value in found]
                if len(rows) == limit:
                    break
        return rows

    async def any_of(
        self, choices: list[Filter], sort: Sort, after: Position | None, offset: int, limit: int
    ) -> list[_Row]:
        """The first of each choice, merged: the page is among them."""
        found: set[tuple[datetime, str, int]] = set()
        for choice in choices:
            found.update(await self._locate(choice, sort, after, offset + limit))
        places = sorted(found, key=itemgetter(1))
        places.sort(key=itemgetter(0), reverse=sort.descending)
        page = [request_no for _, _, request_no in places[offset : offset + limit]]
        if not page:
            return []
        compiled = compile_rows(page, sort, 4, self._bodies)
        statement = fill(_SQL["search"], **compiled.slots)
        return _make_rows(
            await self._connection.fetch(statement, self._organization_id, limit, 0, *compiled.arguments)
        )

    async def matching(
        self, tree: Filter, sort: Sort, after: Position | None, offset: int, limit: int
    ) -> list[_Row]:
        """By one statement, which begins where few rows are."""
        begun = await self._begin(tree, offset + limit)
        if begun is None:
            return []
        ids, rare = begun
        compiled = compile_search(tree, sort, after, ids, 4, rare, self._bodies)
        statement = fill(_SQL["search"], **compiled.slots)
        return _make_rows(
            await self._connection.fetch(statement, self._organization_id, limit, offset, *compiled.arguments)
        )

    async def _locate(
        self, tree: Filter, sort: Sort, after: Position | None, limit: int
    ) -> list[tuple[datetime, str, int]]:
        """Times, ids and numbers of the requests that `matching` would find."""
        begun = await self._begin(tree, limit)
        if begun is None:
            return []
        ids, rare = begun
        compiled = compile_search(tree, sort, after, ids, 4, rare)
        statement = fill(_SQL["locate"], **compiled.slots)
        rows = await self._connection.fetch(statement, self._organization_id, limit, 0, *compiled.arguments)
        return [(at, id_, number) for at, id_, number in rows]

    async def _begin(self, tree: Filter, wanted: int) -> tuple[dict[str, int], str | None] | None:
        """The ids of the filter's score names, and the score that few enough meet to begin there; None where
        nothing can match."""
        ids = await self._names.find(self._connection, self._organization_id, score_names(tree))
        drivers = driving_scores(tree)
        if not drivers:
            return ids, None
        counts, few = await self._count_drivers(tree, ids, drivers, wanted)
        if not all(counts):
            return None
        return ids, drivers[counts.index(min(counts))] if min(counts) < few else None

    async def _count_drivers(
        self, tree: Filter, ids: dict[str, int], drivers: list[str], wanted: int
    ) -> tuple[list[int], int]:
        """How many scores meet the conditions on each driving score, counted up to what is called few where
        so many rows are wanted, and that: some tenths of a millisecond that save the many in which a walk
        would find nothing."""
        if not ids.keys() >= set(drivers):
            return [0], MIN_FEW
        compiled = compile_rarity(tree, ids, first_parameter=5)
        statement = fill(_SQL["rarity"], **compiled.slots)
        [(counts, few)] = await self._connection.fetch(
            statement, self._organization_id, wanted, MIN_FEW, MAX_FEW, *compiled.arguments
        )
        return counts, few

    async def _reach(
        self, tree: Filter, score: ScoreSubject, length: int, *, descending: bool
    ) -> tuple[Value | None, Value | None]:
        ids = await self._names.find(self._connection, self._organization_id, [score.name])
        if not ids:
            return None, None
        compiled = compile_reach(tree, score, descending=descending, name_ids=ids, first_parameter=3)
        statement = fill(_SQL["reach"], **compiled.slots)
        [row] = await self._connection.fetch(statement, self._organization_id, length, *compiled.arguments)
        return row[0], row[1]


def _make_rows(rows: Iterable[Iterable[Any]]) -> list[_Row]:
    read = []
    for row in rows:
        *columns, scored, sort_value = row
        read.append((Request(*(*columns, Scored(*scored))), sort_value))
    return read


async def count(connection: Connection, names: ScoreNames, organization_id: int, tree: Filter) -> int:
    """How many of the organization's requests match."""
    ids = await names.find(connection, organization_id, score_names(tree))
    compiled = compile_count(tree, ids, first_parameter=2)
    statement = fill(_SQL["count"], **compiled.slots)
    # Not `fetchval`: a statement of which one row is asked for gets no parallel workers.
    [row] = await connection.fetch(statement, organization_id, *compiled.arguments)
    return int(row[0])


async def find(
    connection: Connection, names: ScoreNames, organization_id: int, request_id: str
) -> Request | None:
    """Return one request by its id."""
    tree = Compare(Column("request_id"), "=", request_id)
    page = await search(connection, names, organization_id, tree, limit=1)
    return page.requests[0] if page.requests else None
