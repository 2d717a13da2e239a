"""Remembers up to where events have become deliveries, so that each becomes some exactly once.

The cursor is one row, and whoever has locked it makes the deliveries; both change in one transaction.
"""

from __future__ import annotations

from typing import Final

import msgspec

from heliscore.store.connections.pool import Connection
from heliscore.store.events import take_snapshot
from heliscore.store.statements import load

_SQL: Final = load("event_cursor")


class Look(msgspec.Struct, frozen=True):
    """What there is to do."""

    has_events: bool
    """Some have not become deliveries."""

    is_due: bool
    """A delivery is due that nobody sends."""

    waited_s: float
    """How long the oldest one that waits has done so."""


class Cursor(msgspec.Struct, frozen=True):
    """The events that are to become deliveries: those between two snapshots, after a number."""

    seen: str
    until: str
    after: int


async def look(connection: Connection) -> Look:
    """Ask what there is to do, cheaply."""
    [row] = await connection.fetch(_SQL["look"])
    return Look(*row)


async def begin(connection: Connection) -> None:
    """Have the cursor begin now, unless it has begun."""
    await connection.execute(_SQL["begin"])


async def lock(connection: Connection) -> Cursor | None:
    """Lock the cursor until the end of the transaction; None while another service holds it. One that another
    cluster wrote begins again now."""
    row = await connection.fetchrow(_SQL["lock"])
    if row is None:
        await begin(connection)
        return None
    now = await take_snapshot(connection)
    if await connection.fetchval(_SQL["is_foreign"]):
        await connection.execute(_SQL["remove_foreign_events"])
        await connection.execute(_SQL["move"], now, None, 0)
        return Cursor(now, now, 0)
    return Cursor(row["from_snapshot"], row["to_snapshot"] or now, row["after_id"])


async def move_on(connection: Connection, cursor: Cursor, after: int) -> None:
    """Note that the events up to that number are done."""
    await connection.execute(_SQL["move"], cursor.seen, cursor.until, after)


async def finish(connection: Connection, cursor: Cursor) -> None:
    """Note that all of the cursor's events are done."""
    await connection.execute(_SQL["move"], cursor.until, None, 0)
