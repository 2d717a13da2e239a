"""A single PostgreSQL with a cluster's functions: statements are carried to it, and it can take the number of
another node, as if its rows had been moved there."""

from __future__ import annotations

from heliscore.store.connections.pool import Connection
from heliscore.store.schema.migrations import split_statements
from heliscore.store.statements import SQL_FOLDER


async def prepare_carrying(connection: Connection) -> None:
    """Make what a cluster has besides the schema. Connections that are opened from now on carry."""
    for statement in split_statements((SQL_FOLDER / "cluster" / "carried.sql").read_text(encoding="utf-8")):
        await connection.execute(statement)


async def install(connection: Connection) -> None:
    """Give the database what a cluster's has; sessions that begin from now on carry."""
    await prepare_carrying(connection)
    await connection.execute("CREATE TABLE pg_dist_shard (logicalrelid regclass, shardid bigint)")
    await connection.execute("INSERT INTO pg_dist_shard VALUES ('carried', 1)")
    await connection.execute("CREATE TABLE pg_dist_placement AS SELECT 1::bigint AS shardid, 0 AS groupid")
    await connection.execute(
        "CREATE FUNCTION get_shard_id_for_distribution_column(regclass, integer) RETURNS bigint"
        " LANGUAGE sql AS 'SELECT 1::bigint'"
    )


async def become_node(connection: Connection, number: int) -> None:
    """Be another node, on which the rows are from now on."""
    await connection.execute(
        "CREATE OR REPLACE FUNCTION node_number() RETURNS bigint LANGUAGE sql STABLE AS"
        f" 'SELECT {number}::bigint'"
    )
