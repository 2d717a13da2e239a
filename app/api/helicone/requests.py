"""Requests out: query, count, one by id."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from app.api.endpoints import Call, Endpoint
from app.api.helicone import envelope, schemas
from app.api.helicone.queries import decode_query, encode_cursor
from app.api.helicone.rows import make_row
from app.api.wire import path_text
from app.errors import NotFound
from app.store import requests as store


async def query_requests(call: Call) -> Response:
    """Find requests by scores, properties, model, time and everything else that is known of them.

    Every condition of the filter counts; what is not understood is refused and never left out. A page that
    is not the last carries `nextCursor` beside `data`: send it as `cursor` with the same filter and sort to
    go on, while new requests arrive, without gaps or repetitions.
    """
    query = decode_query(await call.body())
    services = call.services
    async with services.database.connection() as connection:
        page = await store.search(
            connection,
            services.names,
            call.principal.organization_id,
            query.filter,
            sort=query.sort,
            after=query.after,
            offset=query.offset,
            limit=query.limit,
        )
    rows = [make_row(request) for request in page.requests]
    if page.next is None:
        return envelope.answer(rows)
    return envelope.answer(rows, nextCursor=encode_cursor(query.sort, page.next))


async def count_requests(call: Call) -> Response:
    """Count the requests that a query would find; sort, offset and limit have no effect."""
    query = decode_query(await call.body())
    services = call.services
    async with services.database.connection() as connection:
        count = await store.count(connection, services.names, call.principal.organization_id, query.filter)
    return envelope.answer(count)


async def get_request(call: Call) -> Response:
    """Read one request with its scores. Bodies are always included."""
    request_id = path_text(call.request, "requestId")
    services = call.services
    async with services.database.connection() as connection:
        request = await store.find(connection, services.names, call.principal.organization_id, request_id)
    if request is None:
        raise NotFound(f"there is no request {request_id}")
    return envelope.answer(make_row(request))


def _query_endpoint(path: str) -> Endpoint:
    return Endpoint(
        method="POST",
        path=path,
        handler=query_requests,
        refuse=envelope.refuse,
        tag="Requests",
        permission="r",
        body=schemas.QUERY,
        body_example=schemas.QUERY_EXAMPLE,
        answer=envelope.schema({"type": "array", "items": schemas.ROW}, nextCursor=schemas.CURSOR),
    )


ENDPOINTS: Final = (
    _query_endpoint("/v1/request/query"),
    _query_endpoint("/v1/request/query-clickhouse"),
    Endpoint(
        method="POST",
        path="/v1/request/count/query",
        handler=count_requests,
        refuse=envelope.refuse,
        tag="Requests",
        permission="r",
        body=schemas.QUERY,
        body_example=schemas.QUERY_EXAMPLE,
        answer=envelope.schema({"type": "integer", "minimum": 0}),
        answer_example={"data": 42, "error": None},
    ),
    Endpoint(
        method="GET",
        path="/v1/request/{requestId}",
        handler=get_request,
        refuse=envelope.refuse,
        tag="Requests",
        permission="r",
        refusals=(NotFound,),
        answer=envelope.schema(schemas.ROW),
    ),
)
