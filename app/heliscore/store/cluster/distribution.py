"""Distributes the tables over the nodes of a Citus cluster, one after the other; later what newer code adds.

Meanwhile no service works with it. Where it is interrupted, none does until it is run again, and has
gone on with the tables that are left.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Callable
from typing import Final

from heliscore.domain.errors import StartError
from heliscore.store.cluster import bonds, nodes
from heliscore.store.cluster.groups import begin_cursors
from heliscore.store.cluster.tables import DISTRIBUTED
from heliscore.store.connections.pool import Connection
from heliscore.store.schema import migrations
from heliscore.store.statements import SQL_FOLDER, load

_SQL = load("distribution", "cluster/queries")
_BACKUP_SQL = load("backup")
_MIGRATION_SQL = load("migration")

SHARDS_A_NODE: Final = 4
"""Of each table, at first. Posts of several organizations share a statement where these share a shard, so few
are quick; a cluster can have as many nodes as a table has shards."""

_OLDEST_CITUS: Final = 12

_MANY_ROWS: Final = 100_000
"""A table of so many is announced before it is distributed."""

_TURN_S: Final = 0.1

Report = Callable[[str], None]
"""Called with a line for each step that is done."""


async def check(connection: Connection) -> tuple[nodes.Coordinator, list[nodes.Node]]:
    """Return what the tables can be distributed over. Raises StartError where they cannot be, with what to
    do."""
    version = await connection.fetchval(_SQL["find_version"])
    if version is None:
        available = await connection.fetchval(_SQL["is_available"])
        todo = (
            "CREATE EXTENSION citus there" if available else "install and preload it, CREATE EXTENSION citus"
        )
        raise StartError(f"the database has no Citus: {todo}, on every node, and add the nodes")
    if int(version.partition(".")[0]) < _OLDEST_CITUS:
        raise StartError(f"Citus {version} is too old: {_OLDEST_CITUS} or later is needed")
    if not await connection.fetchval(_SQL["is_coordinator"]):
        raise StartError("the database is on a worker: connect to the coordinator")
    if not await connection.fetchval(_SQL["owns_tables"], list(DISTRIBUTED)):
        raise StartError("the role is not the owner of the tables, and may not distribute them")
    coordinator, others = await nodes.look(connection)
    if obstacles := nodes.find_obstacles(coordinator, others):
        raise StartError("; ".join(obstacles))
    return coordinator, others


async def is_complete(connection: Connection) -> bool:
    """Whether the tables are distributed, all of them, as this code has them."""
    if await connection.fetchval(_SQL["find_carried_version"]) != carried_version():
        return False
    return not await _list_local(connection)


async def count_shards(connection: Connection) -> int | None:
    """How many shards each table has; None where the database is no cluster."""
    if await connection.fetchval(_SQL["find_carried_version"]) is None:
        return None
    return int(await connection.fetchval(_SQL["count_shards"])) or None


async def count_copied(connection: Connection) -> int:
    """How many rows of the table that another connection is distributing have reached the nodes."""
    return int(await connection.fetchval(_SQL["count_copied"]))


async def distribute(connection: Connection, report: Report, shards: int) -> None:
    """Distribute the tables that are not distributed yet. The caller has its turn (migrations.py), and holds
    off the services (shut_out())."""
    await connection.execute(_SQL["prepare_session"])
    async with connection.transaction():
        await _make_carried(connection)
        await connection.execute(_SQL["watch_coordinator"])
        await connection.execute(_SQL["begin"])
        tables = await _list_local(connection)
        for table in tables:
            await _free(connection, table)
    for table in tables:
        await _distribute(connection, table, report, shards)
    await _finish(connection)


async def _list_local(connection: Connection) -> list[str]:
    """The tables that are not distributed yet."""
    return [name for (name,) in await connection.fetch(_SQL["list_local"], list(DISTRIBUTED))]


async def _distribute(connection: Connection, table: str, report: Report, shards: int) -> None:
    rows = await connection.fetchval(_SQL["estimate_rows"], table)
    about = f" (about {rows:,} rows)" if rows > 0 else ""
    if rows >= _MANY_ROWS:
        report(f"distributing {table}{about} …")
    begun = time.monotonic()
    async with connection.transaction():
        await _move_rows(connection, table, shards)
    report(f"distributed {table}{about} in {time.monotonic() - begun:.1f} s")


async def _move_rows(connection: Connection, table: str, shards: int | None = None) -> None:
    """Move a table's rows into shards beside those of the first table, which it makes."""
    is_first = table == DISTRIBUTED[0]
    beside = "none" if is_first else DISTRIBUTED[0]
    await connection.execute(_SQL["distribute"], table, beside, shards if is_first else None)
    await connection.execute(_SQL["drop_local_rows"], table)


async def _finish(connection: Connection) -> None:
    """Do what the tables need once they are distributed, and let the services in."""
    for row in await connection.fetch(_SQL["identify_rows"], list(DISTRIBUTED)):
        await connection.execute(row[0])
    await connection.fetchval(_SQL["begin_numbers"])
    await bonds.make_triggers(connection, DISTRIBUTED)
    await bonds.make_keys(connection, DISTRIBUTED)
    await begin_cursors(connection)
    await connection.execute(f"COMMENT ON TABLE carried IS '{carried_version()}'")


async def keep_up(connection: Connection) -> None:
    """Bring what a cluster has besides the schema to this code's state, after the migrations: all of it or
    nothing, and one process at a time. Does nothing where the tables are not distributed."""
    while await _is_behind(connection):
        async with connection.transaction():
            if await connection.fetchval(_MIGRATION_SQL["take_turn"], migrations.ADVISORY_LOCK):
                if await _is_behind(connection):
                    await _catch_up(connection)
                return
        await asyncio.sleep(_TURN_S)


async def _is_behind(connection: Connection) -> bool:
    version = await connection.fetchval(_SQL["find_carried_version"])
    if version is None or await migrations.is_ahead(connection, migrations.read_migrations()):
        return False
    return version != carried_version() or bool(await connection.fetchval(_SQL["find_unnumbered"]))


async def _catch_up(connection: Connection) -> None:
    await connection.execute(_SQL["be_sequential"])
    if await connection.fetchval(_SQL["find_carried_version"]) == carried_version():
        await connection.fetchval(_SQL["begin_numbers"])  # a node was added
        return
    await _make_carried(connection)
    for table in await _list_local(connection):
        await _free(connection, table)
        await _move_rows(connection, table)
    await _finish(connection)


async def shut_out(connection: Connection) -> None:
    """Keep services out until the caller's transaction ends: sessions wait in DatabaseIdentity.check()."""
    await connection.execute(_BACKUP_SQL["limit_waiting"])
    await connection.execute(_BACKUP_SQL["shut_out"])
    await connection.execute(_BACKUP_SQL["end_sessions"])


def begun_script() -> list[str]:
    """The statements after which a database is one whose distribution was interrupted."""
    return [*(s for s in _read_carried() if " TABLE " in s.partition("(")[0]), _SQL["begin"]]


def carried_version() -> str:
    """What identifies this code's cluster objects: other code would have others. A migration may replace a
    function that is another one on a cluster."""
    checksums = [migration.checksum for migration in migrations.read_migrations()]
    return hashlib.sha256(repr((DISTRIBUTED, _read_carried(), checksums)).encode()).hexdigest()[:16]


def _read_carried() -> list[str]:
    return migrations.split_statements((SQL_FOLDER / "cluster" / "carried.sql").read_text(encoding="utf-8"))


async def _make_carried(connection: Connection) -> None:
    """Run carried.sql, but for triggers that are there: nobody shall wait for their locks."""
    for statement in _read_carried():
        trigger = re.search(r"^CREATE OR REPLACE TRIGGER (\w+)", statement, re.MULTILINE)
        if trigger is None or not await bonds.has_trigger(connection, "carried", trigger[1]):
            await connection.execute(statement)


async def _free(connection: Connection, table: str) -> None:
    """Drop the foreign keys and triggers of a table: while rows are copied, triggers must not see them, and a
    key must not lead from one kind of table to the other."""
    for statement in await connection.fetch(_SQL["list_bonds"], table):
        await connection.execute(statement[0])
