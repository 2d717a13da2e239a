"""Remembers the small numbers that stand for an organization's score names and for where scores come from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Generic, TypeVar

from heliscore.store.connections.pool import Connection

K = TypeVar("K")


class RememberedIds(Generic[K]):
    """Caches ids, which never change within one database (database_identity.py)."""

    _CAPACITY: Final = 100_000

    def __init__(self) -> None:
        self._ids: dict[int, dict[K, int]] = {}
        self._keys: dict[int, dict[int, K]] = {}
        self._count = 0

    def known(self, organization_id: int) -> Mapping[K, int]:
        """Return the cached ids. Use them before the next `await`: then the cache may be emptied."""
        return self._ids.get(organization_id, {})

    def known_by_id(self, organization_id: int) -> Mapping[int, K]:
        """The same the other way round."""
        return self._keys.get(organization_id, {})

    async def find(self, connection: Connection, organization_id: int, keys: Collection[K]) -> dict[K, int]:
        """Return the ids of those that the organization has used."""
        # Into a new dict: while we wait, another call may empty the cache.
        remembered = self.known(organization_id)
        found = {key: remembered[key] for key in keys if key in remembered}
        missing = [key for key in keys if key not in found]
        if missing:
            for key, id_ in await self._fetch(connection, organization_id, missing):
                found[key] = id_
                self.remember(organization_id, key, id_)
        return found

    async def ensure(self, connection: Connection, organization_id: int, keys: Collection[K]) -> dict[K, int]:
        """Return the ids of all of them, adding those that are new. One that no score has is invisible. Do
        not call this in a transaction: if that is rolled back, the cache holds ids that do not exist."""
        known = await self.find(connection, organization_id, keys)
        if len(known) < len(keys):
            missing = [key for key in keys if key not in known]
            await self._add(connection, organization_id, missing)
            known = await self.find(connection, organization_id, keys)
        return known

    def remember(self, organization_id: int, key: K, id_: int) -> None:
        """Cache an id that the database has."""
        if self._count >= self._CAPACITY:
            self._ids, self._keys, self._count = {}, {}, 0
        self._ids.setdefault(organization_id, {})[key] = id_
        self._keys.setdefault(organization_id, {})[id_] = key
        self._count += 1

    async def _fetch(
        self, connection: Connection, organization_id: int, keys: list[K]
    ) -> list[tuple[K, int]]:
        raise NotImplementedError

    async def _add(self, connection: Connection, organization_id: int, keys: list[K]) -> None:
        raise NotImplementedError
