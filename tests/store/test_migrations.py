from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
from heliscore.domain.errors import MigrationError
from heliscore.domain.score import Score
from heliscore.store.connections.pool import Connection
from heliscore.store.schema.migrations import Migration, count_missing, migrate, read_migrations
from heliscore.store.schema.table_locks import Pace
from heliscore.store.scores import ScoreIds, ScoreWrite, record

from tests.origins import ORIGIN

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


def test_first_line_says_that_a_file_runs_without_a_transaction(tmp_path: Path) -> None:
    (tmp_path / "0001_dog.sql").write_text("-- no transaction\nCREATE INDEX CONCURRENTLY i ON dog (id);\n")
    (tmp_path / "0002_cat.sql").write_text("-- Cats.\n-- no transaction\nSELECT 1;\n")
    assert [one.in_transaction for one in read_migrations(tmp_path)] == [False, True]


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


# Beside services that post


QUICK = Pace(lock_timeout_ms=150, pause_s=0.1, turn_s=0.02)


@pytest.fixture
async def others(dsn: str) -> AsyncIterator[Callable[[], Awaitable[Connection]]]:
    """Open more connections to the migrated database."""
    async with AsyncExitStack() as opened:

        async def connect() -> Connection:
            connection = await asyncpg.connect(dsn)
            opened.push_async_callback(connection.close, timeout=5)
            return connection

        yield connect


class Posting:
    """Clients that post scores, and the longest time that one of them took."""

    def __init__(self) -> None:
        self.posts = 0
        self.longest_s = 0.0
        self.over = asyncio.Event()

    async def run(self, connection: Connection, organization_id: int, client: int) -> None:
        ids = ScoreIds()
        while not self.over.is_set():
            post = ScoreWrite(
                organization_id, f"{client}/{self.posts % 20}", SCORES, datetime.now(UTC), ORIGIN
            )
            begun = time.monotonic()
            await record(connection, ids, [post])
            self.longest_s = max(self.longest_s, time.monotonic() - begun)
            self.posts += 1

    async def reach(self, posts: int) -> None:
        target = self.posts + posts
        while self.posts < target:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


SCORES = {"accuracy": Score(95, False), "has_citations": Score(1, True)}


@asynccontextmanager
async def posting(
    connect: Callable[[], Awaitable[Connection]], organization_id: int
) -> AsyncIterator[Posting]:
    """Two clients post during the block; every post must succeed."""
    clients = Posting()
    tasks = [
        asyncio.create_task(clients.run(await connect(), organization_id, client)) for client in range(2)
    ]
    await clients.reach(10)
    yield clients
    await clients.reach(10)
    clients.over.set()
    await asyncio.gather(*tasks)


ADD_COLUMN = migration(9001, "ALTER TABLE request ADD COLUMN extra integer")
WRONG_WAY_ROUND = migration(
    9001,
    "CREATE INDEX extra_1 ON score (value)",
    "SELECT pg_sleep(0.2)",
    "CREATE INDEX extra_2 ON request (status)",
)
BUILD = Migration(
    9001,
    "9001_built",
    "checksum",
    ("CREATE INDEX CONCURRENTLY extra ON score (scored_at)",),
    in_transaction=False,
)


async def find_indexes(connection: Connection) -> list[tuple[str, bool]]:
    """The indexes that these migrations make, each with whether it is valid."""
    rows = await connection.fetch(
        "SELECT c.relname, i.indisvalid FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid "
        "WHERE c.relname LIKE 'extra%' ORDER BY 1"
    )
    return [(name, valid) for name, valid in rows]


async def test_posts_go_on_while_a_migration_waits_for_a_reader(
    others: Callable[[], Awaitable[Connection]],
    organization_id: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    reader = await others()
    reading = reader.transaction()
    await reading.start()
    await reader.execute("SET application_name = 'a report'")
    await reader.execute("SELECT count(*) FROM score, request")
    async with posting(others, organization_id) as clients:
        migrating = asyncio.create_task(migrate(await others(), [ADD_COLUMN], QUICK))
        while len(caplog.records) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await clients.reach(10)
        assert not migrating.done()
        await reading.rollback()
        assert await migrating == [ADD_COLUMN.name]
    assert re.fullmatch(
        r"migration 9001_made_up: locking its tables: waiting for a lock held by "
        rf"process {reader.get_server_pid()} \(a report, idle in transaction, for \d+ s\); "
        r"next attempt in 0\.1 s",
        caplog.records[0].message,
    )


async def test_migration_gives_up_in_the_end(
    others: Callable[[], Awaitable[Connection]], connection: Connection
) -> None:
    async with connection.transaction():
        await connection.execute("SELECT FROM request")
        with pytest.raises(MigrationError) as raised:
            await migrate(
                await others(), [ADD_COLUMN], Pace(lock_timeout_ms=10, pause_s=0.01, patience_s=0.1)
            )
    assert re.match(
        r"migration 9001_made_up: locking its tables: waited 0 s for a lock held by "
        rf"process {connection.get_server_pid()} ",
        str(raised.value),
    )


async def test_two_indexes_in_the_wrong_order_do_not_deadlock_with_posts(
    others: Callable[[], Awaitable[Connection]], connection: Connection, organization_id: int
) -> None:
    async with posting(others, organization_id):
        for _ in range(3):
            assert await migrate(await others(), [WRONG_WAY_ROUND], QUICK) == [WRONG_WAY_ROUND.name]
            await connection.execute("DROP INDEX extra_1")
            await connection.execute("DROP INDEX extra_2")
            await connection.execute("DELETE FROM schema_migration WHERE number = 9001")


async def test_index_is_built_beside_posts_by_one_of_several_processes(
    others: Callable[[], Awaitable[Connection]], connection: Connection, organization_id: int
) -> None:
    async with posting(others, organization_id):
        applied = await asyncio.gather(*[migrate(await others(), [BUILD], QUICK) for _ in range(3)])
    assert sorted(applied) == [[], [], [BUILD.name]]
    assert await find_indexes(connection) == [("extra", True)]
    assert await count_missing(connection, [BUILD]) == 0


@pytest.mark.parametrize("broken", ["ended", "killed"])
async def test_build_that_broke_is_resumed(
    others: Callable[[], Awaitable[Connection]], connection: Connection, broken: str
) -> None:
    """It waits for an older transaction when its session ends or its process is gone."""
    older = connection.transaction()
    await older.start()
    await connection.execute("LOCK TABLE score IN ROW EXCLUSIVE MODE")
    builder, watcher = await others(), await others()
    building = asyncio.create_task(migrate(builder, [BUILD], QUICK))
    while await find_indexes(watcher) != [("extra", False)]:
        assert not building.done()
    if broken == "ended":
        await watcher.execute("SELECT pg_terminate_backend($1, 5000)", builder.get_server_pid())
    else:
        builder.terminate()
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.AdminShutdownError)):
        await building
    resumed = asyncio.create_task(migrate(await others(), [BUILD], QUICK))
    await older.rollback()
    assert await resumed == [BUILD.name]
    assert await find_indexes(connection) == [("extra", True)]


async def test_statements_without_a_transaction_are_free_of_timeouts_and_take_short_locks(
    others: Callable[[], Awaitable[Connection]], connection: Connection
) -> None:
    migrating = await others()
    alone = Migration(
        9001,
        "9001_alone",
        "checksum",
        (
            "CREATE TABLE seen AS SELECT current_setting('lock_timeout') AS one, "
            "current_setting('statement_timeout') AS two",
        ),
        in_transaction=False,
    )
    assert await migrate(migrating, [alone], QUICK) == ["9001_alone"]
    assert tuple(await connection.fetchrow("SELECT one, two FROM seen") or ()) == ("150ms", "0")
    assert await migrating.fetchval("SHOW lock_timeout") == "0"
    assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


def test_later_files_build_indexes_beside_posts() -> None:
    """On tables that hold rows already, CREATE INDEX stops every writer until it is done."""
    for one in read_migrations()[4:]:
        made = set(re.findall(r"CREATE (?:UNLOGGED )?TABLE (\w+)", "\n".join(one.statements)))
        for statement in one.statements:
            found = re.search(r"CREATE (?:UNIQUE )?INDEX (CONCURRENTLY )?\w+\s+ON (\w+)", statement)
            assert found is None or found[1] or found[2] in made, one.name


# Counting them


async def test_empty_database_misses_every_migration(empty: Connection) -> None:
    assert await count_missing(empty, read_migrations()) == len(NAMES)


async def test_migrated_database_misses_none(connection: Connection) -> None:
    assert await count_missing(connection, read_migrations()) == 0


async def test_missing_migrations_are_counted_beside_newer_ones(empty: Connection) -> None:
    await migrate(empty, [migration(1, "SELECT 1"), migration(4, "SELECT 1")])
    assert await count_missing(empty, [migration(n, "SELECT 1") for n in (1, 2, 3)]) == 2
