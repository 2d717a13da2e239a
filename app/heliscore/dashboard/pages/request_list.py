"""Requests: the table, what it is filtered and sorted by, and the way to each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from starlette.responses import Response

from heliscore.api.helicone.query_bodies import Query, encode_cursor
from heliscore.api.http.endpoints import error_response
from heliscore.dashboard.parts.conversation import preview
from heliscore.dashboard.parts.page_routes import Page, PageRequest, answer_data
from heliscore.dashboard.parts.search_address import (
    PATH,
    Search,
    decode_search,
    names_in,
    read_search,
    sort_text,
)
from heliscore.domain.errors import FieldError, InvalidInput, Unavailable
from heliscore.domain.filter_tree import Column, Score, Sort
from heliscore.domain.score import FEEDBACK
from heliscore.domain.times import now
from heliscore.store import evaluations, scores
from heliscore.store.search import request_search as store

_ROWS: Final = 50
_COUNT_TIMEOUT_S: Final = 1.0
MAX_NAMES: Final = 500
"""So many score names are offered; all others can be typed."""

_MAX_CHIPS: Final = 4
_LATELY: Final = timedelta(days=90)


class Row(msgspec.Struct, frozen=True):
    """A request as the table shows it."""

    id: str
    address: str | None
    created_at: datetime
    preview: str
    model: str | None
    user: str | None
    status: int | None
    outcome: str | None
    latency_ms: int | None
    properties: dict[str, str]
    scores: dict[str, int]


class Heading(msgspec.Struct, frozen=True):
    """A column that can be sorted by."""

    title: str
    address: str
    """Of the order that a click leads to."""

    direction: str | None = None
    """`ascending` or `descending` where the table is in its order."""

    name: str = ""
    """Of the score, where it is one."""


async def show_requests(visit: PageRequest) -> Response:
    search = read_search(visit.request.query_params)
    try:
        query = decode_search(search, _ROWS)
    except InvalidInput as error:
        return _render(visit, search, await _list_kinds(visit), errors=error.errors)
    kinds = await _list_kinds(visit)
    try:
        page = await _find(visit, query)
    except Unavailable as error:
        return error_response(error, lambda error: _render(visit, search, kinds, query, trouble=str(error)))
    rows = [_make_row(request, search) for request in page.requests]
    more = None if page.next is None else search.address(cursor=encode_cursor(query.sort, page.next))
    return _render(visit, search, kinds, query, rows=rows, more=more)


async def _list_kinds(visit: PageRequest) -> dict[str, bool]:
    async with visit.services.database.connection() as connection:
        return await scores.list_kinds(connection, visit.organization_id, MAX_NAMES)


async def _find(visit: PageRequest, query: Query) -> store.Page:
    async with visit.services.database.connection() as connection:
        return await store.search(
            connection,
            visit.services.names,
            visit.organization_id,
            query.filter,
            sort=query.sort,
            after=query.after,
            limit=query.limit,
            bodies="preview",
        )


def _render(
    visit: PageRequest,
    search: Search,
    kinds: dict[str, bool],
    query: Query | None = None,
    *,
    rows: Sequence[Row] = (),
    more: str | None = None,
    errors: tuple[FieldError, ...] = (),
    trouble: str = "",
) -> Response:
    """`query` is None where the search is at fault; `trouble` is why there are no rows."""
    sort = None if query is None else query.sort
    columns = list(search.columns) or ([] if query is None else _columns_of(rows, query))
    return visit.render(
        "requests.html",
        status=400 if errors else 200,
        search=search,
        rows=rows,
        more=more,
        errors=errors,
        errors_json=msgspec.json.encode(errors).decode(),
        trouble=trouble,
        kinds=kinds,
        names=list(dict.fromkeys([*kinds, *columns])),
        columns=columns,
        headings={key: _heading(search, sort, title, Column(key)) for key, title in _SORTABLE.items()},
        score_headings=[_heading(search, sort, name, Score(name)) for name in columns],
        curl=_curl(visit, search),
        address=_address(visit),
        rows_a_page=_ROWS,
        max_chips=_MAX_CHIPS,
        feedback=FEEDBACK,
    )


_SORTABLE: Final = {"created_at": "Time", "model": "Model", "user_id": "User", "latency_ms": "Latency"}


def _make_row(request: store.Request, search: Search) -> Row:
    scores = msgspec.json.decode(request.scored.scores or b"{}", type=dict[str, int])
    return Row(
        id=request.request_id,
        address=search.of_request(request.request_id),
        created_at=request.created_at,
        preview=preview(request.request_body),
        model=request.model,
        user=request.user_id,
        status=request.status,
        outcome=request.outcome,
        latency_ms=request.latency_ms,
        properties=msgspec.json.decode(request.properties, type=dict[str, str]),
        scores=scores,
    )


def _columns_of(rows: Sequence[Row], query: Query) -> list[str]:
    """The scores on the page and those that the search speaks of; the thumbs come last."""
    names = {*names_in(query)}.union(*(row.scores for row in rows))
    return sorted(names, key=lambda name: (name == FEEDBACK, name))


def _heading(search: Search, sort: Sort | None, title: str, subject: Column | Score) -> Heading:
    """A click sorts by it, highest first, and the next one the other way round."""
    here = sort is not None and sort.subject == subject
    descending = sort is None or not here or not sort.descending
    return Heading(
        title,
        search.address(sort=sort_text(subject, descending=descending), cursor=""),
        None if sort is None or not here else "descending" if sort.descending else "ascending",
        subject.name if isinstance(subject, Score) else "",
    )


def _curl(visit: PageRequest, search: Search) -> str:
    """The search as a call of the API, for a shell."""
    body = {"filter": search.filter or '"all"'} | ({"sort": search.sort} if search.sort else {})
    encoded = ", ".join(f'"{key}": {text}' for key, text in body.items()).replace("'", "'\\''")
    return (
        f'curl {_address(visit)}/v1/request/query -H "Authorization: Bearer $KEY" '
        f"-H 'Content-Type: application/json' -d '{{{encoded}, \"limit\": {_ROWS}}}'"
    )


def _address(visit: PageRequest) -> str:
    return str(visit.request.base_url).rstrip("/")


async def count_requests(visit: PageRequest) -> Response:
    """How many requests a search finds, or null where counting them takes too long."""
    query = decode_search(read_search(visit.request.query_params), _ROWS)
    count = None
    try:
        async with asyncio.timeout(_COUNT_TIMEOUT_S), visit.services.database.connection() as connection:
            count = await store.count(connection, visit.services.names, visit.organization_id, query.filter)
    except TimeoutError:
        pass
    return answer_data({"count": count})


async def list_values(visit: PageRequest) -> Response:
    """What the newest requests can be told apart by, for the filter builder to offer."""
    end = now()
    async with visit.services.database.connection() as connection:
        facets = await evaluations.find_facets(connection, visit.organization_id, end - _LATELY, end)
    return answer_data({"values": facets.values})


PAGES = (
    Page(path=PATH, handler=show_requests, title="Requests"),
    Page(path="/request-count", handler=count_requests, data=True),
    Page(path="/request-values", handler=list_values, data=True),
)
