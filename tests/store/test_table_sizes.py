"""The sizes of tables, which a service's connection remembers."""

from __future__ import annotations

from heliscore.store.connections.pool import Connection, Database
from heliscore.store.search.table_sizes import TableSizes, find_table_sizes

_GROWN = "UPDATE pg_class SET reltuples = 5000 WHERE oid = 'request'::regclass"


async def test_sizes_are_read_once_in_some_seconds_over_a_connection_of_the_service(
    connection: Connection, database: Database
) -> None:
    async with database.connection() as lent:
        before = await find_table_sizes(lent)
        assert before == await find_table_sizes(connection)
        await connection.execute(_GROWN)
        assert await find_table_sizes(lent) == before
    assert await find_table_sizes(connection) == TableSizes(5000.0, before.visible)
