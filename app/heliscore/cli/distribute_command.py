"""`heliscore distribute`: makes a cluster of a database on a coordinator of Citus."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg
import click
import uvloop

from heliscore.domain.audit import COMMAND
from heliscore.domain.errors import StartError
from heliscore.settings import PREFIX, read_settings
from heliscore.store import audit_entries
from heliscore.store.cluster import distribution, nodes
from heliscore.store.connections import outages
from heliscore.store.connections.pool import Connection
from heliscore.store.schema import bootstrap, migrations
from heliscore.store.schema.table_locks import describe_holder

_PROGRESS_S: Final = 1.0


@click.command(short_help="Distribute the tables over the nodes of a cluster.")
@click.option(
    "--shards",
    type=click.IntRange(1, 1024),
    show_default="4 a node",
    help="Into how many pieces: a cluster can have as many nodes.",
)
def distribute(shards: int | None) -> None:
    """Distribute the tables over the nodes of a Citus cluster, an organization to one. The database may be
    empty or filled. Services answer 503 meanwhile; interrupted, the command goes on where it was."""
    settings = read_settings(os.environ)
    if settings.database_url is None or settings.pgbouncer:
        raise StartError(f"{PREFIX}DATABASE_URL must be the address of the coordinator itself")
    uvloop.run(_distribute(settings.database_url, shards))


async def _distribute(dsn: str, shards: int | None) -> None:
    async with bootstrap.connected(dsn, even_unfinished=True) as connection:
        coordinator, others = await distribution.check(connection)
        for finding in nodes.check(coordinator, others):
            if finding.advice:
                click.echo(f"warning: {finding.setting} is {finding.value}: {finding.advice}", err=True)
        async with migrations.turn_of_session(connection, waits=False):
            await migrations.migrate(connection, migrations.read_migrations())
            if await distribution.is_complete(connection):
                await distribution.keep_up(connection)
                number = await distribution.count_shards(connection)
                click.echo(f"the tables are distributed already, each in {number} shards")
                return
            click.echo(f"{len(others)} nodes: " + ", ".join(node.address for node in others))
            takers = coordinator.takes_shards + sum(node.takes_shards for node in others)
            await distribute_alone(dsn, connection, shards or distribution.SHARDS_A_NODE * takers)
            await audit_entries.note(connection, None, COMMAND, "database.distributed")
    click.echo("the tables are distributed")


async def distribute_alone(dsn: str, connection: Connection, shards: int) -> None:
    """Distribute the tables while no service works, and say how far it is. Raises StartError where another
    session keeps a table locked."""
    async with bootstrap.connected(dsn, even_unfinished=True) as guard, _showing_progress(dsn):
        try:
            async with guard.transaction():
                await distribution.shut_out(guard)
                await distribution.distribute(connection, click.echo, shards)
        except asyncpg.LockNotAvailableError:
            holder = await describe_holder(guard)
            raise StartError(f"a table is locked by {holder}: run heliscore distribute again later") from None
        except asyncpg.PostgresError as error:
            if outages.passes(error):
                raise
            raise StartError(f"{error}; heliscore distribute goes on from there") from error


@asynccontextmanager
async def _showing_progress(dsn: str) -> AsyncIterator[None]:
    """Show a person how many rows of a table have been copied."""
    if not sys.stderr.isatty():
        yield
        return
    task = asyncio.create_task(_show_progress(dsn))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _show_progress(dsn: str) -> None:
    with suppress(StartError, asyncpg.PostgresError):  # it is for show only
        async with bootstrap.connected(dsn, even_unfinished=True) as connection:
            while True:
                await asyncio.sleep(_PROGRESS_S)
                if copied := await distribution.count_copied(connection):
                    click.echo(f"\r{copied:,} rows so far \r", nl=False, err=True)
