"""Open the service's connections with the session settings that every statement relies on."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias, cast

import asyncpg

from heliscore.settings import Settings
from heliscore.store.connections.carrying import find_cluster
from heliscore.store.connections.json_columns import JsonReader
from heliscore.store.connections.orphan_backends import WatchfulConnection, watch_client

Plans: TypeAlias = Literal["custom", "generic"]
"""Filters differ widely in how many rows they match, so each search is planned for its own values ("custom");
a statement whose plan is always the same is planned once ("generic")."""

_CONNECT_TIMEOUT_S: Final = 3


class ServiceConnection(WatchfulConnection):
    """A connection that counts the bytes of JSON that it reads."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.json = JsonReader()


def connect_arguments(settings: Settings, plans: Plans = "custom") -> dict[str, Any]:
    """Return how to connect: the arguments of asyncpg.connect(), which a pool takes too."""
    session = {
        "application_name": "heliscore",
        "timezone": "UTC",
        "statement_timeout": str(settings.statement_timeout_ms),
        "plan_cache_mode": f"force_{plans}_plan",
        # On a cluster asyncpg's look at an array type took 0.3 s without it. Elsewhere it means nothing.
        "citus.override_table_visibility": "off",
        # Half a minute without it, for a node that does not answer.
        "citus.node_connection_timeout": f"{_CONNECT_TIMEOUT_S}s",
    }
    return {
        "dsn": settings.database_url,
        "timeout": _CONNECT_TIMEOUT_S,
        # The server cancels a statement that takes too long; this is for a server that does not answer.
        "command_timeout": settings.statement_timeout_ms / 1000 + 1,
        # PgBouncer in transaction mode gives each transaction another connection: no prepared statement
        # survives, and session settings are refused.
        "statement_cache_size": 0 if settings.pgbouncer else 256,
        "server_settings": {} if settings.pgbouncer else session,
        "connection_class": ServiceConnection,
    }


async def begin_session(connection: asyncpg.Connection[asyncpg.Record], settings: Settings) -> None:
    """Prepare a new connection for the service's statements."""
    itself = cast("ServiceConnection", connection).itself()
    await itself.json.attach(connection)
    itself.carries = await find_cluster(connection)
    if not settings.pgbouncer:
        await watch_client(connection)


async def try_session(settings: Settings) -> None:
    """Open a connection as the service does, and close it. Raises what asyncpg raises."""
    connection = await asyncpg.connect(**connect_arguments(settings))
    try:
        await begin_session(connection, settings)
    finally:
        await connection.close(timeout=_CONNECT_TIMEOUT_S)
