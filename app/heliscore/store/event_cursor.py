"""Remembers up to where events have become deliveries, so that each becomes some exactly once.

There is a cursor for each group of organizations that are kept together, and for each node that has written
events of theirs: on a single PostgreSQL, one. Whoever has locked it makes the deliveries; both change in one
transaction. They are where the deliveries are, in a cluster on the coordinator: what a commit on another node
changes is nothing.
"""

from __future__ import annotations

from typing import Final

import msgspec

from heliscore.domain.event_position import next_transaction
from heliscore.domain.snapshots import before, node_of
from heliscore.store import events
from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL: Final = load("event_cursor")


class Place(msgspec.Struct, frozen=True):
    """Whose events a cursor is about."""

    group: int
    node: int


class Look(msgspec.Struct, frozen=True):
    """What there is to do."""

    seen: dict[Place, str]
    """Of each cursor: what has become deliveries."""

    begun: frozenset[Place]
    """More of these is about to."""

    organizations: list[int]
    """They have destinations that are enabled."""

    is_due: bool
    """A delivery is due that nobody sends."""

    waited_s: float
    """How long the oldest one that waits has done so."""

    def of(self, group: int) -> dict[int, str]:
        """Return what has become deliveries, by node."""
        return {place.node: seen for place, seen in self.seen.items() if place.group == group}


class Cursor(msgspec.Struct, frozen=True):
    """The events that are to become deliveries: those between two snapshots, after a number."""

    place: Place
    seen: str
    until: str
    after: int


async def look(connection: Connection) -> Look:
    """Ask what there is to do, cheaply."""
    [row] = await connection.fetch(_SQL["look"])
    places = list(map(Place, row["groups"], row["nodes"]))
    begun = frozenset(place for place, is_begun in zip(places, row["is_begun"], strict=True) if is_begun)
    seen = dict(zip(places, row["seen"], strict=True))
    return Look(seen, begun, row["organizations"], row["is_due"], row["waited_s"])


async def find_places(connection: Connection, look: Look, group: int = 0) -> list[Place]:
    """Return whose events of a group have not all become deliveries."""
    seen = look.of(group)
    now, nodes = await events.find_new(connection, seen, group)
    here = node_of(now)
    if here not in seen or _is_foreign(seen[here], now):
        nodes.add(here)
    nodes |= {place.node for place in look.begun if place.group == group}
    return [Place(group, node) for node in sorted(nodes, key=lambda node: (node == here, node))]


async def lock(connection: Connection, place: Place) -> Cursor | None:
    """Lock a cursor until the end of the transaction; None while another service holds it. One that another
    server wrote begins again now."""
    group, node = msgspec.structs.astuple(place)
    row = await connection.fetchrow(_SQL["lock"], group, node)
    if row is None:
        await connection.execute(_SQL["begin"], group, node, before(node))
        row = await connection.fetchrow(_SQL["lock"], group, node)
    if row is None:
        return None
    seen, until, after = row
    now = await events.take_snapshot(connection, group)
    if node_of(now) != node:
        return Cursor(place, seen, until or await events.take_end(connection, node, group), after)
    if _is_foreign(until or seen, now):
        await events.remove_foreign(connection, node, group)
        await _move(connection, place, now, None, 0)
        return Cursor(place, now, now, 0)
    return Cursor(place, seen, until or now, after)


async def move_on(connection: Connection, cursor: Cursor, after: int) -> None:
    """Note that the events up to that number are done."""
    await _move(connection, cursor.place, cursor.seen, cursor.until, after)


async def finish(connection: Connection, cursor: Cursor) -> None:
    """Note that all of the cursor's events are done."""
    await _move(connection, cursor.place, cursor.until, None, 0)


async def _move(connection: Connection, place: Place, seen: str, until: str | None, after: int) -> None:
    await connection.execute(_SQL["move"], place.group, place.node, seen, until, after)


def _is_foreign(seen: str, now: str) -> bool:
    """Whether a cursor was written by another server, and came here in a dump: it has seen transactions that
    are not yet."""
    return next_transaction(seen) > next_transaction(now)
