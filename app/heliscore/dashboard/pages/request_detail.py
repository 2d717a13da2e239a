"""One request: the conversation, what is known of it, its scores, and the way to the next one."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.responses import Response

from heliscore.api.helicone.query_bodies import Query, encode_cursor
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.dashboard.pages.request_list import MAX_NAMES
from heliscore.dashboard.parts.conversation import indented, preview, read_conversation
from heliscore.dashboard.parts.page_routes import Page, PageRequest, redirect
from heliscore.dashboard.parts.search_address import PATH, Search, decode_search, names_in, place, read_search
from heliscore.domain.errors import InvalidInput, NotFound
from heliscore.domain.score import FEEDBACK, Score
from heliscore.store import scores as score_store
from heliscore.store.connections.pool import Connection
from heliscore.store.search import request_search

_FEW_NAMES: Final = 12
"""Where an organization has no more names, each request has a field for all of them."""


class Field(msgspec.Struct, frozen=True):
    """A score that can be given."""

    name: str
    is_boolean: bool
    value: str = ""
    """As `as_text` makes it; empty where the request does not have the score."""

    entered: str | None = None
    """What was just entered and could not be saved, for the reason in `fault`."""

    error: str = ""


def as_text(score: Score) -> str:
    """A value as it stands in forms and scripts."""
    return ("false", "true")[score.value] if score.is_boolean else str(score.value)


async def show_request(visit: PageRequest, error: Field | None = None) -> Response:
    """Show the request; `fault` is the score that could not be saved."""
    request_id = read_path_parameter(visit.request, "requestId")
    search = read_search(visit.request.query_params)
    query, misread = _read_query(search)
    async with visit.services.database.connection() as connection:
        request = await find_request(visit, connection, request_id)
        given = await score_store.find_scores(connection, visit.organization_id, request_id)
        kinds = await score_store.list_kinds(connection, visit.organization_id, MAX_NAMES)
    asked_for = [*names_in(query), *search.columns]
    fields = _make_fields(given, kinds, asked_for, error)
    params = visit.request.query_params
    return visit.render(
        "request.html",
        status=400 if error else 200,
        logged=request,
        preview=preview(request.request_body),
        turns=read_conversation(request.request_body, request.response_body),
        bodies=[
            (title, indented(body))
            for title, body in (("Request", request.request_body), ("Response", request.response_body))
            if body is not None
        ],
        properties=msgspec.json.decode(request.properties, type=dict[str, str]),
        thumb=next(field for field in fields if field.name == FEEDBACK),
        fields=[field for field in fields if field.name != FEEDBACK],
        names=[name for name in kinds if name not in given],
        marked=next(iter(asked_for), None),
        misread=misread,
        here=search.of_request(request_id),
        back=search.address(cursor=""),
        save=search.of_request(request_id, "/score"),
        data=Search().of_request(request_id, "/scores"),
        following=_following(request, query, Search() if misread else search, given),
        removed=params.get("removed", ""),
        was=params.get("was", ""),
        error=error,
    )


def _read_query(search: Search) -> tuple[Query, str]:
    """The search that led here and, where it cannot be read, why all requests are taken instead."""
    try:
        return decode_search(search, 1), ""
    except InvalidInput as error:
        return decode_search(Search(), 1), str(error)


def _make_fields(
    given: dict[str, Score], kinds: dict[str, bool], asked_for: list[str], error: Field | None
) -> list[Field]:
    """Those that the request has, those that are asked for, and where there are few, all."""
    names = {FEEDBACK, *given, *asked_for, *(kinds if len(kinds) <= _FEW_NAMES else ())}
    fields = []
    for name in sorted(names):
        score = given.get(name)
        is_boolean = name == FEEDBACK or (kinds.get(name, False) if score is None else score.is_boolean)
        field = Field(name, is_boolean, "" if score is None else as_text(score))
        if error is not None and error.name == name:
            field = msgspec.structs.replace(field, entered=error.entered, error=error.error)
        fields.append(field)
    return fields


def _following(
    request: request_search.Request, query: Query, search: Search, given: dict[str, Score]
) -> str | None:
    """The address that leads to the next request. It holds the place of this one as it is now: what is scored
    meanwhile may move it elsewhere, or out of what is searched for."""
    position = place(request, query.sort, {name: score.value for name, score in given.items()})
    if position is None:
        return None
    return search.of_request(request.request_id, "/next", cursor=encode_cursor(query.sort, position))


async def show_next(visit: PageRequest) -> Response:
    """Go on to the request behind this one in the search, or say that there is none."""
    request_id = read_path_parameter(visit.request, "requestId")
    search = read_search(visit.request.query_params)
    query = decode_search(search, 1)
    after = query.after
    async with visit.services.database.connection() as connection:
        if after is None:
            request = await find_request(visit, connection, request_id)
            given = await score_store.find_scores(connection, visit.organization_id, request_id)
            after = place(request, query.sort, {name: score.value for name, score in given.items()})
        page = await request_search.search(
            connection,
            visit.services.names,
            visit.organization_id,
            query.filter,
            sort=query.sort,
            after=after,
            limit=1,
            bodies="none",
        )
    found = page.requests[0].request_id if page.requests else None
    target = found and search.of_request(found)
    if target:
        return redirect(target)
    return visit.render(
        "request_end.html", here=search.of_request(request_id), back=search.address(cursor="")
    )


async def find_request(visit: PageRequest, connection: Connection, request_id: str) -> request_search.Request:
    """Return the request of the visitor's organization. Raises NotFound."""
    request = await request_search.find(connection, visit.services.names, visit.organization_id, request_id)
    if request is None:
        raise NotFound(f"there is no request {request_id}")
    return request


ONE: Final = f"{PATH}/{{requestId}}"

PAGES = (
    Page(path=ONE, handler=show_request),
    Page(path=f"{ONE}/next", handler=show_next),
)
