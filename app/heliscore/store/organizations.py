"""Organizations: find or make one, and remove one with everything in it.

Services cache the ids of organizations and score names. Ids are never reused, so a cached id of a removed
organization can never mean another one.
"""

from __future__ import annotations

from typing import Final

import msgspec

from heliscore.store.connections.pool import Connection
from heliscore.store.scores import erase_scores
from heliscore.store.statements import load

_SQL = load("organization")

DEFAULT_ORGANIZATION: Final = "default"

_BELONGINGS: Final = (
    "remove_names",
    "remove_origins",
    "remove_definitions",
    "remove_keys",
    "remove_promptlayer_logs",
    "remove_promptlayer_groups",
    "remove_destinations",
    "remove_event_interest",
    "remove_events",
    "remove_idempotent_calls",
    "remove_monitors",
    "remove_audit_entries",
    "remove_waiting_scores",
    "remove_touched_hours",
    "remove_counted_hours",
    "remove_counted_days",
    "remove_counted_groups",
    "remove_uncounted_names",
    "remove_views",
    "remove_queues",
)


class RequestCount(msgspec.Struct, frozen=True):
    """The number of requests, and of those whose id does not have the prefix."""

    requests: int
    others: int


async def ensure(connection: Connection, name: str = DEFAULT_ORGANIZATION) -> int:
    """Return the id of the organization of that name, and make it first if there is none."""
    return int(await connection.fetchval(_SQL["ensure"], name))


async def find(connection: Connection, name: str) -> int | None:
    """Return the id of the organization of that name, or None."""
    id_: int | None = await connection.fetchval(_SQL["find"], name)
    return id_


async def began_with_key(connection: Connection, organization_id: int, key_name: str) -> bool:
    """Whether the transaction that made the organization also made a key of that name. That cannot be faked
    later, so it marks an organization without a column."""
    return bool(await connection.fetchval(_SQL["began_with_key"], organization_id, key_name))


async def count_requests(connection: Connection, organization_id: int, id_prefix: str) -> RequestCount:
    """Count the requests, and those whose id does not begin with the prefix."""
    rows = await connection.fetch(_SQL["count_requests"], organization_id, id_prefix)
    return RequestCount(*rows[0])


async def revoke_keys(connection: Connection, organization_id: int) -> None:
    """Revoke all its keys; services stop taking them within 5 seconds."""
    await connection.execute(_SQL["revoke_keys"], organization_id)


async def remove_requests(connection: Connection, organization_id: int) -> int:
    """Remove up to a thousand requests with all their scores, and return how many were removed."""
    async with connection.transaction():
        rows = await connection.fetch(_SQL["remove_requests"], organization_id)
        await erase_scores(connection, organization_id, [number for (number,) in rows])
    return len(rows)


async def remove(connection: Connection, organization_id: int) -> None:
    """Remove an organization that has no requests any more, with its score names, keys and all the rest."""
    async with connection.transaction():
        await connection.execute(_SQL["lock"], organization_id)
        for statement in _BELONGINGS:
            await connection.execute(_SQL[statement], organization_id)
        await connection.execute(_SQL["remove"], organization_id)
