"""A network between service and database that can fail."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Self


class Proxy:
    """Listens on TCP and forwards to a server's unix socket."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._listening: asyncio.Server | None = None
        self._forwarding: set[asyncio.Task[None]] = set()
        self._pairs: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._unaware: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.port = 0

    async def __aenter__(self) -> Self:
        await self.restore()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        for task in self._forwarding:
            task.cancel()
        await asyncio.gather(*self._forwarding, return_exceptions=True)
        for pair in self._pairs:
            for writer in pair:
                with suppress(OSError):
                    await writer.wait_closed()

    async def restore(self) -> None:
        """Take connections (again, on the same port)."""
        self._listening = await asyncio.start_server(self._take, "127.0.0.1", self.port)
        self.port = self._listening.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        if self._listening is not None:
            self._listening.close()
        for pair in self._pairs:
            for writer in pair:
                writer.transport.abort()

    def sever(self) -> None:
        """Break every connection on the service's side; the database does not hear of it."""
        for client, server in self._pairs:
            self._unaware.add(server)
            client.transport.abort()

    def stall(self) -> None:
        """Take what is sent, and let it go nowhere."""
        self._flowing.clear()

    def resume(self) -> None:
        """Deliver everything after all."""
        self._flowing.set()

    def _take(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self._forwarding.add(asyncio.create_task(self._forward(reader, client)))

    async def _forward(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            answers, server = await asyncio.open_unix_connection(self._target)
        except OSError:
            client.transport.abort()
            return
        self._pairs.append((client, server))
        await asyncio.gather(self._pump(reader, server), self._pump(answers, client))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        await self._flowing.wait()
        if writer not in self._unaware:
            writer.close()
