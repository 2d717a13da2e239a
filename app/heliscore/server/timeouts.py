"""How long the service waits for its clients.

No request has a timer: once a second all connections are checked. Time is counted in checks, so that a client
is not charged for a moment in which the service itself stands still. While it is the service's turn (it makes
the response, or has paused reading because the handler is behind) no time is counted.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any, Protocol

import msgspec


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """The limits. Seconds are counted in checks: a shorter interval shortens them all, as tests do."""

    check_interval_s: float = 1.0

    head_s: int = 10
    """For the head of a request: from its first byte, or on a new connection from its opening."""

    idle_s: int = 75
    """Between two requests. The client should be the side that closes, for it knows whether it is about to
    send a request: client libraries drop connections after 5 s (httpx, node), load balancers after 60."""

    linger_s: int = 5
    """For a client to stop sending and read its last response, before its connection is closed."""

    stall_s: int = 30
    """Without a byte of a body, or without a byte of a response being read."""

    min_bytes_per_s: int = 500
    """On average, of a body or a response that takes `stall_s` or longer; as Apache's mod_reqtimeout asks."""

    max_unread_bytes: int = 256 * 1024 * 1024
    """Of responses that clients have not read yet, over all connections."""


class Phase(enum.Enum):
    """What a connection waits for."""

    SERVICE = enum.auto()
    """The service, to make the response or to read on."""
    OPENING = enum.auto()
    """The first byte of the first request."""
    IDLE = enum.auto()
    """The next request."""
    HEAD = enum.auto()
    """The rest of a request's head."""
    BODY = enum.auto()
    """The rest of a request's body."""
    RESPONSE = enum.auto()
    """The client, to read what was written."""
    LINGERING = enum.auto()
    """The client, to stop sending: it got its last response."""


class ConnectionTimer(msgspec.Struct):
    """What the last check of a connection saw, and for how many checks that has been the same."""

    phase: Phase = Phase.SERVICE
    request: object = None
    checks: int = 0
    quiet_checks: int = 0
    """Since a byte was transferred."""
    first_bytes: int = 0
    last_bytes: int = 0

    def note(self, phase: Phase, request: object, transferred_bytes: int) -> None:
        """Note a check: the phase, the request that it belongs to, and a count of bytes that only grows."""
        if phase is not self.phase or request is not self.request:
            self.phase, self.request = phase, request
            self.checks = self.quiet_checks = 0
            self.first_bytes = self.last_bytes = transferred_bytes
            return
        self.checks += 1
        self.quiet_checks = 0 if transferred_bytes != self.last_bytes else self.quiet_checks + 1
        self.last_bytes = transferred_bytes

    def is_over(self, timeouts: Timeouts) -> bool:
        """Whether the client has used up its time."""
        match self.phase:
            case Phase.SERVICE:
                return False
            case Phase.OPENING | Phase.HEAD:
                return self.checks >= timeouts.head_s
            case Phase.IDLE:
                return self.checks >= timeouts.idle_s
            case Phase.LINGERING:
                return self.checks >= timeouts.linger_s
            case Phase.BODY | Phase.RESPONSE:
                return self.quiet_checks >= timeouts.stall_s or (
                    self.checks >= timeouts.stall_s
                    and self.last_bytes - self.first_bytes < timeouts.min_bytes_per_s * self.checks
                )


class Connection(Protocol):
    """A connection that can be checked."""

    transport: Any
    timer: ConnectionTimer

    def check_timeouts(self, timeouts: Timeouts) -> int:
        """Close the connection if the client's time is over. Returns the bytes that it has not read yet."""


def check_timeouts(connections: Iterable[Connection], timeouts: Timeouts) -> None:
    """Close the connections of clients that are too slow, and of more where too many bytes are unread."""
    unread = {connection: connection.check_timeouts(timeouts) for connection in list(connections)}
    _make_room(unread, sum(unread.values()) - timeouts.max_unread_bytes)


def _make_room(unread: dict[Connection, int], excess_bytes: int) -> None:
    """Close connections of clients that read nothing, the most bytes and the longest pause first."""
    if excess_bytes <= 0:
        return
    stalled = [connection for connection in unread if connection.timer.quiet_checks]
    for connection in sorted(stalled, key=lambda c: c.timer.quiet_checks * unread[c], reverse=True):
        connection.transport.abort()
        excess_bytes -= unread[connection]
        if excess_bytes <= 0:
            return
