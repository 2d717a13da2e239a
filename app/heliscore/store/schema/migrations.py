"""Bring a database's schema up to date, beside services that go on posting: numbered files, forward only.

A file runs in a transaction of its own: whole or not at all, and again where it did not get a lock. In a file
whose first line is `-- no transaction` each statement runs by itself, for CREATE INDEX CONCURRENTLY. Where it
broke, the next start runs it from its beginning: its other statements must bear to be run twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

from heliscore.domain.errors import MigrationError
from heliscore.store.connections import outages
from heliscore.store.connections.pool import Connection
from heliscore.store.schema.table_locks import (
    DEFAULT_PACE,
    Pace,
    Patience,
    describe_holder,
    lock_tables,
    without_comments,
)
from heliscore.store.statements import SQL_FOLDER, load

_SQL = load("migration")

_log = logging.getLogger("heliscore")

ADVISORY_LOCK: Final = 7_276_518_024_551
"""An arbitrary number, used for nothing else: its holder migrates, the others ask for it now and then. Nobody
waits in a transaction: CREATE INDEX CONCURRENTLY waits for all transactions that are older."""

_NO_TRANSACTION: Final = "-- no transaction\n"

_STATEMENT: Final = re.compile(r"(?:\$\$.*?\$\$|(?!;\n).)+", re.DOTALL)

_CONCURRENTLY: Final = re.compile(r"\bCONCURRENTLY\b", re.IGNORECASE)

_BUILD: Final = re.compile(
    r"\bCREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+)", re.IGNORECASE
)

_NO_LOCK: Final = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)

_ON_A_CLUSTER: Final = (
    "citus.propagate_set_commands = 'local'",  # the limit of a wait for locks is the nodes' too
    "citus.enable_unsafe_triggers = 'on'",  # see sql/cluster/queries/distribution.sql
)
"""Settings that mean nothing to a single PostgreSQL."""

_CREATE_LEDGER: Final = """
CREATE TABLE IF NOT EXISTS schema_migration (
    number integer CONSTRAINT schema_migration_pkey PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class Migration(msgspec.Struct, frozen=True):
    """One file of sql/migrations."""

    number: int
    name: str
    checksum: str
    statements: tuple[str, ...]
    in_transaction: bool = True


def read_migrations(folder: Path = SQL_FOLDER / "migrations") -> list[Migration]:
    """Read the files, in order."""
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        migrations.append(
            Migration(
                number=int(path.name.partition("_")[0]),
                name=path.stem,
                checksum=hashlib.sha256(text.encode()).hexdigest(),
                statements=tuple(split_statements(text)),
                in_transaction=not text.startswith(_NO_TRANSACTION),
            )
        )
    return migrations


def split_statements(text: str) -> list[str]:
    """Divide a file into statements, which run one at a time, as a cluster requires. A statement ends with a
    semicolon at the end of a line, but not within the `$$` of a function."""
    statements = (part.strip() for part in _STATEMENT.findall(text))
    return [part for part in statements if part]


async def migrate(
    connection: Connection, migrations: list[Migration], pace: Pace = DEFAULT_PACE
) -> list[str]:
    """Apply the missing migrations and return their names. Several processes may do so at the same time, and
    the database may have migrations of newer code. If none is missing, nothing is written, as on a standby.

    Raises MigrationError when an applied file has changed since, a statement fails, or no lock is to be had
    within the patience. Errors of a database that is away are raised as they are.
    """
    applied = []
    is_new = not await _read_ledger(connection)
    for migration in await _find_missing(connection, migrations):
        try:
            if await _apply_either_way(connection, migration, pace, is_new=is_new):
                applied.append(migration.name)
        except asyncpg.PostgresError as error:
            if outages.passes(error):
                raise
            raise MigrationError(f"migration {migration.name}: {error}") from error
    return applied


async def _apply_either_way(
    connection: Connection, migration: Migration, pace: Pace, *, is_new: bool
) -> bool:
    """Apply a migration as its file asks for; in a new database, where nobody could wait for a lock, in one
    transaction if the connection leads to no session."""
    if migration.in_transaction:
        return await _apply(connection, migration, pace)
    if is_new and not await connection.fetchval(_SQL["reaches_server"], connection.get_server_pid()):
        statements = tuple(_CONCURRENTLY.sub("", statement) for statement in migration.statements)
        return await _apply(connection, msgspec.structs.replace(migration, statements=statements), pace)
    return await _apply_alone(connection, migration, pace)


async def _apply(connection: Connection, migration: Migration, pace: Pace) -> bool:
    """Apply a migration in one transaction; False where another process was quicker."""
    patience = Patience(pace)
    while True:
        place = f"migration {migration.name}: locking its tables"
        try:
            async with connection.transaction():
                for setting in _ON_A_CLUSTER:
                    await connection.execute(f"SET LOCAL {setting}")
                await connection.execute("SET LOCAL statement_timeout = 0")
                await connection.execute(f"SET LOCAL lock_timeout = {pace.lock_timeout_ms}")
                if await connection.fetchval(_SQL["take_turn"], ADVISORY_LOCK):
                    await connection.execute(_CREATE_LEDGER)
                    if not await _find_missing(connection, [migration]):
                        return False
                    await lock_tables(connection, migration.statements)
                    for number, statement in enumerate(migration.statements, 1):
                        place = _place(migration, number)
                        await connection.execute(statement)
                    await _note(connection, migration)
                    return True
            await asyncio.sleep(pace.turn_s)
        except _NO_LOCK:
            await patience.pause(connection, place)


async def _apply_alone(connection: Connection, migration: Migration, pace: Pace) -> bool:
    """Apply a migration statement by statement; False where another process was quicker."""
    if not await connection.fetchval(_SQL["reaches_server"], connection.get_server_pid()):
        raise MigrationError(
            f"migration {migration.name} needs a session of its own, which no PgBouncer gives: run heliscore "
            "migrate with the address of PostgreSQL itself, then start again"
        )
    async with turn_of_session(connection, pace):
        await connection.execute(_CREATE_LEDGER)
        if not await _find_missing(connection, [migration]):
            return False
        patience = Patience(pace)
        for number, statement in enumerate(migration.statements, 1):
            await _run_alone(connection, statement, pace, patience, _place(migration, number))
        await _note(connection, migration)
        return True


@asynccontextmanager
async def turn_of_session(
    connection: Connection, pace: Pace = DEFAULT_PACE, *, waits: bool = True
) -> AsyncIterator[None]:
    """Be the one that migrates, outside of a transaction, and without a limit of time for a statement. Raises
    MigrationError where another does and this one shall not wait."""
    while not await connection.fetchval(_SQL["take_turn_for_session"], ADVISORY_LOCK):
        if not waits:
            raise MigrationError("another process migrates or distributes the database just now")
        await asyncio.sleep(pace.turn_s)
    try:
        await connection.execute(f"SET {_ON_A_CLUSTER[1]}")
        await connection.execute("SET statement_timeout = 0")
        yield
    finally:
        await connection.execute("RESET statement_timeout")
        await connection.execute("RESET lock_timeout")
        await connection.execute("RESET citus.enable_unsafe_triggers")
        await connection.execute(_SQL["give_turn_back"], ADVISORY_LOCK)


async def _run_alone(
    connection: Connection, statement: str, pace: Pace, patience: Patience, place: str
) -> None:
    """Run one statement until it has got its locks. One that works CONCURRENTLY waits for as long as it must:
    nobody queues behind it, and a timeout would leave an invalid index."""
    _log.info("%s begins", place)
    code = without_comments(statement)
    build = _BUILD.search(code)
    timeout_ms = pace.lock_timeout_ms
    if _CONCURRENTLY.search(code):
        timeout_ms = 0
        oldest = await describe_holder(connection)
        _log.info("%s ends only after all older transactions, the oldest of %s", place, oldest)
    await connection.execute(f"SET lock_timeout = {timeout_ms}")
    while True:
        try:
            if build is None or not await _is_built(connection, build[1]):
                await connection.execute(statement)
            return
        except _NO_LOCK:
            await patience.pause(connection, place)


async def _is_built(connection: Connection, index: str) -> bool:
    """Whether an index is there and valid. An invalid one, of a build that broke, is dropped."""
    valid = await connection.fetchval(_SQL["is_valid"], index)
    if valid is False:
        _log.warning("the index %s was not finished, and is dropped", index)
        await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
    return bool(valid)


def _place(migration: Migration, number: int) -> str:
    return f"migration {migration.name}: statement {number} of {len(migration.statements)}"


async def _note(connection: Connection, migration: Migration) -> None:
    await connection.execute(
        "INSERT INTO schema_migration (number, name, checksum) VALUES ($1, $2, $3)",
        migration.number,
        migration.name,
        migration.checksum,
    )
    _log.info("migration %s is applied", migration.name)


async def count_missing(connection: Connection, migrations: list[Migration]) -> int:
    """How many of the migrations the database does not have yet."""
    ledger = await _read_ledger(connection)
    return sum(migration.number not in ledger for migration in migrations)


async def is_ahead(connection: Connection, migrations: list[Migration]) -> bool:
    """Whether newer code than this has migrated the database."""
    ledger = await _read_ledger(connection)
    return not ledger.keys() <= {migration.number for migration in migrations}


async def _find_missing(connection: Connection, migrations: list[Migration]) -> list[Migration]:
    """Return the migrations that the database does not have yet. Raises MigrationError when one was applied
    with another text."""
    ledger = await _read_ledger(connection)
    for migration in migrations:
        if ledger.get(migration.number, migration.checksum) != migration.checksum:
            raise MigrationError(
                f"migration {migration.name} was applied to this database with another text; "
                "a changed schema needs a new file"
            )
    return [migration for migration in migrations if migration.number not in ledger]


async def _read_ledger(connection: Connection) -> dict[int, str]:
    """Return the checksums of the migrations that the database has, by number."""
    if await connection.fetchval("SELECT to_regclass('schema_migration') IS NULL"):
        return {}
    return dict(map(tuple, await connection.fetch("SELECT number, checksum FROM schema_migration")))
