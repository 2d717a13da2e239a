"""Statements that outlive their connection.

When a connection breaks or is given up while a statement is under way, the server may not notice, and carry
it out later: after a newer one, perhaps, that came by another connection and was acknowledged. So the server
is told to watch its clients, and its process that was left alone is ended before anything else is written
and, wherever the server can be reached, before the caller hears that the statement failed.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

import asyncpg

from heliscore.domain.errors import Unavailable
from heliscore.store.statements import load

if TYPE_CHECKING:
    Base = asyncpg.Connection[asyncpg.Record]
else:
    Base = asyncpg.Connection

_SQL = load("connection")

_TCP_OPTIONS: Final = {
    "TCP_KEEPIDLE": 2,  # seconds; the same is called TCP_KEEPALIVE on macOS
    "TCP_KEEPALIVE": 2,
    "TCP_KEEPINTVL": 1,
    "TCP_KEEPCNT": 2,
    "TCP_USER_TIMEOUT": 3000,  # milliseconds that what was sent may stay unconfirmed
}


class WatchfulConnection(Base):
    """A connection that breaks within 4 s when its server cannot be reached any more, instead of waiting for
    an answer that does not come."""

    def __init__(self, protocol: Any, transport: Any, *others: Any) -> None:
        super().__init__(protocol, transport, *others)
        self.plug: socket.socket = transport.get_extra_info("socket")
        if self.plug.family != socket.AF_UNIX:
            self.plug.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _TCP_OPTIONS.items():
                if hasattr(socket, name):
                    self.plug.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def itself(self) -> Self:
        """The connection behind a pool's proxy."""
        return self


async def watch_client(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Let the server end a statement whose client is gone, where its operating system can see that."""
    with suppress(asyncpg.InvalidParameterValueError):
        await connection.execute(_SQL["watch_client"])


class Strays:
    """The server's processes that were left alone and may be at work."""

    def __init__(self) -> None:
        self._pids: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self._pids)

    def add(self, pid: int) -> None:
        self._pids.add(pid)

    async def end(self, connection: WatchfulConnection) -> None:
        """End them all. Raises Unavailable while one lives."""
        pids = list(self._pids)
        if await connection.fetchval(_SQL["end_strays"], pids):
            raise Unavailable("the database is busy with a call that was given up, please try again")
        self._pids.difference_update(pids)
