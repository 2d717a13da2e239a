"""`GET /api/public/v2/requests/{request_id}`: one request, in PromptLayer's shape."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_codec import Json
from heliscore.api.http.json_schema import struct_schema
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.api.promptlayer import answers
from heliscore.api.promptlayer.blueprint import make_blueprint
from heliscore.api.promptlayer.search_rows import make_item
from heliscore.domain.errors import NotFound
from heliscore.store.search import request_search as store


class RequestDetail(msgspec.Struct, frozen=True):
    """One request. Times are ISO 8601, UTC, in milliseconds; `price` is in US dollars. `prompt_blueprint`
    holds the input: messages of roles and parts, the model and its parameters. `trace_id` is always null."""

    request_id: int | str
    provider: str | None
    model: str | None
    prompt_blueprint: dict[str, Any]
    input_tokens: int | None
    output_tokens: int | None
    tokens: int | None
    price: float | None
    request_start_time: str
    request_end_time: str | None
    latency_ms: int | None
    success: bool = True
    trace_id: None = None


async def get_request(call: ApiCall) -> Response:
    """Read one request with its input as a blueprint.

    The values are those of the search. An input that is no blueprint, as other clients log it, is made into
    one: messages with roles keep all their keys, what else was said becomes texts.
    """
    request_id = read_path_parameter(call.request, "request_id")
    services = call.services
    async with services.database.connection() as connection:
        request = await store.find(connection, services.ids.names, call.principal.organization_id, request_id)
    if request is None:
        raise NotFound(f"there is no request {request_id}")
    item = make_item(request)
    blueprint: Any = msgspec.Raw(
        await services.large_work.run(
            make_blueprint,
            request.request_body,
            request.promptlayer,
            item.provider_type,
            item.engine,
            size_bytes=len(request.request_body or b""),
        )
    )
    return Json(
        RequestDetail(
            request_id=item.id,
            provider=item.provider_type,
            model=item.engine,
            prompt_blueprint=blueprint,
            input_tokens=item.input_tokens,
            output_tokens=item.output_tokens,
            tokens=request.total_tokens,
            price=item.price,
            request_start_time=item.request_start_time,
            request_end_time=item.request_end_time,
            latency_ms=request.latency_ms,
        )
    )


ENDPOINTS: Final = (
    answers.endpoint(
        "/api/public/v2/requests/{request_id}",
        get_request,
        method="GET",
        permission="r",
        body=None,
        answer=struct_schema(RequestDetail),
        errors=(NotFound,),
    ),
)
