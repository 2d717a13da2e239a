"""`heliscore version` and `doctor`: what the service runs on, and what is wrong with it."""

from __future__ import annotations

import os

import click

from heliscore import __version__
from heliscore.cli.database import database, run
from heliscore.domain.errors import StartError
from heliscore.postgres.binaries import find_binaries, read_version
from heliscore.settings import PREFIX, Settings, read_settings
from heliscore.store.cluster import distribution, nodes
from heliscore.store.connections import server_checks
from heliscore.store.connections.pool import Connection
from heliscore.store.connections.server_checks import Finding, Server
from heliscore.store.schema.migrations import count_missing, read_migrations


@click.command()
def version() -> None:
    """Print the version, and that of PostgreSQL."""
    click.echo(__version__)
    try:
        postgres = _find_version(read_settings(os.environ))
    except StartError as error:
        postgres = f"not known: {error}"
    click.echo(f"PostgreSQL {postgres}")


def _find_version(settings: Settings) -> str:
    if settings.database_url is not None:
        return run(settings.database_url, settings, server_checks.find_server).version
    return f"{read_version(settings.postgres_bin or find_binaries())} (embedded)"


@click.command(short_help="Look at the database and its settings, with advice.")
def doctor() -> None:
    """Look at the database: where it runs, its schema, and settings that matter, with advice."""

    async def look(connection: Connection) -> tuple[Server, int, list[Finding]]:
        server = await server_checks.find_server(connection)
        missing = await count_missing(connection, read_migrations())
        findings = await server_checks.check_server(connection, settings)
        if await distribution.count_shards(connection) is not None:
            findings += nodes.check(*await nodes.look(connection))
        return server, missing, findings

    settings = read_settings(os.environ)
    with database(settings, make=False) as dsn:
        server, missing, findings = run(dsn, settings, look)
    click.echo(f"Heliscore {__version__}")
    click.echo(f"PostgreSQL {server.version}, {_describe_place(server, settings)}")
    click.echo(f"schema: {_describe_schema(missing)}")
    for finding in findings:
        click.echo(f"{finding.setting}: {finding.value}" + (f"; {finding.advice}" if finding.advice else ""))
    if obstacle := _find_obstacle(server, missing):
        raise StartError(obstacle)
    click.echo("a service can start and serve" + (", but not write" if server.read_only else ""))


def _describe_place(server: Server, settings: Settings) -> str:
    if settings.database_url is None:
        return f"embedded, in {settings.data_dir}"
    place = "a socket" if server.host is None else f"{server.host}, port {server.port}"
    return f"database {server.database} at {place}"


def _describe_schema(missing: int) -> str:
    newest = read_migrations()[-1].name
    return f"up to date ({newest})" if missing == 0 else f"{missing} migrations are missing, up to {newest}"


def _find_obstacle(server: Server, missing: int) -> str | None:
    """Return why a service could not start or serve, None where it can."""
    if not missing:
        return None
    if server.read_only:
        return "the schema is not up to date, and the database is read-only"
    if not (server.may_create and server.owns_tables):
        return (
            f"the schema is not up to date, and the role {server.role} may not change it: "
            f"{PREFIX}DATABASE_URL needs the owner of the database"
        )
    return None
