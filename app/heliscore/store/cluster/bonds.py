"""Makes the triggers and foreign keys of tables as sql/schema.sql has them, where they are missing.

Distributed tables have no keys that lead to tables on the coordinator, and a backup of them has none either.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from heliscore.store.connections.pool import Connection
from heliscore.store.statements import SQL_FOLDER, fill, load

_SQL = load("bond", "cluster/queries")

_FOREIGN_KEY: Final = re.compile(
    r"^ALTER TABLE ONLY public\.(\w+)\n"
    r"    ADD CONSTRAINT (\w+) (FOREIGN KEY .+ REFERENCES public\.(\w+)\(.+);$",
    re.MULTILINE,
)
_TRIGGER: Final = re.compile(r"^CREATE TRIGGER (\w+) .+ ON public\.(\w+) .+;$", re.MULTILINE)

_OWNER: Final = "organization"


async def has_trigger(connection: Connection, table: str, name: str) -> bool:
    """Whether a table has a trigger."""
    return bool(await connection.fetchval(_SQL["has_trigger"], table, name))


async def make_triggers(connection: Connection, tables: Collection[str]) -> None:
    """Make the missing triggers of the tables."""
    for found in _TRIGGER.finditer(_schema()):
        name, table = found.groups()
        if table in tables and not await has_trigger(connection, table, name):
            await connection.execute(found[0])


async def make_keys(connection: Connection, tables: Collection[str]) -> None:
    """Make the missing foreign keys that lead from one of the tables to one of them."""
    for table, name, definition, other in _FOREIGN_KEY.findall(_schema()):
        if {table, other} <= set(tables) and not await connection.fetchval(_SQL["has_key"], table, name):
            await connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


async def mend_restored(connection: Connection, tables: Collection[str]) -> None:
    """Make of tables that came from a cluster's backup what a single PostgreSQL has: keys, and sequences that
    are beyond the numbers that nodes gave. Rows whose organization is not in the backup go: it was made
    after the backup had begun."""
    for table, name, _, other in _FOREIGN_KEY.findall(_schema()):
        if other == _OWNER and not await connection.fetchval(_SQL["has_key"], table, name):
            await connection.execute(fill(_SQL["delete_ownerless"], table=table))
    await make_keys(connection, tables)
    for row in await connection.fetch(_SQL["list_identified"], list(tables)):
        await connection.execute(row[0])
    for table, column, sequence in await connection.fetch(_SQL["list_numbered"], list(tables)):
        await connection.execute(fill(_SQL["advance_sequence"], table=table, column=column), sequence)


def _schema() -> str:
    return (SQL_FOLDER / "schema.sql").read_text(encoding="utf-8")
