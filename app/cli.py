"""The command line: serve, migrate, keys. Errors are one line on stderr and exit status 1."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, NoReturn, TypeVar

import click
import msgspec
import uvicorn
from uvicorn.supervisors import Multiprocess

from app import __version__
from app.errors import DataFolderInUse, HeliscoreError, StartError
from app.keys import Permissions, mint_key
from app.protocol import Protocol
from app.settings import PREFIX, Settings, read_settings
from app.store import installation, keys
from app.store.embedded import EmbeddedPostgres
from app.store.pool import Connection

T = TypeVar("T")

_DRAIN_S: Final = 8
"""How long calls under way may take to finish when the service is told to stop."""


def main() -> NoReturn:
    """Run the command line."""
    try:
        _commands.main(standalone_mode=False)
    except HeliscoreError as error:
        _fail(str(error))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(1)
    except click.ClickException as error:
        _fail(error.format_message())
    except click.Abort:
        sys.exit(130)
    sys.exit(0)


def _fail(message: str) -> NoReturn:
    line = " ".join(message.split()).encode(errors="backslashreplace").decode()
    click.echo(f"heliscore: {line}", err=True)
    sys.exit(1)


@click.group(name="heliscore", context_settings={"help_option_names": ["-h", "--help"]})
def _commands() -> None:
    """The place where the scores of LLM requests live.

    Settings come from HELISCORE_* variables of the environment; the README lists them.
    """


@_commands.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)


@_commands.command()
@click.option("--host", help="Address to listen on.  [HELISCORE_HOST]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [HELISCORE_PORT]")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes that serve.  [HELISCORE_WORKERS]")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve the API until Ctrl-C or SIGTERM, with a database of its own where none is configured."""
    given = {"host": host, "port": port, "workers": workers}
    settings = msgspec.structs.replace(
        read_settings(os.environ), **{name: value for name, value in given.items() if value is not None}
    )
    # SIGTERM unwinds like Ctrl-C does, so that the embedded database is stopped on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _listening(settings) as listener, _database(settings, exclusive=True) as dsn:
        made = _run(dsn, settings, lambda connection: installation.prepare(connection, settings))
        _announce(listener, made)
        # Workers are processes that read their settings anew.
        os.environ[f"{PREFIX}DATABASE_URL"] = dsn
        try:
            _serve(settings, listener)
        except KeyboardInterrupt:
            sys.exit(0)


@_commands.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    settings = read_settings(os.environ)
    with _database(settings) as dsn:
        for name in _run(dsn, settings, installation.migrate):
            click.echo(f"applied {name}")
    click.echo("the schema is up to date")


@_commands.group(name="keys")
def _keys() -> None:
    """Make, register, list and revoke API keys."""


def _text(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        raise click.BadParameter("expected UTF-8") from None
    return text


_organization = click.option(
    "--organization",
    callback=_text,
    default=keys.DEFAULT_ORGANIZATION,
    show_default=True,
    help="Made if there is none.",
)
_name = click.option("--name", default="", callback=_text, help="What the key is for.")
_permissions = click.option(
    "--permissions",
    type=click.Choice(("rw", "r", "w")),
    default="rw",
    show_default=True,
    help="r reads and queries, w writes.",
)


def _future(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter("expected an ISO 8601 date or date-time") from None
    if time <= datetime.now(UTC):
        raise click.BadParameter("expected a time in the future")
    return time


_expires = click.option("--expires", callback=_future, metavar="TIME", help="ISO 8601; UTC without a zone.")


@_keys.command()
@_organization
@_name
@_permissions
@_expires
def create(organization: str, name: str, permissions: Permissions, expires: datetime | None) -> None:
    """Make a new key and print it; it is shown this once."""
    key = mint_key()
    _register(key, organization, name, permissions, expires)
    click.echo(key)


@_keys.command()
@click.argument("key", required=False, callback=_text)
@_organization
@_name
@_permissions
@_expires
def register(
    key: str | None, organization: str, name: str, permissions: Permissions, expires: datetime | None
) -> None:
    """Make an existing KEY valid here too; without KEY it is asked for, unseen."""
    id_ = _register(key or click.prompt("Key", hide_input=True), organization, name, permissions, expires)
    click.echo(f"registered as key {id_} of organization {organization}")


def _register(
    key: str, organization: str, name: str, permissions: Permissions, expires: datetime | None
) -> int:
    async def work(connection: Connection) -> int:
        id_ = await keys.ensure_organization(connection, organization)
        return await keys.register(
            connection, id_, key, name=name, permissions=permissions, expires_at=expires
        )

    return _with_schema(work)


@_keys.command(name="list")
@click.option("--organization", callback=_text, help="Only this one's.")
def list_(organization: str | None) -> None:
    """List the keys, without the keys themselves."""
    for key in _with_schema(lambda connection: keys.list_keys(connection, organization)):
        if key.revoked_at:
            state = f"revoked {key.revoked_at:%Y-%m-%d}"
        elif key.expires_at:
            state = f"expires {key.expires_at:%Y-%m-%d %H:%M}"
        else:
            state = "valid"
        click.echo("\t".join((str(key.id), key.organization, key.hint, key.permissions, state, key.name)))


@_keys.command()
@click.argument("id_", metavar="ID", type=click.IntRange(1, 2**31 - 1))
def revoke(id_: int) -> None:
    """Stop the key with that ID (see list); services stop taking it within 5 seconds."""
    if not _with_schema(lambda connection: keys.revoke(connection, id_)):
        raise StartError(f"there is no key {id_}")
    click.echo(f"revoked key {id_}")


def _with_schema(work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do a piece of work on an up-to-date database, the running service's or one started for it."""
    settings = read_settings(os.environ)

    async def migrated(connection: Connection) -> T:
        await installation.migrate(connection)
        return await work(connection)

    with _database(settings) as dsn:
        return _run(dsn, settings, migrated)


def _run(dsn: str, settings: Settings, work: Callable[[Connection], Awaitable[T]]) -> T:
    async def connected() -> T:
        connection = await installation.connect(dsn, pgbouncer=settings.pgbouncer)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(connected())


@contextmanager
def _database(settings: Settings, *, exclusive: bool = False) -> Iterator[str]:
    """The address of the database: the configured one, or the embedded one for as long as it is needed. Not
    exclusive: if a service owns the data folder, its database serves us too."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    embedded = EmbeddedPostgres(settings.data_dir)
    try:
        dsn = embedded.start()
    except DataFolderInUse:
        if exclusive:
            raise
        yield embedded.owners_dsn()
        return
    try:
        yield dsn
    finally:
        embedded.stop()


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """Listen before anything else is started: a port that is taken is the commonest mistake."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise StartError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from None
    with listener:
        listener.set_inheritable(True)
        yield listener


def _announce(listener: socket.socket, made_key: str | None) -> None:
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    click.echo(f"Heliscore {__version__} serves on {address} (API reference: {address}/docs)")
    if made_key:
        click.echo(f"API key, shown this once: {made_key}")
    else:
        click.echo(f"API keys are there already; make another: {sys.argv[0]} keys create")
    click.echo(
        "Try it:\n"
        f"  curl {address}/v1/request/req_abc123def456/score"
        f" -H 'Authorization: Bearer {made_key or '<key>'}' -H 'Content-Type: application/json'"
        """ -d '{"scores": {"accuracy": 95, "has_citations": true}}'"""
    )


def _serve(settings: Settings, listener: socket.socket) -> None:
    config = uvicorn.Config(
        "app.main:app_from_environment",
        factory=True,
        workers=settings.workers,
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="on",
        log_level=settings.log_level,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_DRAIN_S,
    )
    server = uvicorn.Server(config)
    if settings.workers == 1:
        server.run(sockets=[listener])
    else:
        Multiprocess(config, sockets=[listener]).run()
    if not server.started and settings.workers == 1:
        raise StartError("the service could not start; the lines above say why")
