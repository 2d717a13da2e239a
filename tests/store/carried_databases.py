"""A single PostgreSQL that carries statements as a cluster does: its tables are the shards."""

from __future__ import annotations

from heliscore.store.connections.pool import Connection
from heliscore.store.schema.migrations import split_statements
from heliscore.store.statements import SQL_FOLDER


async def prepare_carrying(connection: Connection) -> None:
    """Make what a cluster has besides the schema. Connections that are opened from now on carry."""
    for statement in split_statements((SQL_FOLDER / "cluster" / "carried.sql").read_text(encoding="utf-8")):
        await connection.execute(statement)
