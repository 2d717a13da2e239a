"""Receivers on this machine: servers that answer as a test says, and keep what they got."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

CERTIFICATE: Final = Path(__file__).with_name("receiver.pem")
"""Of receiver.test and mail.test, with its key."""


class Got(msgspec.Struct, frozen=True):
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[Got, asyncio.StreamWriter], Awaitable[None]]


def answering(status: int, *headers: str) -> Behaviour:
    async def answer(_: Got, writer: asyncio.StreamWriter) -> None:
        head = "\r\n".join((f"HTTP/1.1 {status} Said", "Content-Length: 0", *headers, "", ""))
        writer.write(head.encode())

    return answer


class Receiver:
    """An HTTP server that answers as `behave` says, and 200 by default."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.behave: Behaviour = answering(200)
        self.port = 0
        self.server_names: list[str | None] = []
        self._more = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()

    async def arrived(self, count: int) -> None:
        """Wait until that many requests have come."""
        async with asyncio.timeout(20):
            while len(self.got) < count:
                self._more.clear()
                await self._more.wait()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = asyncio.create_task(self._answer(reader, writer))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        await asyncio.wait([call])

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip().split("\r\n")
            method, path, _ = first.split(" ")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            got = Got(method, path, headers, body)
            self.got.append(got)
            self._more.set()
            await self.behave(got, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def secure(self) -> ssl.SSLContext:
        """A context that notes for which names TLS was asked."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        context.sni_callback = lambda _, name, __: self.server_names.append(name)
        return context

    @asynccontextmanager
    async def listening(self, *, tls: bool = False) -> AsyncIterator[Receiver]:
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0, ssl=self.secure() if tls else None)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for call in self._calls:
                call.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


def trusting() -> ssl.SSLContext:
    """A context of a client that trusts the receivers' certificate."""
    return ssl.create_default_context(cafile=CERTIFICATE)
