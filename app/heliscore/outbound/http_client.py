"""The HTTP client for URLs that clients of the service chose: calls public addresses, and follows nothing.

It is httpx's transport without httpx's client around it: so there are no redirects, no cookies, no proxies
and no headers but ours. Each call gets a connection to the very address that was checked; its certificate
must still be that of the host. A connection is not used twice: it belongs to a host, and the pool knows
addresses.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Iterator, Mapping
from typing import Final

import httpx
import msgspec

from heliscore import __version__
from heliscore.outbound.guard import Forbidden, Guard, NotFound, Target

TIMEOUT_S: Final = 10.0
"""For all of a call: the host's name, the connection, the answer."""

_CONNECT_TIMEOUT_S: Final = 4.0
"""For one of several addresses."""

_MAX_ANSWER_BYTES: Final = 64 * 1024

_USER_AGENT: Final = f"heliscore/{__version__}"


class Answer(msgspec.Struct, frozen=True):
    """The end of a call."""

    status: int | None = None
    """None where no HTTP answer came."""

    error: str | None = None
    """Why the call failed, in words that hold nothing of the URL; None: the receiver took it."""


class HttpClient:
    """Calls out. The certificates that it trusts are read at the first call."""

    def __init__(
        self,
        guard: Guard,
        *,
        trusted: ssl.SSLContext | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._guard = guard
        self._trusted = trusted
        self._timeout_s = timeout_s
        self._transport: httpx.AsyncHTTPTransport | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Post a body. Every failure is an Answer too."""
        try:
            async with asyncio.timeout(self._timeout_s):
                target = await self._guard.find_target(url)
                status = await self._post(target, headers, body)
        except TimeoutError:
            return Answer(error=f"no answer within {self._timeout_s:g} seconds")
        except (Forbidden, NotFound) as error:
            return Answer(error=str(error))
        except (httpx.TransportError, OSError) as error:
            return Answer(error=_explain(error))
        return Answer(status, None if 200 <= status < 300 else f"the receiver answered {status}")

    async def _post(self, target: Target, headers: Mapping[str, str], body: bytes) -> int:
        """Try the addresses in turn until one can be connected to."""
        *others, last = target.addresses
        for address in others:
            try:
                return await self._post_to(address, target, headers, body)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._post_to(last, target, headers, body)

    async def _post_to(self, address: str, target: Target, headers: Mapping[str, str], body: bytes) -> int:
        request = httpx.Request(
            "POST",
            target.url.copy_with(host=address),
            headers={
                **headers,
                "Host": target.url.netloc.decode("ascii"),
                "User-Agent": _USER_AGENT,
                "Accept-Encoding": "identity",
                "Connection": "close",
            },
            content=body,
            extensions={
                "sni_hostname": target.host,
                "timeout": httpx.Timeout(self._timeout_s, connect=_CONNECT_TIMEOUT_S).as_dict(),
            },
        )
        transport = await self._find_transport()
        response = await transport.handle_async_request(request)
        try:
            await _read_some(response)
        finally:
            await response.aclose()
        return response.status_code

    async def _find_transport(self) -> httpx.AsyncHTTPTransport:
        if self._trusted is None:
            # In a thread: it reads a file of certificates. SSL_CERT_FILE, alone of the environment, counts.
            self._trusted = await asyncio.to_thread(httpx.create_ssl_context)
        if self._transport is None:
            self._transport = httpx.AsyncHTTPTransport(
                verify=self._trusted,
                trust_env=False,
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            )
        return self._transport

    async def close(self) -> None:
        if self._transport is not None:
            await self._transport.aclose()


async def _read_some(response: httpx.Response) -> None:
    """Read an answer as far as the limit, and no longer than it comes at once: its status is known, and the
    rest serves nobody but a receiver that would take an early end for an error."""
    read = 0
    try:
        async with asyncio.timeout(1):
            async for piece in response.aiter_raw():
                read += len(piece)
                if read >= _MAX_ANSWER_BYTES:
                    return
    except (TimeoutError, httpx.TransportError):
        return


def _explain(error: BaseException) -> str:
    """Say why a call failed, by the causes alone that are known to hold nothing secret."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate is not valid: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "no TLS connection could be made"
        if isinstance(cause, OSError) and cause.errno:
            return f"no connection: {os.strerror(cause.errno)}"
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return "no connection could be made"
        case httpx.ProtocolError():
            return "the answer was not HTTP"
        case _:
            return "the connection broke"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
