"""The database that a command works on, for as long as it does."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import uvloop

from heliscore.domain.errors import DataFolderInUse
from heliscore.postgres.embedded import EmbeddedPostgres
from heliscore.settings import Settings, read_settings
from heliscore.store.connections.pool import Connection
from heliscore.store.schema import bootstrap

T = TypeVar("T")


def with_schema(work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do a piece of work on an up-to-date database, the running service's or one started for it."""
    settings = read_settings(os.environ)

    async def migrated(connection: Connection) -> T:
        await bootstrap.migrate(connection)
        return await work(connection)

    with database(settings) as dsn:
        return run(dsn, settings, migrated)


def run(dsn: str, settings: Settings, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do a piece of work on a connection of its own."""

    async def connected() -> T:
        connection = await bootstrap.connect(dsn, pgbouncer=settings.pgbouncer)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return uvloop.run(connected())


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The address of the database: the configured one, or the embedded one for as long as it is needed. If a
    service owns the data folder, its database serves us too."""
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
