"""Remembers the definitions of the organizations that post scores, for a second.

An organization is looked up when it posts, once for all posts that wait for it, and once a second at most.
Most have no definitions, or the same as before: then only their version is read.

Where the look-up fails, the post gets its error, 503: the write would most likely fail as well, the client is
asked to try again, and neither a value that a definition forbids is stored nor one that it allows now refused
for good.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from heliscore.domain.author import Author
from heliscore.domain.score_definition import ScoreDefinition
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.connections.shared_lookups import SharedLookups
from heliscore.store.score_definitions import Version, find_version, list_versioned

_REMEMBERED_S: Final = 1.0

_CAPACITY: Final = 200_000
"""Organizations, definitions and labels that are remembered; a long description counts as several."""

_DESCRIPTION_WEIGHT: Final = 1 / 20

_NONE: Final[frozenset[str]] = frozenset()


class Definitions(msgspec.Struct, frozen=True):
    """The definitions of one organization, as they stood at one moment."""

    version: Version
    by_name: Mapping[str, ScoreDefinition]
    enforced: Mapping[str, ScoreDefinition]
    """Those that warn of other values or refuse them."""

    human_first: frozenset[str]
    """The names of which a human's value stays until a human changes or removes it."""

    @property
    def falling(self) -> frozenset[str]:
        """The names of which lower values are better."""
        return frozenset(name for name, definition in self.by_name.items() if definition.direction == "lower")

    @property
    def directed(self) -> frozenset[str]:
        """The names of which it is known which values are better."""
        return frozenset(
            name for name, definition in self.by_name.items() if definition.direction is not None
        )

    def yielding(self, author: Author, names: Iterable[str]) -> frozenset[str]:
        """Those of the names of which a human's value stays over this author's."""
        if not self.human_first or author.kind == "human":
            return _NONE
        return self.human_first.intersection(names)


def make_definitions(definitions: Iterable[ScoreDefinition], version: Version) -> Definitions:
    by_name = {definition.name: definition for definition in definitions}
    return Definitions(
        version,
        by_name,
        {name: definition for name, definition in by_name.items() if definition.enforce != "off"},
        frozenset(name for name, definition in by_name.items() if definition.precedence == "human"),
    )


NO_DEFINITIONS: Final = make_definitions((), Version(0, 0))


class DefinitionCache:
    """Finds the definitions of organizations, at most a second old, and at once those that this process has
    set."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._remembered: dict[int, tuple[float, Definitions]] = {}
        self._weight = 0
        self._lookups = SharedLookups[int, Definitions]()

    async def find(self, organization_id: int) -> Definitions:
        """Raises Unavailable."""
        until, definitions = self._remembered.get(organization_id, (0.0, NO_DEFINITIONS))
        if time.monotonic() < until:
            return definitions
        return await self._lookups.join(organization_id, self._look_up)

    def forget(self, organization_id: int) -> None:
        """Look the organization's definitions up again before the next post: call it once they have changed.
        A look-up that has begun may have missed the change, so nobody joins it and nothing of it is kept."""
        self._drop(organization_id)
        self._lookups.close(organization_id)

    async def _look_up(self, organization_id: int) -> Definitions:
        _, known = self._remembered.get(organization_id, (0.0, NO_DEFINITIONS))
        try:
            async with self._database.connection() as connection:
                asked_at = time.monotonic()
                definitions = await _load(connection, organization_id, known)
            if self._lookups.is_open(organization_id):
                self._remember(organization_id, asked_at + _REMEMBERED_S, definitions)
        finally:
            if self._lookups.is_open(organization_id):
                self._lookups.close(organization_id)
        return definitions

    def _remember(self, organization_id: int, until: float, definitions: Definitions) -> None:
        self._drop(organization_id)
        weight = _weight_of(definitions)
        if self._weight + weight > _CAPACITY:
            self._remembered, self._weight = {}, 0
        self._remembered[organization_id] = until, definitions
        self._weight += weight

    def _drop(self, organization_id: int) -> None:
        if (dropped := self._remembered.pop(organization_id, None)) is not None:
            self._weight -= _weight_of(dropped[1])


async def _load(connection: Connection, organization_id: int, known: Definitions) -> Definitions:
    if await find_version(connection, organization_id) == known.version:
        return known
    return make_definitions(*await list_versioned(connection, organization_id))


def _weight_of(definitions: Definitions) -> int:
    return 1 + sum(
        1 + len(definition.labels) + int(len(definition.description or "") * _DESCRIPTION_WEIGHT)
        for definition in definitions.by_name.values()
    )
