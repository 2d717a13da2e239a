"""`heliscore serve`: opens port, database and server in this order, and closes them in reverse."""

from __future__ import annotations

import errno
import gc
import logging.config
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import click
import msgspec

from heliscore import __version__
from heliscore.cli.database import run_when_back
from heliscore.domain.errors import ServiceFailed, StartError
from heliscore.observability.log_lines import make_log_config
from heliscore.postgres.embedded import EmbeddedPostgres
from heliscore.postgres.watchdog import Watchdog
from heliscore.server.http_server import HttpServer
from heliscore.server.timeouts import Timeouts
from heliscore.settings import ONE_PROCESS, PREFIX, Settings, check_exposure, read_settings
from heliscore.store.connections import server_checks
from heliscore.store.connections.pool import Connection
from heliscore.store.schema import bootstrap

_log = logging.getLogger("heliscore")

_OPEN_FILES: Final = 65_536
"""A process serves fewer clients than that."""

_PORT_TIMEOUT_S: Final = 3
"""How long a port may be taken, for example by the service that this one replaces."""


def _check_workers(_: click.Context, __: click.Parameter, workers: int | None) -> None:
    if workers not in (None, 1):
        raise click.BadParameter(ONE_PROCESS)


@click.command(short_help="Serve the API and the pages until Ctrl-C or SIGTERM.")
@click.option("--host", help="Address to listen on.  [HELISCORE_HOST]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [HELISCORE_PORT]")
@click.option("--workers", type=int, callback=_check_workers, expose_value=False, hidden=True)
def serve(host: str | None, port: int | None) -> None:
    """Serve the API until Ctrl-C or SIGTERM; on an embedded PostgreSQL if no database is configured."""
    given = {"host": host, "port": port}
    settings = msgspec.structs.replace(
        read_settings(os.environ), **{name: value for name, value in given.items() if value is not None}
    )
    run_service(settings)


def run_service(settings: Settings, timeouts: Timeouts | None = None) -> None:
    """Run the service until it is stopped. Raises StartError if it cannot start, and ServiceFailed if it ends
    by itself."""
    check_exposure(settings)
    logging.config.dictConfig(make_log_config(settings.log_level))
    _raise_file_limit()
    # SIGTERM unwinds like Ctrl-C does, so that the embedded database is stopped on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _listening(settings) as listener, _own_database(settings) as dsn:
        settings = msgspec.structs.replace(settings, database_url=dsn)
        created_key, version = run_when_back(dsn, settings, lambda connection: _prepare(connection, settings))
        _announce(listener, settings, version, created_key)
        try:
            _serve(settings, listener, timeouts)
        except KeyboardInterrupt:
            sys.exit(0)


async def _prepare(connection: Connection, settings: Settings) -> tuple[str | None, str]:
    """Make the database ready, and return the key that was made for it, if any, and the server's version. Log
    each setting of the server that should be changed."""
    await bootstrap.check_session(settings)
    created_key = await bootstrap.prepare(connection, settings)
    for finding in await server_checks.check_server(connection, settings):
        if finding.advice:
            _log.warning("PostgreSQL's %s is %s: %s", finding.setting, finding.value, finding.advice)
    return created_key, (await server_checks.find_server(connection)).version


@contextmanager
def _own_database(settings: Settings) -> Iterator[str]:
    """Yield the address of the configured database, or of the embedded one, which is kept running until the
    block ends. Raises DataFolderInUse if another service owns the data folder."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    watchdog = Watchdog(EmbeddedPostgres(settings.data_dir, settings.postgres_bin))
    try:
        yield watchdog.start()
    finally:
        watchdog.stop()


def _raise_file_limit() -> None:
    """Allow as many open files, and so clients, as the machine permits. Where the limit cannot be raised
    (macOS does not accept some values), fewer clients are served at once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """Listen before anything else is started: a port in use is the most common mistake."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    deadline = time.monotonic() + _PORT_TIMEOUT_S
    while True:
        try:
            listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
            break
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise StartError(_explain(settings, error)) from None
        time.sleep(0.05)
    with listener:
        listener.set_inheritable(True)
        yield listener


def _explain(settings: Settings, error: OSError) -> str:
    reason, advice = error.strerror, ""
    if error.errno == errno.EADDRINUSE:
        reason = os.strerror(error.errno)  # Python's own text repeats the address
        advice = f"; another service runs there, or set {PREFIX}PORT or --port to another"
    return f"cannot listen on {settings.host}:{settings.port}: {reason}{advice}"


def _announce(listener: socket.socket, settings: Settings, postgres: str, created_key: str | None) -> None:
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    click.echo(
        f"Heliscore {__version__} on PostgreSQL {postgres} serves on {address}"
        f" (API reference: {address}/docs)"
    )
    if created_key:
        click.echo(f"API key, shown only once: {created_key}")
    elif settings.api_key:
        click.echo(f"API key: the one in {PREFIX}API_KEY")
    else:
        click.echo(f"API keys exist already; create another: {sys.argv[0]} keys create")
    click.echo(
        "Try it:\n"
        f"  curl {address}/v1/request/req_abc123def456/score"
        f" -H 'Authorization: Bearer {created_key or '<key>'}' -H 'Content-Type: application/json'"
        """ -d '{"scores": {"accuracy": 95, "has_citations": true}}'"""
    )


def _serve(settings: Settings, listener: socket.socket, timeouts: Timeouts | None) -> None:
    from heliscore.main import create_app  # here: its imports would double the time of other commands

    server = HttpServer(
        lambda stop_service: create_app(settings, stop_service),
        log_level=settings.log_level,
        log_config=make_log_config(settings.log_level),
        timeouts=timeouts,
    )
    # What was imported stays until the end: it need not be looked through at each collection, which took a
    # tenth of a post's processor time.
    gc.collect()
    gc.freeze()
    server.run(sockets=[listener])
    if not server.started:
        raise StartError("the service could not start; the lines above say why")
    if server.failed:
        raise ServiceFailed("the service ended because a part of it failed; the lines above say why")
