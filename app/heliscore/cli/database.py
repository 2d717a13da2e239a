"""Connects a command to its database: the configured one, or the embedded one, run by a service or for it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from typing import Final, TypeVar

import click
import uvloop

from heliscore.domain.errors import DatabaseAway, DataFolderInUse, StartError
from heliscore.postgres.embedded import EmbeddedPostgres
from heliscore.settings import PREFIX, Settings, read_settings
from heliscore.store import organizations
from heliscore.store.connections.pool import Connection, Database, open_database
from heliscore.store.schema import bootstrap

T = TypeVar("T")

_log = logging.getLogger("heliscore")

_PAUSE_S: Final = 0.5
"""Between two attempts to reach a database that is away."""


def with_schema(work: Callable[[Connection], Awaitable[T]], *, make: bool = True) -> T:
    """Run `work` on a connection to the database of the settings, migrated first; `make`: see database()."""
    settings = read_settings(os.environ)

    async def migrated(connection: Connection) -> T:
        await bootstrap.migrate(connection)
        return await work(connection)

    with database(settings, make=make) as dsn:
        return run(dsn, settings, migrated)


def run(
    dsn: str, settings: Settings, work: Callable[[Connection], Awaitable[T]], *, even_unfinished: bool = False
) -> T:
    """Run `work` on a new connection; `even_unfinished`: see bootstrap.connect()."""

    async def connected() -> T:
        async with bootstrap.connected(
            dsn, pgbouncer=settings.pgbouncer, even_unfinished=even_unfinished
        ) as connection:
            return await work(connection)

    return uvloop.run(connected())


def run_when_back(dsn: str, settings: Settings, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Run `work` as run() does, again from its beginning whenever the database was away, until the start
    timeout is over. The log says when the waiting begins, with the reason, and when it ends."""
    deadline = time.monotonic() + settings.start_timeout_s
    waiting = False
    while True:
        try:
            done = run(dsn, settings, work)
        except DatabaseAway as error:
            if time.monotonic() >= deadline:
                waited = f" (after waiting {settings.start_timeout_s} s for it)" if waiting else ""
                raise StartError(f"{error}{waited}") from None
            if not waiting:
                _log.warning("%s; waiting up to %d s for it", error, settings.start_timeout_s)
            waiting = True
        else:
            if waiting:
                _log.warning("the database is available, going on")
            return done
        time.sleep(_PAUSE_S)


@contextmanager
def database(settings: Settings, *, make: bool = True) -> Iterator[str]:
    """Yield the address of the configured database, or of the embedded one, which runs until the block ends.
    If a service owns the data folder, yield the address of its database; if none does, say which folder is
    used: the services may use another.

    `make` false is for commands that work with what is there already: where there is no database they make
    none. Raises StartError then.
    """
    if settings.database_url is not None:
        yield settings.database_url
        return
    embedded = EmbeddedPostgres(settings.data_dir, settings.postgres_bin)
    found = embedded.has_data
    if not found and not make:
        raise StartError(
            f"there is no database in {settings.data_dir}: {PREFIX}DATA_DIR must be the folder of the "
            f"service, or {PREFIX}DATABASE_URL the address of its database"
        )
    try:
        dsn = embedded.start()
    except DataFolderInUse:
        yield embedded.owners_dsn()
        return
    does = "uses the database" if found else "makes a new database"
    _say(f"no service runs on {settings.data_dir} ({PREFIX}DATA_DIR): this command {does} there")
    try:
        yield dsn
    finally:
        embedded.stop()


@asynccontextmanager
async def opened_for(settings: Settings, organization: str) -> AsyncIterator[tuple[Database, int]]:
    """Connections for long work on an organization, and its id. Raises StartError where there is none of the
    name."""
    opened = await open_database(settings)
    try:
        async with opened.connection() as connection:
            id_ = await organizations.find(connection, organization)
        if id_ is None:
            raise StartError(f"there is no organization {organization}")
        yield opened, id_
    finally:
        await opened.close()


@cache
def _say(line: str) -> None:
    """Print a line on stderr; once, however often a command connects."""
    click.echo(line, err=True)
