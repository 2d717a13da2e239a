"""`heliscore restore`: what a backup holds, in the place of what the database holds."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from heliscore.cli.database import database, run
from heliscore.cli.distribute_command import distribute_alone
from heliscore.cli.maintenance import settings_without_pgbouncer, show_progress
from heliscore.domain.audit import COMMAND
from heliscore.domain.errors import BackupError
from heliscore.postgres import backup as backups
from heliscore.store import audit_entries
from heliscore.store.cluster import bonds, distribution
from heliscore.store.connections.pool import Connection
from heliscore.store.schema import bootstrap, migrations


class _Found(msgspec.Struct, frozen=True):
    """What there is before a restore. `shards`: of each table; None where they are not distributed."""

    existing: bool
    data: list[str]
    shards: int | None


@click.command(short_help="Restore the backup in FILE, all of it or nothing.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Replace data that the database holds; it is lost.")
def restore(file: Path, replace: bool) -> None:
    """Restore the backup in FILE, all of it or nothing; running services continue with its data. A cluster
    stays one: its tables are distributed again."""
    settings = settings_without_pgbouncer()
    backups.check_backup(file, settings.postgres_bin)
    with database(settings) as dsn:
        found = run(dsn, settings, _look)
        if found.data and not replace:
            raise BackupError(
                f"the database holds data ({', '.join(found.data)}); --replace replaces all of it"
            )
        backups.restore_backup(
            dsn,
            file,
            show_progress,
            existing=found.existing,
            replace=replace,
            is_cluster=found.shards is not None,
            chosen=settings.postgres_bin,
        )

        async def finish(connection: Connection) -> list[str]:
            applied = await _finish(dsn, connection, found.shards)
            await audit_entries.note(connection, None, COMMAND, "database.restored")
            await backups.analyze(connection)
            return applied

        for name in run(dsn, settings, finish, even_unfinished=True):
            click.echo(f"applied {name}")
    click.echo(f"restored {file}")


async def _look(connection: Connection) -> _Found:
    schema = await backups.find_schema(connection)
    shards = await distribution.count_shards(connection)
    if shards is not None:
        await distribution.check(connection)
    return _Found(schema is not None, await backups.find_data(connection), shards)


async def _finish(dsn: str, connection: Connection, shards: int | None) -> list[str]:
    """Bring the restored tables up to date, and make of them what the database was: a cluster or not."""
    if shards is None:
        applied = await bootstrap.migrate(connection)
        await bonds.mend_restored(connection, backups.find_tables())
        return applied
    async with migrations.turn_of_session(connection, waits=False):
        applied = await migrations.migrate(connection, migrations.read_migrations())
        await distribute_alone(dsn, connection, shards)
    return applied
