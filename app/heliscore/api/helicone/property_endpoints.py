"""Properties of requests: set, remove, look up."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from heliscore.api.http.body_fields import Fields, decode_object
from heliscore.api.http.endpoints import ApiCall, Schema, closed_object
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.api.shared import envelope
from heliscore.api.shared.score_commands import set_properties
from heliscore.domain.errors import NotFound
from heliscore.domain.messages import find_name_error
from heliscore.domain.times import now
from heliscore.store import request_log as store
from heliscore.store.search.compiler import escaped


async def put_property(call: ApiCall) -> Response:
    """Set one property of a request.

    Others stay, and logging the request again keeps it. Keys that differ in case differ. A request that was
    never logged exists from then on.
    """
    request_id = read_path_parameter(call.request, "requestId")
    fields = decode_object(await call.body(), frozenset(("key", "value")))
    key, value = fields.text("key", required=True), _storable(fields, "value")
    if key is not None and (error := find_name_error(key)):
        fields.reject("key", error)
    fields.errors.raise_any()
    await set_properties(call, request_id, {key or "": value})
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


async def list_keys(call: ApiCall) -> Response:
    """List the keys of all properties, sorted."""
    decode_object(await call.body(), frozenset()).errors.raise_any()
    async with call.services.database.connection() as connection:
        keys = await store.list_property_keys(connection, call.principal.organization_id)
    return envelope.answer([{"property": key} for key in keys])


async def search_values(call: ApiCall) -> Response:
    """Find up to 25 values of a property that contain a text, whatever the case."""
    key = read_path_parameter(call.request, "propertyKey")
    fields = decode_object(await call.body(), frozenset(("searchTerm",)))
    term = _storable(fields, "searchTerm")
    fields.errors.raise_any()
    async with call.services.database.connection() as connection:
        values = await store.search_property_values(
            connection, call.principal.organization_id, key, f"%{escaped(term)}%"
        )
    return envelope.answer(values)


def _storable(fields: Fields, key: str) -> str:
    """A text that the database can hold; empty where it is at fault."""
    text = fields.text(key, required=True) or ""
    if "\0" in text:
        fields.reject(key, "must not contain NUL")
    return text


_TEXT: Final[Schema] = {"type": "string"}
_TAG: Final = "Properties"


ENDPOINTS: Final = (
    envelope.endpoint(
        "PUT",
        "/v1/request/{requestId}/property",
        put_property,
        "w",
        _TAG,
        body=closed_object(
            {"key": {"type": "string", "minLength": 1, "maxLength": 255}, "value": _TEXT}, ("key", "value")
        ),
        body_example={"key": "variant", "value": "A"},
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
        list_keys,
        "r",
        _TAG,
        body=closed_object({}),
        body_example={},
        data={"type": "array", "items": closed_object({"property": _TEXT}, ("property",))},
        data_example=[{"property": "env"}],
    ),
    envelope.endpoint(
        "POST",
        "/v1/property/{propertyKey}/search",
        search_values,
        "r",
        _TAG,
        body=closed_object({"searchTerm": _TEXT}, ("searchTerm",)),
        body_example={"searchTerm": "prod"},
        data={"type": "array", "maxItems": 25, "items": _TEXT},
        data_example=["production"],
    ),
)
