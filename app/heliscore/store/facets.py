"""The values of columns and properties by which requests can be grouped."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("facet")

PROPERTY: Final = "property:"
"""The prefix of a facet's field that is a property."""

_VERSION: Final = "version:"
_REQUESTS: Final = 4000
_PARTS: Final = 20
_VALUES: Final = 50


class Facets(msgspec.Struct, frozen=True):
    """The values of each field that requests can be grouped by, the most frequent first. A field is a column,
    `property:<key>`, or for the versions of one prompt `version:<prompt>`."""

    values: dict[str, list[str]] = {}

    is_whole: bool = True
    """Whether they are those of all requests of the time; rare ones may be missing else."""

    def of(self, field: str) -> list[str]:
        return self.values.get(field, [])

    def versions_of(self, prompt: str) -> list[str]:
        return self.of(_VERSION + prompt)

    @property
    def keys(self) -> list[str]:
        """The keys of properties, sorted."""
        return [field.removeprefix(PROPERTY) for field in self.values if field.startswith(PROPERTY)]


async def find_facets(connection: Connection, organization_id: int, start: datetime, end: datetime) -> Facets:
    """Return the values that requests can be grouped by. Of many requests only some are read, from all parts
    of the time."""
    rows = await connection.fetch(_SQL["find"], organization_id, start, end, _REQUESTS, _VALUES, _PARTS)
    values: dict[str, list[str]] = {}
    for _, field, value in rows:
        if field is not None:
            values.setdefault(field, []).append(value)
    return Facets(values, is_whole=rows[0]["is_whole"])
