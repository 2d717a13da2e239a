"""The HTTP client for providers of models. What it needs, 5 MiB, is loaded at the first call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from heliscore.outbound.provider_connections import Connections, ProviderAnswer

CONNECT_TIMEOUT_S: Final = 10.0
READ_TIMEOUT_S: Final = 600.0
"""Without a byte of an answer."""

PATIENT_READ_TIMEOUT_S: Final = 1800.0
WRITE_TIMEOUT_S: Final = 60.0


class ProviderFailure(Exception):
    """No answer came, or not all of it. The message says nothing of the call."""


class ProviderUnreachable(ProviderFailure):
    """The connection could not be made, or broke."""


class ProviderTimeout(ProviderFailure):
    """The provider took too long."""


class NotSendable(ProviderFailure):
    """The call is no valid HTTP: nothing was sent."""


Headers = list[tuple[bytes, bytes]]


class ProviderRequest(msgspec.Struct, frozen=True):
    """A call to send."""

    method: str
    origin: str
    target: bytes
    """Path and query, as they are sent."""

    headers: Headers
    body: bytes
    is_patient: bool = False


class ProviderClient:
    """Calls providers."""

    def __init__(self) -> None:
        self._connections: Connections | None = None

    async def send(self, call: ProviderRequest) -> ProviderAnswer:
        """Send a call and wait for the head of its answer. Raises ProviderFailure."""
        if self._connections is None:
            opened = await asyncio.to_thread(_open)  # it reads a file of certificates, too
            self._connections = self._connections or opened
        return await self._connections.send(call)

    async def close(self) -> None:
        """Close all connections."""
        if self._connections is not None:
            await self._connections.close()


def _open() -> Connections:
    from heliscore.outbound.provider_connections import Connections

    return Connections()
