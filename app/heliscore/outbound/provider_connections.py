"""Connections to providers of models, used again, with HTTP/2 where the provider speaks it.

The operator lists the origins that are called, so their addresses are not checked. It is httpcore, the
connections of httpx, without httpx around them: no redirects, no cookies, no proxies of the environment, no
headers but the caller's. Bytes come as the provider sent them.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from typing import Final, cast

import httpcore
import httpx

from heliscore.outbound import provider_client
from heliscore.outbound.provider_client import (
    Headers,
    NotSendable,
    ProviderFailure,
    ProviderRequest,
    ProviderTimeout,
    ProviderUnreachable,
)

_KEEP_ALIVE_S: Final = 30.0
_CALLS_A_LANE: Final = 50
"""A pool looks at each of its connections for each call. And one HTTP/2 connection has 100 streams at most:
the next call would wait for the end of one."""


class _Lane:
    """A pool of connections for a bounded number of calls at once."""

    def __init__(self, trusted: ssl.SSLContext) -> None:
        self.calls = 0
        self.pool = httpcore.AsyncConnectionPool(
            trusted,
            max_connections=None,
            max_keepalive_connections=_CALLS_A_LANE,
            keepalive_expiry=_KEEP_ALIVE_S,
            http2=True,
        )


class ProviderAnswer:
    """An answer whose head has come. It must be closed."""

    def __init__(self, response: httpcore.Response, lane: _Lane) -> None:
        self.status: Final = response.status
        self.headers: Final[Headers] = [(name.lower(), value) for name, value in response.headers]
        self._response = response
        self._lane: _Lane | None = lane

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, as it comes. Raises ProviderFailure."""
        try:
            async for piece in cast("AsyncIterator[bytes]", self._response.stream):
                yield piece
        except _ERRORS as error:
            raise _failure(error) from None

    async def close(self) -> None:
        """Give the connection back, or close it where the body was not read to its end."""
        if self._lane is not None:
            self._lane.calls -= 1
            self._lane = None
            await self._response.aclose()


class Connections:
    """The connections of a service to all its providers."""

    def __init__(self) -> None:
        self._trusted = httpx.create_ssl_context()
        self._lanes: list[_Lane] = []

    async def send(self, call: ProviderRequest) -> ProviderAnswer:
        """Send a call and wait for the head of its answer. Raises ProviderFailure."""
        lane = self._find_lane()
        lane.calls += 1
        try:
            return ProviderAnswer(await lane.pool.handle_async_request(_make_request(call)), lane)
        except BaseException as error:
            lane.calls -= 1
            if isinstance(error, _ERRORS):
                raise _failure(error) from None
            raise

    def _find_lane(self) -> _Lane:
        """The first with room, so that connections are used again."""
        for lane in self._lanes:
            if lane.calls < _CALLS_A_LANE:
                return lane
        self._lanes.append(lane := _Lane(self._trusted))
        return lane

    async def close(self) -> None:
        """Close all of them."""
        for lane in self._lanes:
            await lane.pool.aclose()


def _make_request(call: ProviderRequest) -> httpcore.Request:
    timeout = {
        "connect": provider_client.CONNECT_TIMEOUT_S,
        "read": provider_client.PATIENT_READ_TIMEOUT_S if call.is_patient else provider_client.READ_TIMEOUT_S,
        "write": provider_client.WRITE_TIMEOUT_S,
        "pool": None,
    }
    scheme, _, host = call.origin.encode().partition(b"://")
    name, port = _split(host)
    length = [(b"content-length", b"%d" % len(call.body))] if call.body or call.method == "POST" else []
    return httpcore.Request(
        call.method,
        httpcore.URL(scheme=scheme, host=name, port=port, target=call.target),
        headers=[(b"host", host), *call.headers, (b"accept-encoding", b"identity"), *length],
        content=call.body,
        extensions={"timeout": timeout},
    )


def _split(host: bytes) -> tuple[bytes, int | None]:
    """The name or address, without the brackets of IPv6, and the port."""
    name, colon, port = host.rpartition(b":")
    if not colon or host.endswith(b"]"):
        name, port = host, b""
    return name.strip(b"[]"), int(port) if port else None


_ERRORS: Final = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
)


def _failure(error: BaseException) -> ProviderFailure:
    match error:
        case httpcore.TimeoutException():
            return ProviderTimeout("the provider took too long")
        case httpcore.LocalProtocolError():
            return NotSendable("the call cannot be sent on: its path or a header is no valid HTTP")
    return ProviderUnreachable("the provider could not be reached, or the connection broke")
