"""`heliscore migrate`, `backup` and `prune`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click
import msgspec
import uvloop

from heliscore.cli.database import database, run
from heliscore.domain.errors import BackupError, StartError
from heliscore.postgres import backup as backups
from heliscore.settings import PREFIX, Settings, read_settings
from heliscore.store import retention
from heliscore.store.connections.pool import open_database
from heliscore.store.schema import bootstrap


@click.command()
def migrate() -> None:
    """Bring the database schema up to date."""
    settings = read_settings(os.environ)
    with database(settings) as dsn:
        for name in run(dsn, settings, bootstrap.migrate):
            click.echo(f"applied {name}")
    click.echo("the schema is up to date")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def backup(file: Path, force: bool) -> None:
    """Write all data to FILE; services keep running meanwhile."""
    settings = settings_without_pgbouncer()
    with database(settings, make=False) as dsn:
        schema = run(dsn, settings, backups.find_schema)
        if schema is None:
            raise BackupError("there is nothing to back up in the database")
        size = backups.write_backup(
            dsn, schema, file, show_progress, overwrite=force, chosen=settings.postgres_bin
        )
    click.echo(f"wrote {size:,} bytes to {file}")


def settings_without_pgbouncer() -> Settings:
    """Read the settings for programs that need a session of their own; SIGTERM then unwinds normally, too."""
    settings = read_settings(os.environ)
    if settings.pgbouncer:
        raise BackupError(f"{PREFIX}DATABASE_URL must lead to the server itself, not to a PgBouncer")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return settings


def show_progress(size: int) -> None:
    """Show a person how many bytes have been written or read."""
    if sys.stderr.isatty():
        click.echo(f"\r{size / 1e6:.1f} MB so far \r", nl=False, err=True)


@click.command(short_help="Delete requests that are older than some days.")
@click.option("--days", type=click.IntRange(1, 36_500), help="The highest age of requests to keep.")
@click.option(
    "--history-days",
    type=click.IntRange(1, 36_500),
    help="How long ago a score may have been replaced for the old value to be kept.",
)
def prune(days: int | None, history_days: int | None) -> None:
    """Delete requests that were created more than that many days ago, with their scores, and old values of
    scores that were replaced longer ago than the history is kept."""
    if days is None and history_days is None:
        raise click.UsageError("Missing option '--days' or '--history-days'.")

    async def work(settings: Settings) -> bool:
        finished = True
        opened = await open_database(settings)
        try:
            if days is not None:
                deleted, finished = await retention.prune(opened, retention.days_ago(days), _show_deleted)
                click.echo(f"deleted {deleted}")
            if history_days is not None:
                changes, at_end = await retention.prune_history(opened, retention.days_ago(history_days))
                click.echo(f"deleted {changes} changes of scores")
                finished = finished and at_end
        finally:
            await opened.close()
        return finished

    settings = read_settings(os.environ)
    with database(settings, make=False) as dsn:
        run(dsn, settings, bootstrap.migrate)
        finished = uvloop.run(work(msgspec.structs.replace(settings, database_url=dsn)))
    if not finished:
        raise StartError("another process is pruning and deletes the rest")


def _show_deleted(deleted: retention.Deleted) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{deleted} so far \r", nl=False, err=True)
