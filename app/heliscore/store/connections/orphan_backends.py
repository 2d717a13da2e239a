"""End backends whose connection is gone, before their statement can overwrite newer data.

When a connection breaks or is abandoned during a statement, the server may not notice, and execute it later:
perhaps after a newer one that came by another connection and was acknowledged. So the server is told to check
for its clients, and an orphaned backend is terminated before anything else is written and, if the server can
be reached, before the caller is told that the statement failed.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any, Final, Self

import asyncpg

from heliscore.domain.errors import Unavailable
from heliscore.store.connections.carrying import CarryingConnection
from heliscore.store.statements import load

_SQL = load("connection")

_TCP_OPTIONS: Final = {
    "TCP_KEEPIDLE": 2,  # seconds; TCP_KEEPALIVE is its name on macOS
    "TCP_KEEPALIVE": 2,
    "TCP_KEEPINTVL": 1,
    "TCP_KEEPCNT": 2,
    "TCP_USER_TIMEOUT": 3000,  # milliseconds until sent data must be acknowledged
}


class WatchfulConnection(CarryingConnection):
    """A connection that breaks within 4 s of its server becoming unreachable, instead of waiting for an
    answer that never comes."""

    def __init__(self, protocol: Any, transport: Any, *others: Any) -> None:
        super().__init__(protocol, transport, *others)
        self.socket: socket.socket = transport.get_extra_info("socket")
        if self.socket.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _TCP_OPTIONS.items():
                if hasattr(socket, name):
                    self.socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def itself(self) -> Self:
        """The connection behind a pool's proxy."""
        return self


async def watch_client(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Let the server cancel a statement whose client is gone, if its operating system can detect that."""
    with suppress(asyncpg.InvalidParameterValueError):
        await connection.execute(_SQL["watch_client"])


class OrphanBackends:
    """Backends whose connection is gone, and which may still be executing a statement."""

    def __init__(self) -> None:
        self._nodes: dict[int, int | None] = {}
        """By their process ids, the node of a cluster that they may write to; None: any."""

    def __bool__(self) -> bool:
        return bool(self._nodes)

    def add(self, pid: int, node: int | None = None) -> None:
        self._nodes[pid] = node

    def concern(self, node: int | None) -> list[int]:
        """Those that could write after a statement for a node (None: for any). Where a node does not answer,
        its backends cannot be ended, and statements for the others must not wait for that."""
        return [pid for pid, its in self._nodes.items() if node is None or its is None or its == node]

    async def end(self, connection: WatchfulConnection, node: int | None = None) -> None:
        """Terminate those that concern a node. Raises Unavailable while one is still running."""
        pids = self.concern(node)
        if await connection.fetchval(_SQL["end_orphans"], pids):
            raise Unavailable("a cancelled query is still being stopped, please try again")
        for pid in pids:
            self._nodes.pop(pid, None)
