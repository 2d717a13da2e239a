"""A database for each rival on one server, all with our migrations and one key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar
from urllib.parse import parse_qs, urlsplit

import asyncpg
from heliscore.settings import Settings
from heliscore.store.connections.pool import Connection
from heliscore.store.schema import bootstrap

T = TypeVar("T")

KEY: Final = "sk-helicone-benchma-benchma-benchma-benchma"
ORGANIZATION_ID: Final = 1


def create(server: str, name: str) -> str:
    """Make a database that is ready to serve, and return its address."""
    dsn = urlsplit(server)._replace(path=f"/{name}").geturl()

    async def prepare(connection: Connection) -> None:
        await bootstrap.prepare(connection, Settings(api_key=KEY))
        found = await connection.fetchval("SELECT organization_id FROM api_key")
        assert found == ORGANIZATION_ID

    connected(server, lambda connection: connection.execute(f"CREATE DATABASE {name}"))
    connected(dsn, prepare)
    return dsn


def drop(server: str, name: str) -> None:
    """Remove a database; what is still connected is cut off."""
    connected(server, lambda connection: connection.execute(f"DROP DATABASE {name} WITH (FORCE)"))


def connected(dsn: str, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do a piece of work over a connection of its own."""

    async def run() -> T:
        connection = await asyncpg.connect(dsn)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


def checkpoint(server: str) -> None:
    """Make a checkpoint: after it each page is logged whole once, and each rival shall pay that alike."""
    connected(server, lambda connection: connection.execute("CHECKPOINT"))


def client_flags(dsn: str) -> list[str]:
    """The flags with which PostgreSQL's own programs find the same database."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    flags = ["--host", query["host"][0], "--port", query["port"][0]]
    return [*flags, "--username", parts.username or "postgres", parts.path.removeprefix("/")]
