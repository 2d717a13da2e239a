"""An organization as a whole: what is in it, and how all of it goes.

Services remember the ids of organizations and score names. They are never given again, so what a service
remembers of an organization that is gone can lead it to nobody else's.
"""

from __future__ import annotations

from typing import Final

import msgspec

from heliscore.store.connections.pool import Connection
from heliscore.store.scores import remove_scores
from heliscore.store.statements import load

_SQL = load("organization")

DEFAULT_ORGANIZATION: Final = "default"

_BELONGINGS: Final = ("remove_names", "remove_keys", "remove_promptlayer_logs", "remove_promptlayer_groups")


class RequestCount(msgspec.Struct, frozen=True):
    """How many requests there are, and how many of them are not of the kind that was asked for."""

    requests: int
    others: int


async def ensure(connection: Connection, name: str = DEFAULT_ORGANIZATION) -> int:
    """Return the id of the organization of that name, and make it first if there is none."""
    return int(await connection.fetchval(_SQL["ensure"], name))


async def find(connection: Connection, name: str) -> int | None:
    """The id of the organization of that name."""
    id_: int | None = await connection.fetchval(_SQL["find"], name)
    return id_


async def began_with_key(connection: Connection, organization_id: int, key_name: str) -> bool:
    """Whether the transaction that made the organization also made a key of that name. Nobody can make it so
    later: it marks an organization without a column for it."""
    return bool(await connection.fetchval(_SQL["began_with_key"], organization_id, key_name))


async def count_requests(connection: Connection, organization_id: int, id_prefix: str) -> RequestCount:
    """Count the requests, and those whose id begins in another way."""
    rows = await connection.fetch(_SQL["count_requests"], organization_id, id_prefix)
    return RequestCount(*rows[0])


async def revoke_keys(connection: Connection, organization_id: int) -> None:
    """Revoke all its keys; services stop taking them within 5 seconds."""
    await connection.execute(_SQL["revoke_keys"], organization_id)


async def remove_requests(connection: Connection, organization_id: int) -> int:
    """Remove up to a thousand requests with all their scores; returns how many there were."""
    async with connection.transaction():
        rows = await connection.fetch(_SQL["remove_requests"], organization_id)
        await remove_scores(connection, organization_id, [number for (number,) in rows])
    return len(rows)


async def remove(connection: Connection, organization_id: int) -> None:
    """Remove an organization whose requests are gone, with its score names, keys and whatever else it has."""
    async with connection.transaction():
        await connection.execute(_SQL["lock"], organization_id)
        for statement in _BELONGINGS:
            await connection.execute(_SQL[statement], organization_id)
        await connection.execute(_SQL["remove"], organization_id)
