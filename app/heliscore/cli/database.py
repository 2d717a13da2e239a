"""Connects a command to its database: the configured one, or the embedded one, run by a service or for it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import uvloop

from heliscore.domain.errors import DatabaseAway, DataFolderInUse, StartError
from heliscore.postgres.embedded import EmbeddedPostgres
from heliscore.settings import Settings, read_settings
from heliscore.store.connections.pool import Connection
from heliscore.store.schema import bootstrap

T = TypeVar("T")

_log = logging.getLogger("heliscore")

_PAUSE_S: Final = 0.5
"""Between two attempts to reach a database that is away."""


def with_schema(work: Callable[[Connection], Awaitable[T]]) -> T:
    """Run `work` on a connection to the database of the settings, after migrating it."""
    settings = read_settings(os.environ)

    async def migrated(connection: Connection) -> T:
        await bootstrap.migrate(connection)
        return await work(connection)

    with database(settings) as dsn:
        return run(dsn, settings, migrated)


def run(dsn: str, settings: Settings, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Run `work` on a new connection."""

    async def connected() -> T:
        async with bootstrap.connected(dsn, pgbouncer=settings.pgbouncer) as connection:
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
def database(settings: Settings) -> Iterator[str]:
    """Yield the address of the configured database, or of the embedded one, which runs until the block ends.
    If a service owns the data folder, yield the address of its database."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    embedded = EmbeddedPostgres(settings.data_dir)
    try:
        dsn = embedded.start()
    except DataFolderInUse:
        yield embedded.owners_dsn()
        return
    try:
        yield dsn
    finally:
        embedded.stop()
