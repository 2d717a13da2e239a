"""Bring a database's schema up to date: numbered files, forward only, each in its own transaction."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

from heliscore.domain.errors import MigrationError
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
    the database may have migrations of newer code.

    Raises MigrationError when an applied file has changed since, or a statement fails.
    """
    applied = []
    for migration in migrations:
        try:
            async with connection.transaction():
                await connection.execute("SET LOCAL statement_timeout = 0")
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)
                # After the advisory lock: it would limit that wait too.
                await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
                await connection.execute(_CREATE_LEDGER)
                if await _is_applied(connection, migration):
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
            raise MigrationError(f"migration {migration.name}: {error}") from error
        applied.append(migration.name)
    return applied


async def _is_applied(connection: Connection, migration: Migration) -> bool:
    checksum = await connection.fetchval(
        "SELECT checksum FROM schema_migration WHERE number = $1", migration.number
    )
    if checksum not in (None, migration.checksum):
        raise MigrationError(
            f"migration {migration.name} was applied to this database with another text; "
            "a changed schema needs a new file"
        )
    return checksum is not None


async def count_missing(connection: Connection, migrations: list[Migration]) -> int:
    """How many of the migrations the database does not have yet."""
    if await connection.fetchval("SELECT to_regclass('schema_migration') IS NULL"):
        return len(migrations)
    known = await connection.fetchval(
        "SELECT count(*) FROM schema_migration WHERE number = ANY($1::integer[])",
        [migration.number for migration in migrations],
    )
    return len(migrations) - int(known)
