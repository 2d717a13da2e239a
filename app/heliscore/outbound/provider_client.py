"""The HTTP client for providers of models: pooled connections, HTTP/2 where the provider speaks it.

The operator lists the origins that are called, so their addresses are not checked. As in `http_client`, it is
httpx's transport without httpx's client around it: no redirects, no cookies, no proxies of the environment
and no headers but the caller's. Bytes come as the provider sent them.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Final, cast

import httpx
import msgspec

CONNECT_TIMEOUT_S: Final = 10.0
READ_TIMEOUT_S: Final = 600.0
"""Without a byte of an answer."""

PATIENT_READ_TIMEOUT_S: Final = 1800.0
_WRITE_TIMEOUT_S: Final = 60.0
_KEEP_ALIVE_S: Final = 30.0
_CALLS_A_LANE: Final = 50
"""A pool of httpcore looks at each of its connections for each call: 1,000 in one took 1.6 ms a call. And
one HTTP/2 connection has 100 streams at most; the next call would wait for the end of one."""


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


class _Lane:
    """A pool of connections for a bounded number of calls at once."""

    def __init__(self, trusted: ssl.SSLContext) -> None:
        self.calls = 0
        self.transport = httpx.AsyncHTTPTransport(
            verify=trusted,
            trust_env=False,
            http2=True,
            limits=httpx.Limits(
                max_connections=None,
                max_keepalive_connections=_CALLS_A_LANE,
                keepalive_expiry=_KEEP_ALIVE_S,
            ),
        )


class ProviderAnswer:
    """An answer whose head has come. It must be closed."""

    def __init__(self, response: httpx.Response, lane: _Lane) -> None:
        self.status: Final = response.status_code
        self.headers: Final[Headers] = [(name.lower(), value) for name, value in response.headers.raw]
        self._stream = cast("httpx.AsyncByteStream", response.stream)
        self._lane: _Lane | None = lane

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, as it comes. Raises ProviderFailure."""
        try:
            async for piece in self._stream:
                yield piece
        except httpx.TransportError as error:
            raise _failure(error) from None

    async def close(self) -> None:
        """Give the connection back, or close it where the body was not read to its end."""
        if self._lane is not None:
            self._lane.calls -= 1
            self._lane = None
            await self._stream.aclose()


class ProviderClient:
    """Calls providers. Certificates and HTTP/2 are loaded at the first call."""

    def __init__(self) -> None:
        self._trusted: ssl.SSLContext | None = None
        self._lanes: list[_Lane] = []

    async def send(self, call: ProviderRequest) -> ProviderAnswer:
        """Send a call and wait for the head of its answer. Raises ProviderFailure."""
        if self._trusted is None:
            # In a thread: it reads a file of certificates, and imports h2.
            self._trusted = await asyncio.to_thread(_load)
        lane = self._find_lane(self._trusted)
        lane.calls += 1
        try:
            return ProviderAnswer(await lane.transport.handle_async_request(_make_request(call)), lane)
        except httpx.TransportError as error:
            lane.calls -= 1
            raise _failure(error) from None
        except BaseException:
            lane.calls -= 1
            raise

    def _find_lane(self, trusted: ssl.SSLContext) -> _Lane:
        """The first with room, so that connections are used again."""
        for lane in self._lanes:
            if lane.calls < _CALLS_A_LANE:
                return lane
        self._lanes.append(lane := _Lane(trusted))
        return lane

    async def close(self) -> None:
        """Close all connections."""
        for lane in self._lanes:
            await lane.transport.aclose()


def _load() -> ssl.SSLContext:
    import h2.connection  # noqa: F401

    return httpx.create_ssl_context()


def _make_request(call: ProviderRequest) -> httpx.Request:
    read = PATIENT_READ_TIMEOUT_S if call.is_patient else READ_TIMEOUT_S
    timeout = {"connect": CONNECT_TIMEOUT_S, "read": read, "write": _WRITE_TIMEOUT_S, "pool": None}
    return httpx.Request(
        call.method,
        call.origin,
        headers=[*call.headers, (b"accept-encoding", b"identity")],
        content=call.body or None,
        extensions={"timeout": timeout, "target": call.target},
    )


def _failure(error: httpx.TransportError) -> ProviderFailure:
    match error:
        case httpx.TimeoutException():
            return ProviderTimeout("the provider took too long")
        case httpx.LocalProtocolError():
            return NotSendable("the call cannot be sent on: its path or a header is no valid HTTP")
    return ProviderUnreachable("the provider could not be reached, or the connection broke")
