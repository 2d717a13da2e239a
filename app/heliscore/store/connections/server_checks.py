"""Look at the server behind the database: its version, what the service may do there, and the settings that
decide whether it is durable and quick."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from heliscore.settings import PREFIX, Settings
from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("server")

_OTHER_CONNECTIONS: Final = 23
"""Those that a service opens besides its pool: for keys, scores, uploads, exports and what runs by itself."""

_BLOCKS: Final = 128
"""PostgreSQL counts its buffers in blocks; so many are a megabyte."""


class Server(msgspec.Struct, frozen=True):
    """A server and the database on it. `host` is None where it is reached by a socket."""

    version: str
    database: str
    role: str
    host: str | None
    port: int | None
    encoding: str
    read_only: bool
    may_create: bool
    owns_tables: bool
    allowed_connections: int


class Finding(msgspec.Struct, frozen=True):
    """A setting as the server has it, and what to change, None where it is good."""

    setting: str
    value: str
    advice: str | None


_SETTINGS: Final[dict[str, tuple[Callable[[str], bool], str]]] = {
    "fsync": (
        lambda value: value == "on",
        "set it to on, or a crash of the machine can damage the whole database",
    ),
    "full_page_writes": (
        lambda value: value == "on",
        "set it to on, or a crash of the machine can damage the whole database",
    ),
    "synchronous_commit": (
        lambda value: value != "off",
        "set it to on, or a crash can lose scores that were acknowledged",
    ),
    "autovacuum": (
        lambda value: value == "on",
        "set it to on, or the tables grow and queries are planned without statistics",
    ),
    "autovacuum_naptime": (
        lambda seconds: int(seconds) <= 15,
        "set it to 10s: in a minute, posts leave millions of dead rows behind",
    ),
    "random_page_cost": (
        lambda cost: float(cost) < 4,
        "set it to 1.1 on solid-state disks; 4 is for spinning ones",
    ),
    "shared_buffers": (
        lambda blocks: int(blocks) >= 128 * _BLOCKS,
        "set it to a quarter of the machine's memory, and to 128MB at least",
    ),
}
"""For each setting, whether a value (in the unit of pg_settings) is good, and the advice where it is not."""


async def find_server(connection: Connection) -> Server:
    """Describe the server of a connection."""
    return msgspec.convert(dict(await connection.fetchrow(_SQL["find"]) or ()), Server)


async def check_server(connection: Connection, settings: Settings) -> list[Finding]:
    """Check what matters to a service with these settings, in a fixed order."""
    server = await find_server(connection)
    rows = await connection.fetch(_SQL["list_settings"], list(_SETTINGS))
    values = {name: (value, shown) for name, value, shown in rows}
    findings = [check_setting(name, *values[name]) for name in _SETTINGS]
    return [*findings, _check_connections(server, settings), *_check_database(server)]


def check_setting(name: str, value: str, shown: str) -> Finding:
    """Check a setting, whose value is in the unit of pg_settings."""
    is_good, advice = _SETTINGS[name]
    return Finding(name, shown, None if is_good(value) else advice)


def _check_connections(server: Server, settings: Settings) -> Finding:
    needed = settings.pool_size + _OTHER_CONNECTIONS
    enough = server.allowed_connections >= needed
    advice = f"allow {needed} for each service, or lower {PREFIX}POOL_SIZE"
    return Finding("connections", str(server.allowed_connections), None if enough else advice)


def _check_database(server: Server) -> list[Finding]:
    utf8 = server.encoding == "UTF8"
    return [
        Finding("encoding", server.encoding, None if utf8 else "make the database with the encoding UTF8"),
        Finding(
            "role",
            server.role,
            None if server.owns_tables else "make it the owner of the tables: migrations and ANALYZE need it",
        ),
    ]
