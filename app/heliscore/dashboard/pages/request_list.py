"""The page of requests: a table that can be filtered and sorted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from starlette.responses import Response

from heliscore.api.helicone.query_bodies import Query
from heliscore.api.http.endpoints import error_response
from heliscore.api.shared.export_stream import WantedExport, stream_export
from heliscore.api.shared.sort_fields import encode_cursor
from heliscore.dashboard.parts.conversation import read_titles, working_size
from heliscore.dashboard.parts.downloads import DOWNLOAD, wants_csv
from heliscore.dashboard.parts.page_routes import Page, PageRequest, answer_data
from heliscore.dashboard.parts.search_address import (
    MAX_NAMES,
    PATH,
    SearchAddress,
    decode_search,
    format_sort,
    mentioned_scores,
    read_search,
)
from heliscore.domain.errors import FieldError, InvalidInput, Unavailable
from heliscore.domain.export_columns import SCORES
from heliscore.domain.filter_tree import Column, Score, Sort
from heliscore.domain.score import FEEDBACK
from heliscore.domain.times import now
from heliscore.store import scores
from heliscore.store.facets import find_facets
from heliscore.store.search import request_search as store
from heliscore.store.search.found_requests import Page as FoundPage
from heliscore.store.search.found_requests import Request

_ROWS: Final = 50
_COUNT_TIMEOUT_S: Final = 1.0
_MAX_CHIPS: Final = 4
_FACETS_PERIOD: Final = timedelta(days=90)


class RequestRow(msgspec.Struct, frozen=True):
    """A row of the table."""

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


class SortHeading(msgspec.Struct, frozen=True):
    """The heading of a column by which the table can be sorted."""

    title: str
    address: str
    """Where a click leads: the same search in this column's order."""

    direction: str | None = None
    """`ascending` or `descending` if the table is sorted by this column."""

    name: str = ""
    """The name of the score, if it is one."""


async def show_requests(page: PageRequest) -> Response:
    search = read_search(page.request.query_params)
    try:
        query = decode_search(search, _ROWS)
    except InvalidInput as error:
        return _render(page, search, await _list_kinds(page), errors=error.errors)
    if wants_csv(page.request.query_params):
        return await _download(page, search, query)
    kinds = await _list_kinds(page)
    try:
        found = await _find(page, query)
    except Unavailable as error:
        return error_response(error, lambda error: _render(page, search, kinds, query, trouble=str(error)))
    first = search.place or (0 if search.cursor else 1)
    rows = await _make_rows(page, found.requests, search, first)
    following = first + len(rows) if first else 0
    more = None
    if found.next is not None:
        more = search.href(cursor=encode_cursor(query.sort, found.next), place=following)
    return _render(page, search, kinds, query, rows=rows, more=more)


async def _download(page: PageRequest, search: SearchAddress, query: Query) -> Response:
    """All that the search finds, with the columns of the table: also those of further pages."""
    wanted = WantedExport(
        tree=query.filter,
        sort=query.sort,
        format="csv",
        columns=_DOWNLOADED,
        scores=search.columns or None,
    )
    return await stream_export(page.call, wanted)


def _download_address(search: SearchAddress) -> str:
    whole = search.href(cursor="")
    return f"{whole}{'&' if '?' in whole else '?'}{DOWNLOAD}=csv"


_DOWNLOADED: Final = (
    *("created_at", "request_id", SCORES, "model", "user_id", "status", "outcome", "latency_ms"),
    "properties",
)


async def _list_kinds(page: PageRequest) -> dict[str, bool]:
    async with page.services.database.connection() as connection:
        return await scores.list_kinds(connection, page.organization_id, MAX_NAMES)


async def _find(page: PageRequest, query: Query) -> FoundPage:
    async with page.services.database.connection() as connection:
        return await store.search(
            connection,
            page.services.ids.names,
            page.organization_id,
            query.filter,
            sort=query.sort,
            after=query.after,
            limit=query.limit,
            bodies="preview",
        )


def _render(
    page: PageRequest,
    search: SearchAddress,
    kinds: dict[str, bool],
    query: Query | None = None,
    *,
    rows: Sequence[RequestRow] = (),
    more: str | None = None,
    errors: tuple[FieldError, ...] = (),
    trouble: str = "",
) -> Response:
    """`query` is None if the search has errors; `trouble` says why there are no rows."""
    sort = None if query is None else query.sort
    columns = list(search.columns) or ([] if query is None else _columns_of(rows, query))
    return page.render(
        "pages/request_list.html",
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
        curl=_curl(page, search),
        download=_download_address(search),
        max_chips=_MAX_CHIPS,
        feedback=FEEDBACK,
    )


_SORTABLE: Final = {"created_at": "Time", "model": "Model", "user_id": "User", "latency_ms": "Latency"}


async def _make_rows(
    page: PageRequest, requests: Sequence[Request], search: SearchAddress, first: int
) -> list[RequestRow]:
    """`first` is the place of the first one in the search's order; 0 if unknown."""
    bodies = [request.request_body for request in requests]
    titles = await page.services.large_work.run(read_titles, bodies, size_bytes=working_size(*bodies))
    return [
        _make_row(request, title, search, first + index if first else 0)
        for index, (request, title) in enumerate(zip(requests, titles, strict=True))
    ]


def _make_row(request: Request, title: str, search: SearchAddress, place: int) -> RequestRow:
    scores = msgspec.json.decode(request.scored.scores or b"{}", type=dict[str, int])
    return RequestRow(
        id=request.request_id,
        address=search.request_href(request.request_id, place=place),
        created_at=request.created_at,
        preview=title,
        model=request.model,
        user=request.user_id,
        status=request.status,
        outcome=request.outcome,
        latency_ms=request.latency_ms,
        properties=msgspec.json.decode(request.properties, type=dict[str, str]),
        scores=scores,
    )


def _columns_of(rows: Sequence[RequestRow], query: Query) -> list[str]:
    """The scores of the rows and of the query; the thumbs come last."""
    names = {*mentioned_scores(query)}.union(*(row.scores for row in rows))
    return sorted(names, key=lambda name: (name == FEEDBACK, name))


def _heading(search: SearchAddress, sort: Sort | None, title: str, subject: Column | Score) -> SortHeading:
    """The first click sorts descending, the next one ascending."""
    here = sort is not None and sort.subject == subject
    descending = sort is None or not here or not sort.descending
    return SortHeading(
        title,
        search.href(sort=format_sort(subject, descending=descending), cursor=""),
        None if sort is None or not here else "descending" if sort.descending else "ascending",
        subject.name if isinstance(subject, Score) else "",
    )


def _curl(page: PageRequest, search: SearchAddress) -> tuple[str, str, str]:
    """Make the shell command of a search: beginning, filter (requests.js replaces it) and end."""
    filter_, sort = ((text.replace("'", "'\\''")) for text in (search.filter or '"all"', search.sort))
    return (
        f'curl {_address(page)}/v1/request/query -H "Authorization: Bearer $KEY" '
        "-H 'Content-Type: application/json' -d '{\"filter\": ",
        filter_,
        (f', "sort": {sort}' if sort else "") + f', "limit": {_ROWS}}}\'',
    )


def _address(page: PageRequest) -> str:
    return str(page.request.base_url).rstrip("/")


async def count_requests(page: PageRequest) -> Response:
    """Answer how many requests a search finds, or null if counting takes too long."""
    query = decode_search(read_search(page.request.query_params), _ROWS)
    count = None
    try:
        async with asyncio.timeout(_COUNT_TIMEOUT_S), page.services.database.connection() as connection:
            count = await store.count(connection, page.services.ids.names, page.organization_id, query.filter)
    except TimeoutError:
        pass
    return answer_data({"count": count})


async def list_values(page: PageRequest) -> Response:
    """Answer the values of the newest requests' fields, for the filter builder to offer."""
    end = now()
    async with page.services.database.connection() as connection:
        facets = await find_facets(connection, page.organization_id, end - _FACETS_PERIOD, end)
    return answer_data({"values": facets.values})


PAGES = (
    Page(path=PATH, handler=show_requests, title="Requests"),
    Page(path="/request-count", handler=count_requests, data=True),
    Page(path="/request-values", handler=list_values, data=True),
)
