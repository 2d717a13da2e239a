"""The page of requests: a table that can be filtered, sorted and limited to a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

import msgspec
from starlette.datastructures import QueryParams
from starlette.responses import Response

from heliscore.api.helicone.query_bodies import Query
from heliscore.api.http.endpoints import error_response
from heliscore.api.shared.export_stream import WantedExport, stream_export
from heliscore.api.shared.sort_fields import encode_cursor
from heliscore.dashboard.parts.conversation import working_size
from heliscore.dashboard.parts.downloads import DOWNLOAD, wants_csv
from heliscore.dashboard.parts.page_routes import Page, PageRequest, answer_data
from heliscore.dashboard.parts.request_rows import RequestRow, ScoreScale, make_rows, make_scale
from heliscore.dashboard.parts.score_fields import name_order
from heliscore.dashboard.parts.search_address import (
    MAX_NAMES,
    PATH,
    SearchAddress,
    decode_search,
    from_saved,
    mentioned_scores,
    read_search,
    wrap_filter,
)
from heliscore.dashboard.parts.table_cells import make_cells, make_score_cells
from heliscore.dashboard.parts.table_columns import TITLES, find_columns, find_exported
from heliscore.dashboard.parts.table_headings import make_headings, make_score_heading
from heliscore.domain.errors import FieldError, InvalidInput, Unavailable
from heliscore.domain.filter_tree import Score
from heliscore.domain.saved_view import PROPERTY, SavedView
from heliscore.domain.score_definition import ScoreDefinition
from heliscore.domain.times import now
from heliscore.store import saved_views, scores
from heliscore.store.facets import find_facets
from heliscore.store.search import request_search as store
from heliscore.store.search.found_requests import Page as FoundPage

_ROWS: Final = 50
_COUNT_TIMEOUT_S: Final = 1.0
_FACETS_PERIOD: Final = timedelta(days=90)
_NOTES: Final = ("changed", "deleted")
"""Parameters that say what an action before has done."""


class Known(msgspec.Struct, frozen=True):
    """What is known of the organization, whatever the search."""

    kinds: Mapping[str, bool]
    """Score names, and whether each is used for booleans."""

    views: Sequence[SavedView]
    definitions: Mapping[str, ScoreDefinition]


async def list_requests(page: PageRequest) -> Response:
    """Show the table of the address."""
    return await show_requests(page, page.request.query_params)


async def show_requests(
    page: PageRequest, params: QueryParams, view_errors: tuple[FieldError, ...] = ()
) -> Response:
    """Show the table of some parameters; the errors are those of a view that could not be saved."""
    search = read_search(params)
    try:
        query = decode_search(search, _ROWS)
    except InvalidInput as error:
        return _render(page, search, await _find_known(page), errors=error.errors)
    if wants_csv(params):
        return await _download(page, search, query)
    known = await _find_known(page)
    try:
        found = await _find(page, search, query)
    except Unavailable as error:
        return error_response(error, lambda error: _render(page, search, known, query, trouble=str(error)))
    bodies = [body for request in found.requests for body in (request.request_body, request.response_body)]
    first = search.place or (0 if search.cursor else 1)
    rows = await page.services.large_work.run(
        make_rows, found.requests, search, first, size_bytes=working_size(*bodies)
    )
    following = first + len(rows) if first else 0
    more = None
    if found.next is not None:
        more = search.href(cursor=encode_cursor(query.sort, found.next), place=following)
    return _render(page, search, known, query, rows=rows, more=more, view_errors=view_errors)


async def _download(page: PageRequest, search: SearchAddress, query: Query) -> Response:
    """All that the search finds, with the columns of the table: also those of further pages. The whole
    answers are in it only where their column was chosen."""
    columns = find_columns(search.table_columns)
    wanted = WantedExport(
        tree=query.filter,
        sort=query.sort,
        format="csv",
        columns=find_exported(columns, with_bodies=bool(search.shown)),
        scores=search.columns or None,
    )
    return await stream_export(page.call, wanted)


def _download_address(search: SearchAddress) -> str:
    whole = search.href(cursor="")
    return f"{whole}{'&' if '?' in whole else '?'}{DOWNLOAD}=csv"


async def _find_known(page: PageRequest) -> Known:
    definitions = await page.services.definitions.find(page.organization_id)
    async with page.services.database.connection() as connection:
        kinds = await scores.list_kinds(connection, page.organization_id, MAX_NAMES)
        views = await saved_views.list_views(connection, page.organization_id)
    return Known(kinds, views, definitions.by_name)


async def _find(page: PageRequest, search: SearchAddress, query: Query) -> FoundPage:
    async with page.services.database.connection() as connection:
        return await store.search(
            connection,
            page.services.ids.names,
            page.organization_id,
            query.filter,
            sort=query.sort,
            after=query.after,
            limit=query.limit,
            bodies="previews" if "answer" in search.table_columns else "preview",
        )


def _render(
    page: PageRequest,
    search: SearchAddress,
    known: Known,
    query: Query | None = None,
    *,
    rows: Sequence[RequestRow] = (),
    more: str | None = None,
    errors: tuple[FieldError, ...] = (),
    view_errors: tuple[FieldError, ...] = (),
    trouble: str = "",
) -> Response:
    """`query` is None if the search has errors; `trouble` says why there are no rows."""
    sort = None if query is None else query.sort
    names = list(search.columns) or ([] if query is None else _scores_of(rows, query))
    columns = find_columns(search.table_columns)
    before = [column for column in columns if column.is_before_scores]
    after = [column for column in columns if not column.is_before_scores]
    scales, at = [_make_scale(name, rows, known) for name in names], now()
    properties = {PROPERTY + key for row in rows for key in row.properties}
    return page.render(
        "pages/request_list.html",
        status=400 if errors or view_errors else 200,
        search=search,
        more=more,
        errors=errors,
        errors_json=msgspec.json.encode(errors).decode(),
        view_errors=view_errors,
        trouble=trouble,
        names=list(dict.fromkeys([*known.kinds, *names])),
        chosen=names,
        before_scores=before,
        after_scores=after,
        titles=TITLES,
        properties=sorted(properties.union(c.key for c in columns if c.key.startswith(PROPERTY))),
        headings=make_headings(search, sort, columns),
        score_headings=[make_score_heading(search, sort, scale) for scale in scales],
        score_names=names,
        table_rows=[
            (row, make_cells(row, before, at), make_score_cells(row, scales), make_cells(row, after, at))
            for row in rows
        ],
        is_sorted=sort is not None and sort.subject in [*map(Score, names), *(c.sorted_by for c in columns)],
        ranges=search.ranges,
        views=[(view, from_saved(view.search).href(), _is_shown(view, search)) for view in known.views],
        view=next((view for view in known.views if _is_shown(view, search)), None),
        address=_address(page),
        curl=_curl(page, search),
        download=_download_address(search),
        notes={name: _read_count(page, name) for name in _NOTES},
        queues=(),
    )


def _is_shown(view: SavedView, search: SearchAddress) -> bool:
    return from_saved(view.search) == msgspec.structs.replace(search, cursor="", place=0)


def _read_count(page: PageRequest, name: str) -> int | None:
    text = page.request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _make_scale(name: str, rows: Sequence[RequestRow], known: Known) -> ScoreScale:
    return make_scale(name, rows, known.definitions.get(name), is_boolean=known.kinds.get(name, False))


def _scores_of(rows: Sequence[RequestRow], query: Query) -> list[str]:
    """The scores of the rows and of the query; the thumbs come last."""
    names = {*mentioned_scores(query)}.union(*(row.scores for row in rows))
    return sorted(names, key=name_order)


def _curl(page: PageRequest, search: SearchAddress) -> tuple[str, str, str]:
    """Make the shell command of a search: beginning, filter (requests.js replaces it) and end."""
    before, after = wrap_filter(search)
    filter_, sort = ((text.replace("'", "'\\''")) for text in (search.filter or '"all"', search.sort))
    return (
        f'curl {_address(page)}/v1/request/query -H "Authorization: Bearer $KEY" '
        "-H 'Content-Type: application/json' -d '{\"filter\": " + before,
        filter_,
        after + (f', "sort": {sort}' if sort else "") + f', "limit": {_ROWS}}}\'',
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
    Page(path=PATH, handler=list_requests, title="Requests"),
    Page(path="/request-count", handler=count_requests, data=True),
    Page(path="/request-values", handler=list_values, data=True),
)
