"""Connects a command to its database: the configured one, or the embedded one, run by a service or for it."""

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
        connection = await bootstrap.connect(dsn, pgbouncer=settings.pgbouncer)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return uvloop.run(connected())


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Yield the address of the configured database, or of the embedded one, which runs until the block ends.
    If a service owns the data folder, yield the address of its database."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    embedded = EmbeddedPostgres(settings.data_dir, settings.postgres_bin)
    try:
        dsn = embedded.start()
    except DataFolderInUse:
        yield embedded.owners_dsn()
        return
    try:
        yield dsn
    finally:
        embedded.stop()
