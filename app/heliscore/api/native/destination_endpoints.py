"""`/v1/destinations`: where events are sent, by webhook, to Slack or by e-mail."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final, Never
from uuid import UUID, uuid4

import msgspec
from starlette.responses import Response

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import COUNT, STRING, Schema, closed_object, nullable
from heliscore.api.http.path_parameters import read_path_parameter, read_uuid
from heliscore.api.native import destination_fields as fields
from heliscore.api.shared import envelope
from heliscore.domain.destination import (
    MAX_DESTINATIONS,
    TEST_TYPE,
    Delivery,
    Destination,
    mint_secret,
)
from heliscore.domain.errors import FieldError, InvalidInput, NotFound
from heliscore.domain.times import format_time, now
from heliscore.outbound.messages import MAKERS
from heliscore.store import destinations as store
from heliscore.store.deliveries import note_test


async def list_destinations(call: ApiCall) -> Response:
    """List the destinations, the oldest first, without their secrets."""
    async with call.services.database.connection() as connection:
        found = await store.list_destinations(connection, call.principal.organization_id, fields.KINDS)
    return envelope.answer([fields.shown(destination) for destination in found])


async def create_destination(call: ApiCall) -> Response:
    """Have events sent to a URL, to Slack (an incoming webhook) or to an e-mail address, from now on.

    The answer alone shows the secret that signs webhooks, and is kept nowhere. The URL must be `https://`,
    and its host must have public addresses only, unless the operator lists it in `HELISCORE_OUTBOUND_ALLOW`.
    A digest has what `POST /v1/evals/changes` finds. There are up to 50 destinations in an organization. The
    key must be allowed to read and write: one that only writes does not decide where scores are sent.
    """
    body = fields.BODY.decode(await call.body())
    kind, address = body[fields.KIND], body[fields.ADDRESS]
    await fields.check_address(call.services.messenger, kind, address)
    async with call.services.database.connection() as connection:
        added = await store.add_destination(
            connection,
            call.principal.organization_id,
            kind=kind,
            name=body[fields.NAME_FIELD],
            address=address,
            events=body[fields.EVENTS],
            options=fields.read_options(body, fields.FILTER_FIELD, fields.SCORES),
            secret=mint_secret() if kind == "webhook" else None,
            digest=body[fields.DIGEST],
            digest_hour=body[fields.DIGEST_HOUR],
        )
    if added is None:
        raise InvalidInput([FieldError("", f"there may be at most {MAX_DESTINATIONS} destinations")])
    return envelope.answer(fields.shown(added, secret=added.secret))


async def get_destination(call: ApiCall) -> Response:
    """Show a destination, without its secret."""
    return envelope.answer(fields.shown(await find_destination(call)))


async def change_destination(call: ApiCall) -> Response:
    """Change what the body gives; the rest stays.

    `enabled: false` keeps what waits and sends nothing; what happens meanwhile is not sent later. `enabled:
    true` also ends the state of a destination that was disabled because every delivery had failed: what was
    parked then can be sent again. The first digest after that is the next one.
    """
    body = fields.CHANGE_BODY.decode(await call.body())
    destination = await find_destination(call)
    fields.check_events(destination.kind, body[fields.NEW_EVENTS])
    if (address := body[fields.NEW_ADDRESS]) is not None:
        await fields.check_address(call.services.messenger, destination.kind, address)
    async with call.services.database.connection() as connection:
        changed = await store.change_destination(
            connection,
            call.principal.organization_id,
            destination.id,
            fields.KINDS,
            name=body[fields.NEW_NAME],
            address=address,
            events=body[fields.NEW_EVENTS],
            options=fields.read_options(body, fields.NEW_FILTER, fields.NEW_SCORES),
            is_enabled=body[fields.ENABLED],
            digest=body[fields.NEW_DIGEST],
            digest_hour=body[fields.NEW_DIGEST_HOUR],
        )
    return envelope.answer(fields.shown(changed or _missing(destination.id)))


async def delete_destination(call: ApiCall) -> Response:
    """Remove a destination with its deliveries, also those that wait."""
    id_ = read_id(call, "destinationId")
    async with call.services.database.connection() as connection:
        removed = await store.remove_destination(
            connection, call.principal.organization_id, id_, fields.KINDS
        )
    return envelope.DONE if removed else _missing(id_)


async def rotate_secret(call: ApiCall) -> Response:
    """Make a new secret for a webhook; this answer alone shows it.

    For a day, or as long as the body says, the secret before signs as well: `webhook-signature` then has both
    signatures, so a receiver may change its secret at any moment.
    """
    body = fields.ROTATION_BODY.decode(await call.body())
    destination = await find_destination(call)
    if destination.kind != "webhook":
        raise InvalidInput([FieldError("", f"a destination of the kind {destination.kind} has no secret")])
    async with call.services.database.connection() as connection:
        changed = await store.rotate_secret(
            connection,
            call.principal.organization_id,
            destination.id,
            fields.KINDS,
            mint_secret(),
            timedelta(hours=body[fields.OLD_VALID_HOURS]),
        )
    if changed is None:
        _missing(destination.id)
    return envelope.answer(fields.shown(changed, secret=changed.secret))


async def test_destination(call: ApiCall) -> Response:
    """Send a test event now, once, and say what came of it; also to a destination that is disabled.

    The call is answered with 200 whether or not the receiver took the event. It is listed among the
    deliveries, and is not repeated by itself.
    """
    destination = await find_destination(call)
    delivery = _make_test(destination)
    begun = time.monotonic()
    answer = await call.services.messenger.send(
        destination.address, MAKERS[destination.kind](destination, delivery)
    )
    latency_ms = round((time.monotonic() - begun) * 1000)
    async with call.services.database.connection() as connection:
        await note_test(connection, destination, delivery, answer.status, answer.error)
    return envelope.answer(
        {
            "deliveryId": delivery.id,
            "status": answer.status,
            "error": answer.error,
            "latencyMs": latency_ms,
        }
    )


def _make_test(destination: Destination) -> Delivery:
    data = {"destination": {"id": destination.id, "name": destination.name}}
    body = {"type": TEST_TYPE, "timestamp": format_time(now()), "data": data}
    return Delivery(id=uuid4(), type=TEST_TYPE, body=msgspec.json.encode(body).decode())


async def find_destination(call: ApiCall) -> Destination:
    """Raises NotFound. It takes no connection of the call's own transaction, if that has one: what follows
    may wait for a receiver."""
    id_ = read_id(call, "destinationId")
    async with call.services.quick.connection() as connection:
        found = await store.find_destination(connection, call.principal.organization_id, id_, fields.KINDS)
    return found or _missing(id_)


def read_id(call: ApiCall, name: str) -> UUID:
    """Read an id in the path. Raises NotFound."""
    return read_uuid(read_path_parameter(call.request, name), name.removesuffix("Id"))


def _missing(id_: UUID) -> Never:
    raise NotFound(f"there is no destination {id_}")


_TAG: Final = "Destinations"
_PATH: Final = "/v1/destinations"
_ONE: Final = f"{_PATH}/{{destinationId}}"
_TESTED: Final[dict[str, Schema]] = {
    "deliveryId": {"type": "string", "format": "uuid"},
    "status": {"type": ["integer", "null"], "description": "Of the receiver's HTTP answer."},
    "error": {**nullable(STRING), "description": "null: the receiver took the event."},
    "latencyMs": COUNT,
}

ENDPOINTS: Final = (
    envelope.endpoint(
        "GET",
        _PATH,
        list_destinations,
        "r",
        _TAG,
        data={"type": "array", "maxItems": MAX_DESTINATIONS, "items": fields.SCHEMA},
    ),
    envelope.endpoint(
        "POST",
        _PATH,
        create_destination,
        "rw",
        _TAG,
        body=fields.BODY,
        data=fields.SECRET_SCHEMA,
        answer_is_secret=True,
    ),
    envelope.endpoint("GET", _ONE, get_destination, "r", _TAG, data=fields.SCHEMA, errors=(NotFound,)),
    envelope.endpoint(
        "PATCH",
        _ONE,
        change_destination,
        "rw",
        _TAG,
        body=fields.CHANGE_BODY,
        data=fields.SCHEMA,
        errors=(NotFound,),
    ),
    envelope.endpoint("DELETE", _ONE, delete_destination, "rw", _TAG, errors=(NotFound,)),
    envelope.endpoint(
        "POST",
        f"{_ONE}/test",
        test_destination,
        "rw",
        _TAG,
        data=closed_object(_TESTED, tuple(_TESTED)),
        errors=(NotFound,),
    ),
    envelope.endpoint(
        "POST",
        f"{_ONE}/rotate-secret",
        rotate_secret,
        "rw",
        _TAG,
        body=fields.ROTATION_BODY,
        data=fields.SECRET_SCHEMA,
        answer_is_secret=True,
        errors=(NotFound,),
    ),
)
