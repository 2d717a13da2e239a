"""Deliveries: make them of events, claim, send and settle them, show them, and send them again.

A service claims a destination for half a minute at a time, and sends its deliveries one after another. A
service that dies leaves its claims behind, which pass.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from heliscore.domain.destination import (
    Delivery,
    DeliveryState,
    Destination,
    DestinationKind,
)
from heliscore.domain.filter_tree import Filter, score_names
from heliscore.store.connections.pool import Connection
from heliscore.store.destinations import make_destination
from heliscore.store.scores import ScoreNames
from heliscore.store.search.compiler import compile_condition
from heliscore.store.statements import load

_SQL: Final = load("delivery")

_REMOVED_AT_ONCE: Final = 1000


class NewDelivery(msgspec.Struct, frozen=True):
    """A delivery to be made."""

    type: str
    body: str
    """JSON."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The right to send to a destination, alone."""

    organization_id: int
    destination_id: UUID
    claimed_until: datetime


class DueDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery whose turn it is."""

    claim: Claim
    destination: Destination
    number: int
    attempts: int
    delivery: Delivery


class ShownDelivery(msgspec.Struct, frozen=True):
    """A delivery as it is listed."""

    id: UUID
    type: str
    state: DeliveryState
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None
    last_attempt_at: datetime | None
    last_status: int | None
    last_error: str | None


class ReadDelivery(ShownDelivery, frozen=True):
    """A delivery with what is sent."""

    body: str
    """JSON, perhaps cut."""


async def find_matching(
    connection: Connection,
    names: ScoreNames,
    organization_id: int,
    tree: Filter,
    request_nos: Collection[int],
) -> set[int]:
    """Return those of an organization's requests that match a filter."""
    name_ids = await names.find(connection, organization_id, score_names(tree))
    compiled = compile_condition(tree, name_ids, 3)
    statement = compiled.fill(_SQL["find_matching"])
    rows = await connection.fetch(statement, organization_id, list(request_nos), *compiled.arguments)
    return {number for (number,) in rows}


async def add_deliveries(
    connection: Connection, destination: Destination, deliveries: Sequence[NewDelivery]
) -> None:
    """Add deliveries to a destination, which are sent in this order; none where it has been removed."""
    types, bodies = [each.type for each in deliveries], [each.body for each in deliveries]
    await connection.execute(_SQL["add"], destination.organization_id, destination.id, types, bodies)


# Sending


async def claim_destinations(
    connection: Connection, kinds: Collection[DestinationKind], limit: int
) -> list[Claim]:
    """Claim destinations of these kinds to which a delivery is due."""
    rows = await connection.fetch(_SQL["claim"], list(kinds), limit)
    return [Claim(**row) for row in rows]


async def find_due(connection: Connection, claim: Claim) -> DueDelivery | Claim | None:
    """Return the next delivery with the claim renewed, the renewed claim alone where none is due, and None
    where the claim was lost."""
    row = await connection.fetchrow(
        _SQL["renew"], claim.organization_id, claim.destination_id, claim.claimed_until
    )
    if row is None:
        return None
    renewed = msgspec.structs.replace(claim, claimed_until=row["claimed_until"])
    first = await connection.fetchrow(_SQL["find_first"], claim.organization_id, claim.destination_id)
    if first is None:
        return renewed
    return DueDelivery(
        claim=renewed,
        destination=make_destination(row),
        number=first["number"],
        attempts=first["attempts"],
        delivery=Delivery(id=first["id"], type=first["type"], body=first["body"]),
    )


async def release(connection: Connection, claim: Claim) -> None:
    """Give a destination back."""
    await connection.execute(
        _SQL["release"], claim.organization_id, claim.destination_id, claim.claimed_until
    )


async def settle_delivered(connection: Connection, due: DueDelivery, status: int | None) -> None:
    """Note that a delivery has arrived."""
    organization_id = due.claim.organization_id
    async with connection.transaction():
        # The destination first, as whoever removes one locks them.
        if due.destination.failing_since is not None:
            await connection.execute(_SQL["note_success"], organization_id, due.destination.id)
        await connection.execute(_SQL["deliver"], organization_id, due.number, status)


async def settle_failed(
    connection: Connection, due: DueDelivery, status: int | None, error: str, delay: timedelta | None
) -> DeliveryState | None:
    """Note that an attempt has failed: it is repeated after the delay, or parked where that is too late, or
    None. Returns the state; None where the delivery waits no longer."""
    organization_id = due.claim.organization_id
    async with connection.transaction():
        await connection.execute(_SQL["note_failure"], organization_id, due.destination.id)
        state: DeliveryState | None = await connection.fetchval(
            _SQL["fail"], organization_id, due.number, status, error, delay
        )
    return state


async def is_dead(connection: Connection, destination: Destination) -> bool:
    """Whether every delivery to a destination has failed for days."""
    return bool(await connection.fetchval(_SQL["is_dead"], destination.organization_id, destination.id))


# Showing


async def list_deliveries(
    connection: Connection,
    organization_id: int,
    destination_id: UUID,
    state: DeliveryState | None,
    after: UUID | None,
    limit: int,
) -> list[ShownDelivery]:
    """Return deliveries to a destination, the newest first, those older than the one of an id."""
    rows = await connection.fetch(_SQL["list"], organization_id, destination_id, state, after, limit)
    return [ShownDelivery(*row) for row in rows]


async def find_delivery(
    connection: Connection, organization_id: int, destination_id: UUID, id_: UUID, max_body: int
) -> ReadDelivery | None:
    """Return a delivery with up to so many characters of its body."""
    row = await connection.fetchrow(_SQL["find_one"], organization_id, destination_id, id_, max_body)
    return None if row is None else ReadDelivery(*row)


async def resend(connection: Connection, organization_id: int, destination_id: UUID, id_: UUID) -> bool:
    """Have a delivery sent again, for a day if need be; False where there is none of that id."""
    return await connection.fetchval(_SQL["resend"], organization_id, destination_id, id_) is not None


async def note_test(
    connection: Connection,
    destination: Destination,
    delivery: Delivery,
    status: int | None,
    error: str | None,
) -> None:
    """Note a delivery that was sent at once."""
    state: DeliveryState = "delivered" if error is None else "parked"
    await connection.execute(
        _SQL["note_test"],
        destination.organization_id,
        destination.id,
        delivery.id,
        delivery.type,
        delivery.body,
        state,
        status,
        error,
    )


async def remove_old_deliveries(connection: Connection) -> bool:
    """Remove some deliveries that are kept no longer; False where there were no more than that."""
    removed = await connection.execute(_SQL["remove_old"], _REMOVED_AT_ONCE)
    return removed == f"DELETE {_REMOVED_AT_ONCE}"
