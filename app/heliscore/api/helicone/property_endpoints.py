"""Sets, removes and lists properties of requests."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from heliscore.api.http.body_fields import make_body, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import STRING, list_of_objects
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.api.http.value_types import NAME, STORABLE_STRING
from heliscore.api.shared import envelope
from heliscore.api.shared.score_commands import set_properties
from heliscore.domain.errors import NotFound
from heliscore.domain.times import now
from heliscore.store import properties as store

_KEY: Final = required("key", NAME)
_VALUE: Final = required("value", STORABLE_STRING)
_PROPERTY_BODY: Final = make_body(_KEY, _VALUE, example={"key": "variant", "value": "A"})

_SEARCH_TERM: Final = required("searchTerm", STORABLE_STRING)
_SEARCH_BODY: Final = make_body(_SEARCH_TERM, example={"searchTerm": "prod"})

_EMPTY_BODY: Final = make_body(example={})


async def put_property(call: ApiCall) -> Response:
    """Set one property of a request.

    Other properties stay, and logging the request again keeps this one. Keys are case-sensitive. A request
    that was never logged exists from its first property on.
    """
    request_id = read_path_parameter(call.request, "requestId")
    body = _PROPERTY_BODY.decode(await call.body())
    await set_properties(call, request_id, {body[_KEY]: body[_VALUE]})
    return envelope.DONE


async def delete_property(call: ApiCall) -> Response:
    """Remove one property of a request."""
    request_id, key = read_path_parameter(call.request, "requestId"), read_path_parameter(call.request, "key")
    async with call.services.database.connection() as connection:
        removed = await store.remove_property(
            connection, call.principal.organization_id, request_id, key, now()
        )
    if not removed:
        raise NotFound(f"request {request_id} has no property {key}")
    return envelope.DONE


async def list_property_keys(call: ApiCall) -> Response:
    """List the keys of all properties, sorted."""
    _EMPTY_BODY.decode(await call.body())
    async with call.services.database.connection() as connection:
        keys = await store.list_property_keys(connection, call.principal.organization_id)
    return envelope.answer([{"property": key} for key in keys])


async def search_property_values(call: ApiCall) -> Response:
    """Find up to 25 values of a property that contain a string, ignoring case."""
    key = read_path_parameter(call.request, "propertyKey")
    term = _SEARCH_BODY.decode(await call.body())[_SEARCH_TERM]
    async with call.services.database.connection() as connection:
        values = await store.search_property_values(connection, call.principal.organization_id, key, term)
    return envelope.answer(values)


_TAG: Final = "Properties"

ENDPOINTS: Final = (
    envelope.endpoint(
        "PUT",
        "/v1/request/{requestId}/property",
        put_property,
        "w",
        _TAG,
        body=_PROPERTY_BODY,
        errors=(NotFound,),
    ),
    envelope.endpoint(
        "DELETE",
        "/v1/request/{requestId}/property/{key}",
        delete_property,
        "w",
        _TAG,
        errors=(NotFound,),
    ),
    envelope.endpoint(
        "POST",
        "/v1/property/query",
        list_property_keys,
        "r",
        _TAG,
        body=_EMPTY_BODY,
        data=list_of_objects({"property": STRING}),
        data_example=[{"property": "env"}],
    ),
    envelope.endpoint(
        "POST",
        "/v1/property/{propertyKey}/search",
        search_property_values,
        "r",
        _TAG,
        body=_SEARCH_BODY,
        data={"type": "array", "maxItems": 25, "items": STRING},
        data_example=["production"],
    ),
)
