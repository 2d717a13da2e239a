"""Distributes the tables over the nodes of a Citus cluster, one after the other; later what newer code adds.

Meanwhile no service works with it. Where it is interrupted, none does until it is run again, and has
gone on with the tables that are left.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Final

import msgspec

from heliscore.domain.errors import StartError
from heliscore.store.cluster.groups import begin_cursors
from heliscore.store.cluster.tables import DISTRIBUTED
from heliscore.store.connections.pool import Connection
from heliscore.store.schema.migrations import split_statements
from heliscore.store.statements import SQL_FOLDER, load

_SQL = load("distribution", "cluster/queries")
_BACKUP_SQL = load("backup")

SHARDS: Final = 16
"""Of each table. It cannot be changed later; a cluster can have as many nodes."""

_OLDEST_CITUS: Final = 12

_FOREIGN_KEY: Final = re.compile(
    r"^ALTER TABLE ONLY public\.(\w+)\n"
    r"    ADD CONSTRAINT (\w+) (FOREIGN KEY .+ REFERENCES public\.(\w+)\(.+);$",
    re.MULTILINE,
)
_TRIGGER: Final = re.compile(r"^CREATE TRIGGER (\w+) .+ ON public\.(\w+) .+;$", re.MULTILINE)

Report = Callable[[str], None]
"""Called with a line for each step that is done."""


class Node(msgspec.Struct, frozen=True):
    """A node that may hold shards."""

    name: str
    port: int


async def check(connection: Connection) -> list[Node]:
    """Return the nodes that the tables can be distributed over. Raises StartError where they cannot be, with
    what to do."""
    version = await connection.fetchval(_SQL["find_version"])
    if version is None:
        raise StartError(
            "the database has no Citus: CREATE EXTENSION citus, on every node, and add the nodes"
        )
    if int(version.partition(".")[0]) < _OLDEST_CITUS:
        raise StartError(f"Citus {version} is too old: {_OLDEST_CITUS} or later is needed")
    if not await connection.fetchval(_SQL["is_coordinator"]):
        raise StartError("the database is on a worker: connect to the coordinator")
    nodes = [Node(*row) for row in await connection.fetch(_SQL["list_nodes"])]
    if not nodes:
        raise StartError(
            "the cluster has no node that takes shards: SELECT citus_add_node(…) on the coordinator"
        )
    return nodes


async def distribute(connection: Connection, report: Report, shards: int = SHARDS) -> None:
    """Distribute the tables that are not distributed yet. The caller holds off the services (shut_out())."""
    await connection.execute(_SQL["without_limits"])
    for statement in _read_carried():
        await connection.execute(statement)
    await connection.execute(_SQL["watch_coordinator"])
    await connection.execute(_SQL["begin"])
    for table in DISTRIBUTED:
        await _free(connection, table)
    for table in DISTRIBUTED:
        if await connection.fetchval(_SQL["is_distributed"], table):
            continue
        rows = await connection.fetchval(_SQL["estimate_rows"], table)
        beside = "none" if table == DISTRIBUTED[0] else DISTRIBUTED[0]
        await connection.execute(
            _SQL["distribute"], table, beside, shards if table == DISTRIBUTED[0] else None
        )
        await connection.execute(_SQL["drop_local_rows"], table)
        report(f"distributed {table}" + (f" (about {rows:,} rows)" if rows > 0 else ""))
    await _bind(connection)
    await begin_cursors(connection)
    await connection.execute(f"COMMENT ON TABLE carried IS '{carried_version()}'")


async def keep_up(connection: Connection) -> None:
    """Bring what a cluster has besides the schema to this code's state, after the migrations. Does nothing
    where the tables are not distributed."""
    if await connection.fetchval(_SQL["find_carried_version"]) not in (None, carried_version()):
        await distribute(connection, lambda _: None)


async def shut_out(connection: Connection) -> None:
    """Keep services out until the caller's transaction ends: sessions wait in DatabaseIdentity.check()."""
    await connection.execute("LOCK TABLE schema_migration IN ACCESS EXCLUSIVE MODE")
    await connection.execute(_BACKUP_SQL["end_sessions"])


def carried_version() -> str:
    """What identifies this code's cluster objects: other code would have others."""
    return hashlib.sha256(repr((DISTRIBUTED, _read_carried())).encode()).hexdigest()[:16]


def _read_carried() -> list[str]:
    return split_statements((SQL_FOLDER / "cluster" / "carried.sql").read_text(encoding="utf-8"))


async def _free(connection: Connection, table: str) -> None:
    """Drop the foreign keys and triggers of a table: while rows are copied, triggers must not see them, and a
    key must not lead from one kind of table to the other."""
    if await connection.fetchval(_SQL["is_distributed"], table):
        return
    for statement in await connection.fetch(_SQL["list_bonds"], table):
        await connection.execute(statement[0])


async def _bind(connection: Connection) -> None:
    """Make the triggers and foreign keys of distributed tables as the schema has them, but for keys that lead
    to other tables: these are on the coordinator."""
    schema = (SQL_FOLDER / "schema.sql").read_text(encoding="utf-8")
    for found in _TRIGGER.finditer(schema):
        name, table = found.groups()
        if table in DISTRIBUTED and not await connection.fetchval(_SQL["has_trigger"], table, name):
            await connection.execute(found[0])
    for table, name, definition, other in _FOREIGN_KEY.findall(schema):
        if {table, other} <= set(DISTRIBUTED) and not await connection.fetchval(_SQL["has_key"], table, name):
            await connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
