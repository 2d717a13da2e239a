"""Reads requests: queries, counts, single ones by id; and removes them."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from heliscore.api.helicone.query_bodies import (
    IDS_BODY,
    MAX_LIMIT,
    QUERY_BODY,
    Query,
    decode_ids,
    decode_query,
)
from heliscore.api.helicone.row import ROW, Row, make_row, pass_json
from heliscore.api.helicone.search_explanations import EXPLANATION, encode_explanation
from heliscore.api.helicone.signed_bodies import PATH, Sign, check_token, make_signer, no_bodies, origin_of
from heliscore.api.http.endpoints import ApiCall, Endpoint
from heliscore.api.http.json_codec import Json
from heliscore.api.http.json_schema import COUNT, Schema, closed_object, nullable
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.api.http.request_state import state_of
from heliscore.api.shared import envelope
from heliscore.api.shared.sort_fields import encode_cursor
from heliscore.domain.errors import InvalidInput, NotFound, Unavailable
from heliscore.domain.filter_tree import Column, OneOf
from heliscore.store import request_log
from heliscore.store.connections.pool import Connection
from heliscore.store.score_history import find_details
from heliscore.store.search import request_search as store
from heliscore.store.search.found_requests import Page
from heliscore.store.search.search_explanation import explain_count, explain_search


async def query_requests(call: ApiCall) -> Response:
    """Find requests by score, property, model, time and all their other columns.

    Every condition of the filter counts: an unknown one is an error and never ignored. Every page but the
    last has `nextCursor` beside `data`: send it as `cursor` with the same filter and sort to get the next
    page, without gaps or repetitions even while new requests arrive. With `explain`, the answer says how many
    requests meet each condition, alone and with those before it: where nothing matches, which one is why.
    """
    query = decode_query(await call.body())
    sign = await _find_signer(call)
    async with call.services.database.connection() as connection:
        if query.with_details:
            page, rows = await _find_with_details(call, connection, query, sign)
        else:
            page = await _find_page(call, connection, query)
            rows = [make_row(request, sign) for request in page.requests]
        beside: dict[str, Any] = {}
        if query.explain:
            beside["explain"] = await _find_explanation(call, connection, query)
    if page.next is not None:
        beside["nextCursor"] = encode_cursor(query.sort, page.next)
    return envelope.answer(rows, **beside)


async def _find_explanation(call: ApiCall, connection: Connection, query: Query) -> dict[str, Any]:
    explanation = await explain_search(
        connection,
        call.services.ids.names,
        call.principal.organization_id,
        query.filter,
        sort=query.sort,
        after=query.after,
        offset=query.offset,
        limit=query.limit,
    )
    return encode_explanation(explanation)


async def _find_page(call: ApiCall, connection: Connection, query: Query) -> Page:
    return await store.search(
        connection,
        call.services.ids.names,
        call.principal.organization_id,
        query.filter,
        sort=query.sort,
        after=query.after,
        offset=query.offset,
        limit=query.limit,
    )


async def _find_with_details(
    call: ApiCall, connection: Connection, query: Query, sign: Sign
) -> tuple[Page, list[Row]]:
    # One snapshot, so that a row's scores and their details are the same.
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        page = await _find_page(call, connection, query)
        ids = [request.request_id for request in page.requests]
        details = await find_details(connection, call.principal.organization_id, ids)
    return page, [
        make_row(request, sign, details.get(request.request_id, b"{}")) for request in page.requests
    ]


async def count_requests(call: ApiCall) -> Response:
    """Count the requests that a query would find; sort, offset and limit have no effect."""
    query = decode_query(await call.body())
    names, organization_id = call.services.ids.names, call.principal.organization_id
    async with call.services.database.connection() as connection:
        count = await store.count(connection, names, organization_id, query.filter)
        if not query.explain:
            return envelope.answer(count)
        explanation = await explain_count(connection, names, organization_id, query.filter)
    return envelope.answer(count, explain=encode_explanation(explanation))


async def get_request(call: ApiCall) -> Response:
    """Read one request with its scores. Bodies are always included."""
    request_id = read_path_parameter(call.request, "requestId")
    services, sign = call.services, await _find_signer(call)
    async with services.database.connection() as connection:
        request = await store.find(connection, services.ids.names, call.principal.organization_id, request_id)
    if request is None:
        raise NotFound(f"there is no request {request_id}")
    return envelope.answer(make_row(request, sign))


async def query_ids(call: ApiCall) -> Response:
    """Read several requests by id; the answer has the order of the ids, and null for an unknown one."""
    ids = decode_ids(await call.body())
    services, sign = call.services, await _find_signer(call)
    async with services.database.connection() as connection:
        page = await store.search(
            connection,
            services.ids.names,
            call.principal.organization_id,
            OneOf(Column("request_id"), tuple(ids)),
            limit=MAX_LIMIT,
        )
    rows = {request.request_id: make_row(request, sign) for request in page.requests}
    return envelope.answer([rows.get(id_) for id_ in ids])


async def _find_signer(call: ApiCall) -> Sign:
    secret = await call.services.body_url_secret.find()
    return make_signer(secret, call.principal.organization_id, origin_of(call.request))


async def read_signed_body(request: Request) -> Response:
    """Read the bodies of a request at the address that `signed_body_url` of its row names, without a key.

    The address is valid for one to two hours. null stands for a body that was not logged.
    """
    state = state_of(request.scope)
    services, request_id = state.services, read_path_parameter(request, "requestId")
    secret = await services.body_url_secret.find()
    organization_id = check_token(secret, request.path_params["token"], request_id)
    state.organization_id = organization_id
    async with services.database.connection() as connection:
        found = await store.find(connection, services.ids.names, organization_id, request_id)
    if found is None:
        raise no_bodies()
    return Json({"request": pass_json(found.request_body), "response": pass_json(found.response_body)})


async def delete_request(call: ApiCall) -> Response:
    """Remove a request with all its scores."""
    request_id = read_path_parameter(call.request, "requestId")
    async with call.services.database.connection() as connection:
        removed = await request_log.remove_request(connection, call.principal.organization_id, request_id)
    if not removed:
        raise NotFound(f"there is no request {request_id}")
    return envelope.DONE


_TAG: Final = "Requests"
_CURSOR: Final[Schema] = {"type": "string", "description": "Where the next page begins; absent on the last."}


def _query_endpoint(path: str) -> Endpoint:
    return envelope.endpoint(
        "POST",
        path,
        query_requests,
        "r",
        _TAG,
        body=QUERY_BODY,
        data={"type": "array", "items": ROW},
        beside={"nextCursor": _CURSOR, "explain": EXPLANATION},
    )


ENDPOINTS: Final = (
    _query_endpoint("/v1/request/query"),
    _query_endpoint("/v1/request/query-clickhouse"),
    envelope.endpoint(
        "POST",
        "/v1/request/count/query",
        count_requests,
        "r",
        _TAG,
        body=QUERY_BODY,
        data=COUNT,
        data_example=42,
        beside={"explain": EXPLANATION},
    ),
    envelope.endpoint(
        "POST",
        "/v1/request/query-ids",
        query_ids,
        "r",
        _TAG,
        body=IDS_BODY,
        data={"type": "array", "items": nullable(ROW)},
    ),
    envelope.endpoint("GET", "/v1/request/{requestId}", get_request, "r", _TAG, data=ROW, errors=(NotFound,)),
    Endpoint(
        method="GET",
        path=PATH,
        handler=read_signed_body,
        render_error=envelope.render_error,
        tag=_TAG,
        permission=None,
        errors=(InvalidInput, NotFound, Unavailable),
        answer=closed_object({"request": {}, "response": {}}, ("request", "response")),
    ),
    envelope.endpoint("DELETE", "/v1/request/{requestId}", delete_request, "w", _TAG, errors=(NotFound,)),
)
