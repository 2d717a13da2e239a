"""Groups of organizations that are kept together, each in one shard of every table.

A group is a little PostgreSQL of its own: a snapshot is of one group. What is about all organizations is done
for one group after the other, by statements that say `-- runs on the node of $1` and get the group there,
which is the number of an organization that would be kept in it. A single PostgreSQL is one group, 0.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final, TypeVar, cast

from heliscore.domain.errors import Unavailable
from heliscore.store.connections.carrying import CarryingConnection, carries
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.statements import load

_SQL = load("group", "cluster/queries")
_PLACEMENT_SQL = load("placement", "cluster/queries")

T = TypeVar("T")

_FRESH_S: Final = 60.0
"""How long groups are remembered: shards may be split."""


async def list_groups(connection: Connection) -> list[int]:
    """Return the groups."""
    return sorted((await _find(connection)).values()) if carries(connection) else [0]


async def groups_of(connection: Connection, organizations: Collection[int]) -> dict[int, int]:
    """Return the group of each organization."""
    if not carries(connection):
        return dict.fromkeys(organizations, 0)
    groups = await _find(connection)
    rows = await connection.fetch(_PLACEMENT_SQL["find"], list(organizations))
    return {organization: groups[shard] for organization, _, shard in rows}


async def for_each_group(database: Database, work: Callable[[int], Awaitable[T]]) -> list[T]:
    """Do something for one group after the other, and return what comes of it. One that is not available does
    not keep the others from their turn: Unavailable is raised when they have had it."""
    async with database.connection() as connection:
        groups = await list_groups(connection)
    failure, results = None, []
    for group in groups:
        try:
            results.append(await work(group))
        except Unavailable as error:
            failure = error
    if failure is not None:
        raise failure
    return results


async def begin_cursors(connection: Connection) -> None:
    """Let the cursors of events go on where the database's one was before its tables were distributed."""
    groups = [group for _, group in await connection.fetch(_SQL["list"])]
    await connection.execute(_SQL["begin_cursors"], groups)


async def _find(connection: Connection) -> dict[int, int]:
    """The group of each shard."""
    itself = cast("CarryingConnection", connection)
    groups, until = itself.known_groups
    if time.monotonic() > until:
        groups = dict(map(tuple, await connection.fetch(_SQL["list"])))
        itself.known_groups = groups, time.monotonic() + _FRESH_S
    return groups
