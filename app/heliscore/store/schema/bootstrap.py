"""Prepare a database for the service: the schema, an organization, a key."""

from __future__ import annotations

import asyncpg

from heliscore.domain.api_key import hash_key, mint_key
from heliscore.domain.errors import StartError
from heliscore.settings import PREFIX, Settings
from heliscore.store import keys, organizations
from heliscore.store.connections.pool import Connection
from heliscore.store.schema import migrations

_OLDEST_SERVER = 14
_CONNECT_TIMEOUT_S = 10


async def connect(dsn: str, *, pgbouncer: bool = False) -> Connection:
    """Open one connection for a command. Raises StartError, whose message does not contain the database's
    address, which holds a password."""
    try:
        connection = await asyncpg.connect(
            dsn, timeout=_CONNECT_TIMEOUT_S, statement_cache_size=0 if pgbouncer else 100
        )
    except ValueError:
        # asyncpg's message may contain a part of the password.
        raise StartError("cannot connect to the database: its address is malformed") from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StartError(f"cannot connect to the database: {error or type(error).__name__}") from None
    if connection.get_server_version().major < _OLDEST_SERVER:
        await connection.close()
        raise StartError(f"the database server is too old: PostgreSQL {_OLDEST_SERVER} or later is needed")
    return connection


async def migrate(connection: Connection) -> list[str]:
    """Bring the schema up to date, and return the names of the migrations applied."""
    return await migrations.migrate(connection, migrations.read_migrations())


async def prepare(connection: Connection, settings: Settings) -> str | None:
    """Make the schema, the default organization and the configured key. If no key is configured and none is
    usable, make one and return it."""
    await migrate(connection)
    organization_id = await organizations.ensure(connection)
    if settings.api_key is not None:
        await _ensure_key(connection, organization_id, settings.api_key)
        return None
    if await keys.count_usable(connection, organization_id):
        return None
    key = mint_key()
    await keys.register(connection, organization_id, key, name="made at the first start")
    return key


async def _ensure_key(connection: Connection, organization_id: int, key: str) -> None:
    try:
        await keys.register(connection, organization_id, key, name=f"{PREFIX}API_KEY")
    except keys.KeyRejected:
        known = await keys.find(connection, hash_key(key))
        if known is None:
            raise StartError(f"{PREFIX}API_KEY was revoked or has expired; choose another") from None
        if known.organization_id != organization_id:
            raise StartError(f"{PREFIX}API_KEY belongs to another organization") from None
