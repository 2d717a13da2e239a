"""Bring a database's schema up to date: numbered files, forward only, each in its own transaction."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

from heliscore.domain.errors import MigrationError
from heliscore.store.connections import outages
from heliscore.store.connections.pool import Connection
from heliscore.store.statements import SQL_FOLDER

_ADVISORY_LOCK: Final = 7_276_518_024_551
"""An arbitrary number, used for nothing else: its holder migrates, the others wait."""

_LOCK_TIMEOUT: Final = "10s"
"""A migration that waits longer for a table's lock fails, instead of blocking everyone queued behind it."""

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


def read_migrations(folder: Path = SQL_FOLDER / "migrations") -> list[Migration]:
    """Read the files, in order. A statement ends with a semicolon at the end of a line; statements run one at
    a time, as a cluster requires."""
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        statements = (part.strip() for part in text.split(";\n"))
        migrations.append(
            Migration(
                number=int(path.name.partition("_")[0]),
                name=path.stem,
                checksum=hashlib.sha256(text.encode()).hexdigest(),
                statements=tuple(part for part in statements if part),
            )
        )
    return migrations


async def migrate(connection: Connection, migrations: list[Migration]) -> list[str]:
    """Apply the missing migrations and return their names. Several processes may do so at the same time, and
    the database may have migrations of newer code. If none is missing, nothing is written: a standby will do.

    Raises MigrationError when an applied file has changed since, or a statement fails; errors of a database
    that is away are raised as they are.
    """
    applied = []
    for migration in await _find_missing(connection, migrations):
        try:
            async with connection.transaction():
                await connection.execute("SET LOCAL statement_timeout = 0")
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)
                # After the advisory lock: it would limit that wait too.
                await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
                await connection.execute(_CREATE_LEDGER)
                if not await _find_missing(connection, [migration]):
                    continue
                for statement in migration.statements:
                    await connection.execute(statement)
                await connection.execute(
                    "INSERT INTO schema_migration (number, name, checksum) VALUES ($1, $2, $3)",
                    migration.number,
                    migration.name,
                    migration.checksum,
                )
        except asyncpg.PostgresError as error:
            if outages.passes(error):
                raise
            raise MigrationError(f"migration {migration.name}: {error}") from error
        applied.append(migration.name)
    return applied


async def count_missing(connection: Connection, migrations: list[Migration]) -> int:
    """How many of the migrations the database does not have yet."""
    ledger = await _read_ledger(connection)
    return sum(migration.number not in ledger for migration in migrations)


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
