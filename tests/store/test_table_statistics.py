from __future__ import annotations

import asyncpg
import pytest
from heliscore.store import table_statistics
from heliscore.store.connections.pool import Connection
from heliscore.store.table_statistics import MIN_SCORES, analyze

SEED = """
INSERT INTO request (organization_id, request_id, created_at, updated_at)
SELECT $1, 'request ' || n, now(), now() FROM generate_series(1, 500) AS n
"""


async def estimate(connection: Connection) -> float:
    found: float = await connection.fetchval("SELECT reltuples FROM pg_class WHERE oid = 'request'::regclass")
    return found


async def test_statistics_come_with_the_rows(
    connection: asyncpg.Connection[asyncpg.Record], organization_id: int
) -> None:
    async with connection.transaction():
        await connection.execute(SEED, organization_id)
        assert await analyze(connection, MIN_SCORES)
    assert await estimate(connection) == 500


async def test_small_writes_are_left_to_autovacuum(
    connection: asyncpg.Connection[asyncpg.Record],
) -> None:
    assert not await analyze(connection, MIN_SCORES - 1)
    await connection.execute("UPDATE pg_class SET reltuples = 10000000 WHERE oid = 'score'::regclass")
    assert not await analyze(connection, MIN_SCORES)
    assert await analyze(connection, 600_000)


async def test_write_goes_on_where_a_table_is_locked(
    connection: asyncpg.Connection[asyncpg.Record],
    organization_id: int,
    dsn: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    impatient = {"limit_waiting": "SELECT set_config('lock_timeout', '50ms', true)"}
    monkeypatch.setattr(table_statistics, "_SQL", table_statistics._SQL | impatient)
    other = await asyncpg.connect(dsn)
    async with other.transaction(), connection.transaction():
        await other.execute("LOCK TABLE request IN SHARE UPDATE EXCLUSIVE MODE")
        await connection.execute(SEED, organization_id)
        assert not await analyze(connection, MIN_SCORES)
    await other.close()
    assert await connection.fetchval("SELECT count(*) FROM request") == 500


async def test_role_that_does_not_own_the_tables_changes_nothing(
    connection: asyncpg.Connection[asyncpg.Record], organization_id: int
) -> None:
    async with connection.transaction():
        await connection.execute(SEED, organization_id)
        await connection.execute("CREATE ROLE guest; SET LOCAL ROLE guest")
        assert await analyze(connection, MIN_SCORES)
        await connection.execute("RESET ROLE; DROP ROLE guest")
    assert await estimate(connection) == -1
