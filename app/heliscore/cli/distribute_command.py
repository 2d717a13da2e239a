"""`heliscore distribute`: makes a cluster of a database on a coordinator of Citus."""

from __future__ import annotations

import os

import click
import uvloop

from heliscore.domain.audit import COMMAND
from heliscore.domain.errors import StartError
from heliscore.settings import PREFIX, read_settings
from heliscore.store import audit_entries
from heliscore.store.cluster import distribution
from heliscore.store.schema import bootstrap, migrations


@click.command(short_help="Distribute the tables over the nodes of a cluster.")
@click.option(
    "--shards",
    type=click.IntRange(1, 1024),
    default=distribution.SHARDS,
    show_default=True,
    help="Into how many pieces, at most one a node: it cannot be changed later.",
)
def distribute(shards: int) -> None:
    """Distribute the tables over the nodes of a Citus cluster, an organization to one. The database may be
    empty or filled. Services answer 503 meanwhile; interrupted, the command goes on where it was."""
    settings = read_settings(os.environ)
    if settings.database_url is None or settings.pgbouncer:
        raise StartError(f"{PREFIX}DATABASE_URL must be the address of the coordinator itself")
    uvloop.run(_distribute(settings.database_url, shards))


async def _distribute(dsn: str, shards: int) -> None:
    async with (
        bootstrap.connected(dsn, even_unfinished=True) as connection,
        bootstrap.connected(dsn, even_unfinished=True) as guard,
    ):
        nodes = await distribution.check(connection)
        await migrations.migrate(connection, migrations.read_migrations())
        click.echo(f"{len(nodes)} nodes: " + ", ".join(f"{node.name}:{node.port}" for node in nodes))
        async with guard.transaction():
            await distribution.shut_out(guard)
            await distribution.distribute(connection, click.echo, shards)
        await audit_entries.note(connection, None, COMMAND, "database.distributed")
    click.echo("the tables are distributed")
