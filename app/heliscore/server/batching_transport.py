"""A transport that writes once per turn of the event loop what was given to it during the turn.

Each write is a system call, and uvicorn writes the head and the body of a response apart. A large piece is
written at once, so that the transport can hold its writer back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

_MAX_BATCH_BYTES: Final = 64 * 1024


class BatchingTransport:
    """Wraps the transport of a connection and counts what the client has read."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._batch: list[bytes] = []
        self._written_bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    @property
    def unread_bytes(self) -> int:
        """What was written and is still to be sent."""
        return self._transport.get_write_buffer_size()

    @property
    def read_bytes(self) -> int:
        """What was sent since the connection was made."""
        return self._written_bytes - self._transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        if len(data) > _MAX_BATCH_BYTES:
            self._flush()
            self._write(data)
            return
        if not self._batch:
            self._loop.call_soon(self._flush)
        self._batch.append(data)

    def write_eof(self) -> None:
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._batch:
            data = b"".join(self._batch)
            self._batch.clear()
            self._write(data)

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._written_bytes += len(data)
            self._transport.write(data)


class ResponseTransport:
    """The transport as the maker of a response sees it, who leaves to the connection how to close."""

    def __init__(self, transport: BatchingTransport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close
