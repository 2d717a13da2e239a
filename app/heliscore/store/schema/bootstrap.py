"""Prepare a database for the service: the schema, an organization, a key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from heliscore.domain.api_key import hash_key, mint_key
from heliscore.domain.audit import SERVICE
from heliscore.domain.errors import DatabaseAway, StartError
from heliscore.settings import PREFIX, Settings
from heliscore.store import keys, organizations
from heliscore.store.cluster import distribution
from heliscore.store.connections import outages
from heliscore.store.connections.carrying import CarryingConnection, find_cluster
from heliscore.store.connections.pool import Connection
from heliscore.store.connections.sessions import try_session
from heliscore.store.schema import migrations

_OLDEST_SERVER = 14
_CONNECT_TIMEOUT_S = 10
_CLOSE_TIMEOUT_S = 1

_FAILURES = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@asynccontextmanager
async def connected(
    dsn: str, *, pgbouncer: bool = False, even_unfinished: bool = False
) -> AsyncIterator[Connection]:
    """Lend one connection to a command. Raises DatabaseAway where it cannot be opened or breaks for a reason
    that may pass, and StartError as connect() does."""
    connection = await connect(dsn, pgbouncer=pgbouncer, even_unfinished=even_unfinished)
    try:
        yield connection
    except _FAILURES as error:
        if not outages.passes(error):
            raise
        raise DatabaseAway(f"the database is not available: {outages.explain(error)}") from None
    finally:
        with suppress(*_FAILURES):
            await connection.close(timeout=_CLOSE_TIMEOUT_S)


async def connect(dsn: str, *, pgbouncer: bool = False, even_unfinished: bool = False) -> CarryingConnection:
    """Open one connection for a command. Raises StartError, whose message does not contain the database's
    address, which holds a password; also where the tables are being distributed, unless `even_unfinished`."""
    try:
        connection = await asyncpg.connect(
            dsn,
            timeout=_CONNECT_TIMEOUT_S,
            statement_cache_size=0 if pgbouncer else 100,
            connection_class=CarryingConnection,
        )
        connection.carries = await find_cluster(connection, even_unfinished=even_unfinished)
    except ValueError:
        # asyncpg's message may contain a part of the password.
        raise StartError("cannot connect to the database: its address is malformed") from None
    except _FAILURES as error:
        raise _connect_error(error) from None
    if connection.get_server_version().major < _OLDEST_SERVER:
        await connection.close()
        raise StartError(f"the database server is too old: PostgreSQL {_OLDEST_SERVER} or later is needed")
    return connection


def _connect_error(error: BaseException) -> StartError:
    kind = DatabaseAway if outages.passes(error) else StartError
    return kind(f"cannot connect to the database: {outages.explain(error)}")


async def check_session(settings: Settings) -> None:
    """Open a connection as the service will, which asks for more than a command does. Raises DatabaseAway, or
    StartError with what to change."""
    try:
        await try_session(settings)
    except asyncpg.ProtocolViolationError as error:
        raise StartError(
            f"the database's pooler refuses how the service connects ({error}): for PgBouncer set "
            f"{PREFIX}PGBOUNCER=true"
        ) from None
    except _FAILURES as error:
        raise _connect_error(error) from None


async def migrate(connection: Connection) -> list[str]:
    """Bring the schema up to date, and return the names of the migrations applied."""
    applied = await migrations.migrate(connection, migrations.read_migrations())
    await distribution.keep_up(connection)
    return applied


async def prepare(connection: Connection, settings: Settings) -> str | None:
    """Make the schema, the default organization and the configured key. If no key is configured and none is
    usable, make one and return it. A database that has all of these is only read: it may be a standby."""
    await migrate(connection)
    organization_id = await organizations.find(connection, organizations.DEFAULT_ORGANIZATION)
    if organization_id is None:
        organization_id = await organizations.ensure(connection)
    if settings.api_key is not None:
        await _ensure_key(connection, organization_id, settings.api_key)
        return None
    if await keys.count_usable(connection, organization_id):
        return None
    key = mint_key()
    await keys.register(connection, organization_id, key, name="made at the first start", by=SERVICE)
    return key


async def _ensure_key(connection: Connection, organization_id: int, key: str) -> None:
    known = await keys.find(connection, hash_key(key))
    if known is None:
        try:
            await keys.register(connection, organization_id, key, name=f"{PREFIX}API_KEY", by=SERVICE)
            return
        except keys.KeyRejected:  # another service was quicker, or the key is not usable any more
            known = await keys.find(connection, hash_key(key))
    if known is None:
        raise StartError(f"{PREFIX}API_KEY was revoked or has expired; choose another")
    if known.organization_id != organization_id:
        raise StartError(f"{PREFIX}API_KEY belongs to another organization")
