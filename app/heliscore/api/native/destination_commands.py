"""Adds, changes, tests and removes destinations, and sends deliveries again: for API and dashboard."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Never
from uuid import UUID, uuid4

import msgspec

from heliscore.api.http.body_fields import Values
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.path_parameters import read_path_parameter, read_uuid
from heliscore.api.native import destination_fields as fields
from heliscore.domain.destination import (
    MAX_DESTINATIONS,
    TEST_TYPE,
    Delivery,
    Destination,
    mint_secret,
)
from heliscore.domain.errors import Conflict, FieldError, InvalidInput, NotFound
from heliscore.domain.times import format_time, now
from heliscore.outbound.messages import MAKERS
from heliscore.store import deliveries
from heliscore.store import destinations as store


class Tested(msgspec.Struct, frozen=True):
    """What came of a test event."""

    delivery_id: UUID
    status: int | None
    """Of the receiver's HTTP answer."""

    error: str | None
    """None: the receiver took the event."""

    latency_ms: int


async def add_destination(call: ApiCall, body: Values) -> Destination:
    """Add the destination that a body describes. Raises InvalidInput for an address that may not be called
    and for too many destinations."""
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
    return added


async def change_destination(call: ApiCall, destination: Destination, body: Values) -> Destination:
    """Change what a body gives. Raises as `add_destination`, and NotFound."""
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
    return changed or _missing(destination.id)


async def remove_destination(call: ApiCall, id_: UUID) -> None:
    """Remove a destination with its deliveries. Raises NotFound."""
    async with call.services.database.connection() as connection:
        removed = await store.remove_destination(
            connection, call.principal.organization_id, id_, fields.KINDS
        )
    if not removed:
        _missing(id_)


async def rotate_secret(call: ApiCall, destination: Destination, old_for: timedelta) -> Destination:
    """Make a new secret for a webhook; the one before signs too for a while. Raises InvalidInput for other
    kinds, and NotFound."""
    if destination.kind != "webhook":
        raise InvalidInput([FieldError("", f"a destination of the kind {destination.kind} has no secret")])
    organization_id, secret = call.principal.organization_id, mint_secret()
    async with call.services.database.connection() as connection:
        changed = await store.rotate_secret(
            connection, organization_id, destination.id, fields.KINDS, secret, old_for
        )
    return changed or _missing(destination.id)


async def test_destination(call: ApiCall, destination: Destination) -> Tested:
    """Send a test event now, once, and note it among the deliveries."""
    delivery = _make_test(destination)
    begun = time.monotonic()
    answer = await call.services.messenger.send(
        destination.address, MAKERS[destination.kind](destination, delivery)
    )
    latency_ms = round((time.monotonic() - begun) * 1000)
    async with call.services.database.connection() as connection:
        await deliveries.note_test(connection, destination, delivery, answer.status, answer.error)
    return Tested(delivery.id, answer.status, answer.error, latency_ms)


def _make_test(destination: Destination) -> Delivery:
    data = {"destination": {"id": destination.id, "name": destination.name}}
    body = {"type": TEST_TYPE, "timestamp": format_time(now()), "data": data}
    return Delivery(id=uuid4(), type=TEST_TYPE, body=msgspec.json.encode(body).decode())


async def resend_delivery(call: ApiCall, destination: Destination, id_: UUID) -> None:
    """Have a delivery sent again. Raises Conflict where the destination is disabled, and NotFound."""
    if destination.disabled_at is not None:
        raise Conflict("the destination is disabled: enable it first")
    async with call.services.database.connection() as connection:
        if not await deliveries.resend(connection, call.principal.organization_id, destination.id, id_):
            raise NotFound(f"there is no delivery {id_}")


async def find_destination(call: ApiCall, id_: UUID | None = None) -> Destination:
    """Return the destination of an id, or of the path's. Raises NotFound. It takes no connection of the
    call's own transaction, if that has one: what follows may wait for a receiver."""
    id_ = id_ or read_id(call, "destinationId")
    async with call.services.quick.connection() as connection:
        found = await store.find_destination(connection, call.principal.organization_id, id_, fields.KINDS)
    return found or _missing(id_)


def read_id(call: ApiCall, name: str) -> UUID:
    """Read an id in the path. Raises NotFound."""
    return read_uuid(read_path_parameter(call.request, name), name.removesuffix("Id"))


def _missing(id_: UUID) -> Never:
    raise NotFound(f"there is no destination {id_}")
