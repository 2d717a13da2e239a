"""Remembers on which node of a cluster an organization's rows are, so that posts are written node by node.

It is a hint. Citus decides where a statement goes: after a move, one for two nodes is refused and sent again.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Final

import msgspec

from heliscore.store.connections.pool import Connection, Database
from heliscore.store.connections.shared_lookups import SharedLookups
from heliscore.store.statements import load

_SQL = load("placement", "cluster/queries")

_FRESH_S: Final = 5.0
"""How long a hint is believed."""

_CAPACITY: Final = 100_000


class Place(msgspec.Struct, frozen=True):
    """Where an organization's rows are."""

    node: int
    shard: int


class Placements:
    """The places of organizations, as they were a few seconds ago."""

    def __init__(self) -> None:
        self._places: dict[int, tuple[Place, float]] = {}
        self._lookups: SharedLookups[int, None] = SharedLookups()

        self.is_cluster = False
        """Whether any place was found: a single PostgreSQL has none."""

    def node_of(self, organization_id: int) -> int | None:
        """Return the number of an organization's node, None where it is not known."""
        known = self._places.get(organization_id)
        return known[0].node if known else None

    async def learn(self, database: Database, organization_id: int) -> None:
        """Find the node of an organization on a cluster. Raises Unavailable."""

        async def look_up(_: int) -> None:
            try:
                async with database.connection() as connection:
                    await self.find(connection, [organization_id])
            finally:
                self._lookups.close(organization_id)

        await self._lookups.join(organization_id, look_up)

    def forget(self, organizations: Collection[int]) -> None:
        """Believe no hint about these any more; the old ones serve until they are found again."""
        for id_ in organizations:
            if id_ in self._places:
                self._places[id_] = self._places[id_][0], 0.0

    async def find(self, connection: Connection, organizations: Collection[int]) -> dict[int, Place]:
        """Return the place of each organization, on a connection to a cluster."""
        self.is_cluster = True
        now = time.monotonic()
        missing = [id_ for id_ in organizations if id_ not in self._places or self._places[id_][1] < now]
        if missing:
            if len(self._places) + len(missing) > _CAPACITY:
                self._places.clear()
            for id_, node, shard in await connection.fetch(_SQL["find"], missing):
                self._places[id_] = Place(node, shard), now + _FRESH_S
        return {id_: self._places[id_][0] for id_ in organizations}
