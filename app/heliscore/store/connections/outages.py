"""Tell a database that is away for the moment, or cannot write, from one that is configured wrongly."""

from __future__ import annotations

import ssl
from typing import Final

import asyncpg

from heliscore.store.connections.lost_nodes import is_lost_node
from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("connection")

_AWAY: Final = (
    OSError,  # no server listens, its name is not known yet, or the network is down; TimeoutError too
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,  # asyncpg found its connection broken
    asyncpg.InternalClientError,  # or its server shutting down
    asyncpg.InsufficientResourcesError,  # no connection left, disk full, out of memory
    asyncpg.OperatorInterventionError,  # starting up, shutting down, session terminated
    asyncpg.ObjectNotInPrerequisiteStateError,  # closed to connections
    asyncpg.ReadOnlySQLTransactionError,  # a standby that takes over soon, or a server set read-only
)

_LASTING: Final = (
    ValueError,  # asyncpg cannot read the address
    ssl.SSLError,
    PermissionError,
    asyncpg.ProtocolViolationError,  # no PostgreSQL, or a pooler that does not take our parameters
    asyncpg.DatabaseDroppedError,
    asyncpg.LockNotAvailableError,
)
"""Errors of the kinds above that do not pass by themselves."""


async def find_obstacle(connection: Connection) -> str | None:
    """Return why transactions of a session cannot write, None where they can. Writes nothing."""
    obstacle: str | None = await connection.fetchval(_SQL["find_obstacle"])
    return obstacle


def passes(error: BaseException) -> bool:
    """Whether the same call may succeed later, without a change of the configuration."""
    return is_lost_node(error) or (isinstance(error, _AWAY) and not isinstance(error, _LASTING))


def explain(error: BaseException) -> str:
    """Return the reason of an error. Where a connection broke, asyncpg cannot end its transaction either, and
    says only that: the error before it is the reason."""
    while isinstance(error, asyncpg.InterfaceError) and isinstance(error.__context__, _AWAY):
        error = error.__context__
    return str(error) or type(error).__name__
