"""The page of one request: conversation, facts, scores, and the link to the next request."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from starlette.responses import Response

from heliscore.api.helicone.query_bodies import Query
from heliscore.api.http.html import make_policy
from heliscore.api.http.large_work import LARGE_BYTES
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.api.shared.sort_fields import encode_cursor
from heliscore.dashboard.parts.conversation import Layout, lay_out, working_size
from heliscore.dashboard.parts.page_routes import Page, PageRequest, redirect
from heliscore.dashboard.parts.request_facts import list_facts, list_properties
from heliscore.dashboard.parts.score_fields import (
    FEW_NAMES,
    ScoreField,
    ScoreSheet,
    group_fields,
    make_fields,
    name_order,
)
from heliscore.dashboard.parts.search_address import (
    MAX_NAMES,
    PATH,
    SearchAddress,
    decode_search,
    find_position,
    mentioned_scores,
    read_search,
)
from heliscore.domain.errors import InvalidInput, NotFound
from heliscore.domain.score import FEEDBACK, MAX_COMMENT_LENGTH, Score
from heliscore.store import score_history
from heliscore.store import scores as score_store
from heliscore.store.connections.pool import Connection
from heliscore.store.search import request_search
from heliscore.store.search.found_requests import Request

ASKED: Final = "score"
"""The parameter that asks for the field of a score, which the request need not have."""

_HEADERS: Final = {"Content-Security-Policy": make_policy(media_src="data:")}
"""Players of sounds that are on the page; pictures may be everywhere."""


async def show_request(page: PageRequest, error: ScoreField | None = None) -> Response:
    """Show the request; `error` is the score that could not be saved."""
    request_id = read_path_parameter(page.request, "requestId")
    async with page.services.database.connection() as connection:
        request = await find_request(page, connection, request_id)
        changes = await score_history.find_changes(connection, page.organization_id, request_id) or {}
        kinds = await score_store.list_kinds(connection, page.organization_id, MAX_NAMES)
    sheet = ScoreSheet(changes, kinds, await page.services.definitions.find(page.organization_id))
    bodies = request.request_body, request.response_body
    size = working_size(*bodies)
    layout = await page.services.large_work.run(lay_out, *bodies, size_bytes=size)
    if size >= LARGE_BYTES:
        return await asyncio.to_thread(_render, page, request, layout, sheet, error)
    return _render(page, request, layout, sheet, error)


def _render(
    page: PageRequest,
    request: Request,
    layout: Layout,
    sheet: ScoreSheet,
    error: ScoreField | None,
) -> Response:
    params = page.request.query_params
    search = read_search(params)
    query, misread = _read_query(search)
    asked_for = [*params.getlist(ASKED), *mentioned_scores(query), *search.columns]
    given = sheet.given
    fields = make_fields(sheet, asked_for, page.signed_in.author, error)
    shown = {field.name for field in fields}
    others = sorted((name for name in sheet.kinds if name not in shown), key=name_order)
    return page.render(
        "pages/request_detail.html",
        status=400 if error else 200,
        headers=_HEADERS,
        logged=request,
        layout=layout,
        facts=list_facts(request),
        properties=list_properties(msgspec.json.decode(request.properties, type=dict[str, str])),
        few=FEW_NAMES,
        thumb=next(field for field in fields if field.name == FEEDBACK),
        fields=[field for field in fields if field.name != FEEDBACK],
        groups=group_fields([field for field in fields if field.name != FEEDBACK]),
        others=others,
        asked=ASKED,
        names=sorted((name for name in sheet.kinds if name not in given), key=name_order),
        search=search,
        marked=next(iter(asked_for), None),
        misread=misread,
        here=search.request_href(request.request_id, place=search.place),
        back=search.href(cursor=""),
        count=search.href("/request-count", cursor=""),
        plain=SearchAddress().request_href(request.request_id),
        save=search.request_href(request.request_id, "/score", place=search.place),
        data=SearchAddress().request_href(request.request_id, "/scores"),
        following=_following(request, query, SearchAddress() if misread else search, given),
        removed=next((field for field in fields if field.name == params.get("removed")), None),
        error=error,
        max_comment_length=MAX_COMMENT_LENGTH,
    )


def _read_query(search: SearchAddress) -> tuple[Query, str]:
    """Decode the search; if it has errors, return the one of all requests, and the errors."""
    try:
        return decode_search(search, 1), ""
    except InvalidInput as error:
        return decode_search(SearchAddress(), 1), str(error)


def _following(request: Request, query: Query, search: SearchAddress, given: dict[str, Score]) -> str | None:
    """The address that leads to the next request. It holds the present position of this one: a new score may
    move it to another position, or out of the search."""
    position = find_position(request, query.sort, {name: score.value for name, score in given.items()})
    if position is None:
        return None
    cursor = encode_cursor(query.sort, position)
    place = search.place + 1 if search.place else 0
    return search.request_href(request.request_id, "/next", cursor, place)


async def show_next(page: PageRequest) -> Response:
    """Redirect to the next request of the search, or say that there is none."""
    request_id = read_path_parameter(page.request, "requestId")
    search = read_search(page.request.query_params)
    query = decode_search(search, 1)
    after = query.after
    async with page.services.database.connection() as connection:
        if after is None:
            request = await find_request(page, connection, request_id)
            given = await score_store.find_scores(connection, page.organization_id, request_id)
            after = find_position(request, query.sort, {name: score.value for name, score in given.items()})
        found = await request_search.search(
            connection,
            page.services.ids.names,
            page.organization_id,
            query.filter,
            sort=query.sort,
            after=after,
            limit=1,
            bodies="none",
        )
    target = found.requests and search.request_href(found.requests[0].request_id, place=search.place)
    if target:
        return redirect(target)
    here = search.request_href(request_id, place=max(search.place - 1, 0))
    return page.render("pages/request_end.html", here=here, back=search.href(cursor=""))


async def find_request(page: PageRequest, connection: Connection, request_id: str) -> Request:
    """Return a request of the organization. Raises NotFound."""
    request = await request_search.find(connection, page.services.ids.names, page.organization_id, request_id)
    if request is None:
        raise NotFound(f"there is no request {request_id}")
    return request


REQUEST_PATH: Final = f"{PATH}/{{requestId}}"

PAGES = (
    Page(path=REQUEST_PATH, handler=show_request),
    Page(path=f"{REQUEST_PATH}/next", handler=show_next),
)
