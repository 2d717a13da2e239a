"""Digests that are due: claim one, and add its delivery exactly once."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from heliscore.domain.destination import Destination
from heliscore.store.connections.pool import Connection
from heliscore.store.deliveries import NewDelivery, add_deliveries
from heliscore.store.destinations import make_destination
from heliscore.store.statements import load

_SQL: Final = load("digest")


class DueDigest(msgspec.Struct, frozen=True):
    """A destination whose digest is due, and the database's clock."""

    destination: Destination
    tries: int
    """How often it was begun, this time included."""

    clock: datetime


async def claim_digest(connection: Connection) -> DueDigest | None:
    """Claim a digest that is due; no other service begins it for ten minutes. None where none is due."""
    row = await connection.fetchrow(_SQL["claim"])
    return None if row is None else DueDigest(make_destination(row), row["tries"], row["clock"])


async def settle_digest(
    connection: Connection, due: DueDigest, next_at: datetime, made: NewDelivery | None
) -> bool:
    """Add the delivery of a digest, if one was made, and wait for the next time; False, and nothing done,
    where another service was quicker, or the destination was changed or disabled meanwhile."""
    destination = due.destination
    arguments = (destination.organization_id, destination.id, destination.digest_at, next_at)
    async with connection.transaction():
        if await connection.fetchval(_SQL["move_on"], *arguments) is None:
            return False
        if made is not None:
            await add_deliveries(connection, destination, [made])
    return True
