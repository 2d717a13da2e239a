from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from heliscore.domain.errors import MigrationError
from heliscore.store.connections.pool import Connection
from heliscore.store.schema.migrations import Migration, count_missing, migrate, read_migrations

NAMES = [migration.name for migration in read_migrations()]


@pytest.fixture
async def empty(empty_dsn: str) -> AsyncIterator[Connection]:
    """A connection to an empty database."""
    connection = await asyncpg.connect(empty_dsn)
    try:
        yield connection
    finally:
        await connection.close()


def migration(number: int, *statements: str) -> Migration:
    return Migration(number, f"{number:04}_made_up", f"checksum of {statements}", statements)


async def tables(connection: Connection) -> list[str]:
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return [name for (name,) in rows]


async def ledger(connection: Connection) -> list[tuple[int, str, str]]:
    rows = await connection.fetch("SELECT number, name, checksum FROM schema_migration ORDER BY number")
    return [(number, name, checksum) for number, name, checksum in rows]


def entries(*migrations: Migration) -> list[tuple[int, str, str]]:
    return [(one.number, one.name, one.checksum) for one in migrations]


# Files


def test_files_are_numbered_from_1_without_gaps() -> None:
    assert [one.number for one in read_migrations()] == list(range(1, len(NAMES) + 1))


def test_files_are_read_in_order_and_split_into_statements(tmp_path: Path) -> None:
    (tmp_path / "0002_more.sql").write_text("SELECT ';';\n")
    (tmp_path / "0001_dog.sql").write_text(
        "-- Dogs; many.\nCREATE TABLE dog (\n    id int\n);\n\nSELECT 1;\n"
    )
    (tmp_path / "README.md").write_text("no migration")
    assert read_migrations(tmp_path) == [
        Migration(
            number=1,
            name="0001_dog",
            checksum="14894559c0413bc9c1256a850572d0c103de6eccc11c31992f46b5673ee7bfbd",
            statements=("-- Dogs; many.\nCREATE TABLE dog (\n    id int\n)", "SELECT 1"),
        ),
        Migration(
            number=2,
            name="0002_more",
            checksum="6c8e1e91d027e75293cb36a674b60029dbf5452282b6dc0d3017f3c8ff391b3f",
            statements=("SELECT ';'",),
        ),
    ]


# Applying them


async def test_empty_database_gets_every_migration(empty: Connection) -> None:
    assert await migrate(empty, read_migrations()) == NAMES
    assert await ledger(empty) == entries(*read_migrations())


async def test_migrated_database_stays_as_it_is(empty: Connection) -> None:
    await migrate(empty, read_migrations())
    applied_at = await empty.fetch("SELECT applied_at FROM schema_migration")
    assert await migrate(empty, read_migrations()) == []
    assert await empty.fetch("SELECT applied_at FROM schema_migration") == applied_at


async def test_only_missing_migrations_are_applied(empty: Connection) -> None:
    first, second, third = (migration(n, f"CREATE TABLE t{n} ()") for n in (1, 2, 3))
    await migrate(empty, [first, second])
    assert await migrate(empty, [first, second, third]) == ["0003_made_up"]
    assert await tables(empty) == ["schema_migration", "t1", "t2", "t3"]


async def test_four_processes_apply_each_migration_once(empty_dsn: str) -> None:
    connections = [await asyncpg.connect(empty_dsn) for _ in range(4)]
    try:
        applied = await asyncio.gather(*(migrate(one, read_migrations()) for one in connections))
        assert sorted(name for names in applied for name in names) == NAMES
        assert await ledger(connections[0]) == entries(*read_migrations())
    finally:
        await asyncio.gather(*(one.close() for one in connections))


async def test_edited_migration_is_refused(empty: Connection) -> None:
    await migrate(empty, [migration(1, "CREATE TABLE t ()")])
    edited = migration(1, "CREATE TABLE t (id int)")
    with pytest.raises(MigrationError) as raised:
        await migrate(empty, [edited, migration(2, "CREATE TABLE u ()")])
    assert str(raised.value) == (
        "migration 0001_made_up was applied to this database with another text; "
        "a changed schema needs a new file"
    )
    assert await tables(empty) == ["schema_migration", "t"]


async def test_failing_migration_leaves_nothing_behind(empty: Connection) -> None:
    good = migration(1, "CREATE TABLE t1 ()")
    bad = migration(2, "CREATE TABLE t2 ()", "INSERT INTO t3 VALUES (1)")
    with pytest.raises(MigrationError) as raised:
        await migrate(empty, [good, bad])
    assert str(raised.value) == 'migration 0002_made_up: relation "t3" does not exist'
    assert (await tables(empty), await ledger(empty)) == (["schema_migration", "t1"], entries(good))


async def test_first_migration_that_fails_leaves_an_empty_database(empty: Connection) -> None:
    with pytest.raises(MigrationError):
        await migrate(empty, [migration(1, "CREATE TABLE t1 ()", "SELECT 1 / 0")])
    assert await tables(empty) == []


async def test_mended_migration_is_applied(empty: Connection) -> None:
    with pytest.raises(MigrationError):
        await migrate(empty, [migration(1, "CREATE TABLE t1 ()", "SELECT 1 / 0")])
    assert await migrate(empty, [migration(1, "CREATE TABLE t1 ()")]) == ["0001_made_up"]


async def test_newer_migrations_in_the_database_are_tolerated(empty: Connection) -> None:
    old, new = migration(1, "CREATE TABLE t1 ()"), migration(2, "CREATE TABLE t2 ()")
    await migrate(empty, [old, new])
    assert await migrate(empty, [old]) == []
    assert await ledger(empty) == entries(old, new)


async def test_migration_is_free_of_the_statement_timeout(empty: Connection) -> None:
    await empty.execute("SET statement_timeout = 500")
    assert await migrate(empty, [migration(1, "SELECT pg_sleep(1)")]) == ["0001_made_up"]
    assert await empty.fetchval("SHOW statement_timeout") == "500ms"


# Counting them


async def test_empty_database_misses_every_migration(empty: Connection) -> None:
    assert await count_missing(empty, read_migrations()) == len(NAMES)


async def test_migrated_database_misses_none(connection: Connection) -> None:
    assert await count_missing(connection, read_migrations()) == 0


async def test_missing_migrations_are_counted_beside_newer_ones(empty: Connection) -> None:
    await migrate(empty, [migration(1, "SELECT 1"), migration(4, "SELECT 1")])
    assert await count_missing(empty, [migration(n, "SELECT 1") for n in (1, 2, 3)]) == 2
