"""`/v1/webhooks`: Helicone's webhooks, by which it runs scorers.

The shapes are those of Helicone's source (valhalla/jawn, controllers/public/webhookController.ts). It has no
`test`, which is ours.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any, Final, Never
from uuid import UUID, uuid4

import msgspec
from starlette.responses import Response

from heliscore.api.helicone.signed_bodies import origin_of
from heliscore.api.helicone.webhook_message import WebhookRenderer
from heliscore.api.http.body_fields import Values, ValueType, make_body, object_of, optional, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_schema import (
    COUNT,
    STRING,
    Schema,
    closed_object,
    constant,
    list_of_objects,
    nullable,
    whole_object,
)
from heliscore.api.http.path_parameters import read_path_parameter, read_uuid
from heliscore.api.http.value_types import BOOLEAN, STORABLE_STRING, list_of
from heliscore.api.shared import envelope
from heliscore.domain.destination import MAX_DESTINATIONS, Delivery, Destination, DestinationKind
from heliscore.domain.errors import FieldError, InvalidInput, NotFound
from heliscore.domain.event import EventType
from heliscore.domain.times import format_time
from heliscore.store import destinations as store
from heliscore.store.deliveries import note_test
from heliscore.store.logged_exchanges import find_last

_KINDS: Final[tuple[DestinationKind, ...]] = ("helicone",)
_EVENTS: Final[tuple[EventType, ...]] = ("request.logged",)
_NAME: Final = "Helicone's webhook"
_VERSION: Final = "2024-10-22"
"""Helicone's, of the format."""

_KEY_BYTES: Final = 32
_MAX_FILTERS: Final = 20


def _read_rate(raw: object, path: str, errors: FieldErrors) -> int | float:
    if not isinstance(raw, int | float) or isinstance(raw, bool) or not 0 <= raw <= 100:
        errors.add_unexpected(path, "a number from 0 to 100", raw)
        return 0
    return raw


_RATE: Final = ValueType[int | float]({"type": "number", "minimum": 0, "maximum": 100}, _read_rate)
_KEY_FIELD: Final = required("key", STORABLE_STRING)
_VALUE_FIELD: Final = required("value", STORABLE_STRING)
_FILTERS_TYPE: Final = list_of(
    object_of(_KEY_FIELD, _VALUE_FIELD, name="PropertyFilter", is_open=True),
    of="property filters",
    maximum=_MAX_FILTERS,
)

_SAMPLE_RATE: Final = optional(
    "sampleRate", _RATE, default=100, description="Per cent of the requests that are sent."
)
_FILTERS: Final = optional(
    "propertyFilters", _FILTERS_TYPE, description="Properties that a request must have, all of them."
)
_CONFIG: Final = required("config", object_of(_SAMPLE_RATE, _FILTERS, is_open=True))
_DESTINATION: Final = required("destination", STORABLE_STRING, description="An https:// URL.")
_INCLUDE_DATA: Final = optional(
    "includeData",
    BOOLEAN,
    default=True,
    description="Whether model, provider, metadata and the address of the bodies are sent.",
)
_BODY: Final = make_body(
    _DESTINATION,
    _CONFIG,
    _INCLUDE_DATA,
    example={
        "destination": "https://scorer.example.com/hook",
        "config": {"sampleRate": 50, "propertyFilters": [{"key": "env", "value": "prod"}]},
    },
)


async def list_webhooks(call: ApiCall) -> Response:
    """List the webhooks, the oldest first. Keys that may only read are not shown what signs."""
    async with call.services.database.connection() as connection:
        found = await store.list_destinations(connection, call.principal.organization_id, _KINDS)
    with_key = call.principal.may("rw")
    return envelope.answer([_shown(webhook, with_key=with_key) for webhook in found])


async def create_webhook(call: ApiCall) -> Response:
    """Have each request that is logged posted to a URL, from now on.

    The body is `{"request_id", "user_id", "request_body", "response_body", "request_response_url", "model",
    "provider", "metadata"}`; the header `helicone-signature` is the HMAC-SHA256 of it with the webhook's
    `hmac_key`, in hexadecimal. A request is in the sample always or never.
    """
    body = _BODY.decode(await call.body())
    if error := await call.services.messenger.find_error(body[_DESTINATION]):
        raise InvalidInput([FieldError(_DESTINATION.key, error)])
    async with call.services.database.connection() as connection:
        added = await store.add_destination(
            connection,
            call.principal.organization_id,
            kind="helicone",
            name=_NAME,
            address=body[_DESTINATION],
            events=_EVENTS,
            options=_read_options(body, origin_of(call.request)),
            secret=secrets.token_hex(_KEY_BYTES),
        )
    if added is None:
        raise InvalidInput([FieldError("", f"there may be at most {MAX_DESTINATIONS} destinations")])
    return envelope.answer(_shown(added, with_key=True))


def _read_options(body: Values, origin: str) -> dict[str, Any]:
    config = body[_CONFIG]
    filters = config[_FILTERS] or ()
    return {
        "sampleRate": config[_SAMPLE_RATE],
        "propertyFilters": [{"key": one[_KEY_FIELD], "value": one[_VALUE_FIELD]} for one in filters],
        "includeData": body[_INCLUDE_DATA],
        "origin": origin,
    }


async def delete_webhook(call: ApiCall) -> Response:
    """Remove a webhook; what waits for it is not sent."""
    id_ = _read_id(call)
    async with call.services.database.connection() as connection:
        removed = await store.remove_destination(connection, call.principal.organization_id, id_, _KINDS)
    return envelope.DONE if removed else _missing(id_)


async def test_webhook(call: ApiCall) -> Response:
    """Send the newest request to a webhook now, once, and say what came of it.

    The call is answered with 200 whether or not the receiver took it. Helicone has no such call.
    """
    services, organization_id, id_ = call.services, call.principal.organization_id, _read_id(call)
    async with services.quick.connection() as connection:
        webhook = await store.find_destination(connection, organization_id, id_, _KINDS) or _missing(id_)
        number = await find_last(connection, organization_id)
    body = msgspec.json.encode({"requestNo": number}).decode()
    delivery = Delivery(id=uuid4(), type=_EVENTS[0], body=body)
    renderer = WebhookRenderer(services.body_url_secret)
    message = None if number is None else await renderer.render(services.quick, webhook, delivery)
    if message is None:
        raise NotFound("there is no request that could be sent")
    begun = time.monotonic()
    answer = await services.messenger.send(webhook.address, message)
    latency_ms = round((time.monotonic() - begun) * 1000)
    async with services.database.connection() as connection:
        await note_test(connection, webhook, delivery, answer.status, answer.error)
    return envelope.answer({"status": answer.status, "error": answer.error, "latencyMs": latency_ms})


def _read_id(call: ApiCall) -> UUID:
    return read_uuid(read_path_parameter(call.request, "webhookId"), "webhook")


def _missing(id_: UUID) -> Never:
    raise NotFound(f"there is no webhook {id_}")


def _shown(webhook: Destination, *, with_key: bool) -> dict[str, Any]:
    options: Mapping[str, Any] = webhook.options
    return {
        "id": webhook.id,
        "created_at": format_time(webhook.created_at),
        "destination": webhook.address,
        "version": _VERSION,
        "config": {key: options[key] for key in ("sampleRate", "propertyFilters", "includeData")},
        "hmac_key": webhook.secret if with_key else None,
    }


_TAG: Final = "Webhooks"
_ONE: Final = "/v1/webhooks/{webhookId}"
_CONFIG_SHOWN: Final[dict[str, Schema]] = {
    "sampleRate": _RATE.schema,
    "propertyFilters": list_of_objects({"key": STRING, "value": STRING}),
    "includeData": BOOLEAN.schema,
}
_WEBHOOK: Final[dict[str, Schema]] = {
    "id": {"type": "string", "format": "uuid"},
    "created_at": STRING,
    "destination": STRING,
    "version": constant(_VERSION),
    "config": closed_object(_CONFIG_SHOWN, tuple(_CONFIG_SHOWN)),
    "hmac_key": {**nullable(STRING), "description": "null: the caller's key may only read."},
}
_TESTED: Final[dict[str, Schema]] = {
    "status": {"type": ["integer", "null"], "description": "Of the receiver's answer."},
    "error": {**nullable(STRING), "description": "null: the receiver took it."},
    "latencyMs": COUNT,
}

_WEBHOOK_SCHEMA: Final = whole_object("Webhook", _WEBHOOK)

ENDPOINTS: Final = (
    envelope.endpoint(
        "GET", "/v1/webhooks", list_webhooks, "r", _TAG, data={"type": "array", "items": _WEBHOOK_SCHEMA}
    ),
    envelope.endpoint(
        "POST",
        "/v1/webhooks",
        create_webhook,
        "rw",
        _TAG,
        body=_BODY,
        data=_WEBHOOK_SCHEMA,
        answer_is_secret=True,
    ),
    envelope.endpoint("DELETE", _ONE, delete_webhook, "rw", _TAG, errors=(NotFound,)),
    envelope.endpoint(
        "POST",
        f"{_ONE}/test",
        test_webhook,
        "rw",
        _TAG,
        data=closed_object(_TESTED, tuple(_TESTED)),
        errors=(NotFound,),
    ),
)
