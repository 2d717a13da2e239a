"""How long a process waits for its clients.

Nothing is timed call by call: once a second all connections are looked at. Time is counted in these looks, so
that a standstill of our own is never held against a client. While it is our turn (the answer is being made,
or reading is paused because the handler is behind) no clock runs.
"""

from __future__ import annotations

import asyncio
import enum
from typing import Any, Final, Protocol
from weakref import WeakSet

import msgspec
from uvicorn.server import ServerState

LOOK_S = 1.0
"""Between two looks. Every limit in seconds below is counted in looks: tests make them all shorter here."""

HEAD_S: Final = 10
"""For the head of a request: from its first byte, or from the opening of a connection that is silent."""

IDLE_S: Final = 75
"""Between two requests. The side that closes should not be the one that cannot know whether a request is on
its way: client libraries drop connections after 5 s (httpx, node), load balancers after 60."""

LEAVE_S: Final = 2
"""For what a client still sends after it was refused."""

STALL_S: Final = 30
"""Without a byte of a body, or without a byte taken of an answer."""

MIN_BYTES_PER_S: Final = 500
"""On average, of a body or an answer that is on its way for STALL_S; as Apache's mod_reqtimeout asks."""

MAX_UNSENT_BYTES = 256 * 1024 * 1024
"""Of answers that nobody has taken yet, in all connections of a process."""


class Phase(enum.Enum):
    """What a connection waits for."""

    US = enum.auto()
    OPENING = enum.auto()
    """The first byte of all."""
    IDLE = enum.auto()
    """The next request."""
    HEAD = enum.auto()
    BODY = enum.auto()
    LEAVING = enum.auto()
    """The client was told why it is left, and may still be sending."""
    TAKING = enum.auto()
    """The client has to take what was written."""


class Watch(msgspec.Struct):
    """What the last look at a connection saw, and for how many looks it has been the same."""

    phase: Phase = Phase.US
    request: object = None
    looks: int = 0
    quiet_looks: int = 0
    """Since a byte moved."""
    first: int = 0
    last: int = 0

    def see(self, phase: Phase, request: object, moved_bytes: int) -> None:
        """Note a look: what is waited for, of which request, and bytes counted that grow with progress."""
        if phase is not self.phase or request is not self.request:
            self.phase, self.request = phase, request
            self.looks = self.quiet_looks = 0
            self.first = self.last = moved_bytes
            return
        self.looks += 1
        self.quiet_looks = 0 if moved_bytes != self.last else self.quiet_looks + 1
        self.last = moved_bytes

    def is_over(self) -> bool:
        """Whether the client has had its time."""
        match self.phase:
            case Phase.US:
                return False
            case Phase.OPENING | Phase.HEAD:
                return self.looks >= HEAD_S
            case Phase.LEAVING:
                return self.looks >= LEAVE_S
            case Phase.IDLE:
                return self.looks >= IDLE_S
            case Phase.BODY | Phase.TAKING:
                return self.quiet_looks >= STALL_S or (
                    self.looks >= STALL_S and self.last - self.first < MIN_BYTES_PER_S * self.looks
                )


class Watched(Protocol):
    """A connection that can be looked at."""

    transport: Any
    watch: Watch

    def look(self) -> int:
        """Part with a client whose time is over. Returns how many bytes it has not taken yet."""


_looked_after: WeakSet[ServerState] = WeakSet()


def look_after(loop: asyncio.AbstractEventLoop, state: ServerState) -> None:
    """Begin to look at the connections of a server, once however often it is called."""
    if state not in _looked_after:
        _looked_after.add(state)
        loop.call_later(LOOK_S, _look, loop, state)


def _look(loop: asyncio.AbstractEventLoop, state: ServerState) -> None:
    try:
        unsent = {connection: connection.look() for connection in _watched(state)}
        _make_room(unsent, sum(unsent.values()) - MAX_UNSENT_BYTES)
    finally:
        loop.call_later(LOOK_S, _look, loop, state)


def _watched(state: ServerState) -> list[Watched]:
    connections: Any = state.connections
    return list(connections)


def _make_room(unsent: dict[Watched, int], excess_bytes: int) -> None:
    """Where too much lies untaken, part with those that take nothing, the worst first."""
    if excess_bytes <= 0:
        return
    stalled = [connection for connection in unsent if connection.watch.quiet_looks]
    for connection in sorted(stalled, key=lambda c: c.watch.quiet_looks * unsent[c], reverse=True):
        connection.transport.abort()
        excess_bytes -= unsent[connection]
        if excess_bytes <= 0:
            return
