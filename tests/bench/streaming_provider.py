"""`python -m tests.bench.streaming_provider PORT`: a provider that streams, as cheaply as Python can.

The body of a call says how many chunks it wants, and how many milliseconds apart.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any, Final, cast

import uvloop

_CHUNK: Final = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": "gpt-4o",
        "choices": [{"index": 0, "delta": {"content": " word"}, "finish_reason": None}],
    }
)
_DATA: Final = f"data: {_CHUNK}\n\n".encode()
PIECE: Final = b"%x\r\n%b\r\n" % (len(_DATA), _DATA)
END: Final = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Provider(asyncio.Protocol):
    """A connection, for one call after another."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._left = 0
        self._pause_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        _, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or not body.endswith(b"}"):
            return
        self._received.clear()
        asked: dict[str, Any] = json.loads(body)
        self._left, self._pause_s = asked["chunks"], asked["pause_ms"] / 1000
        self._transport.write(_HEAD)
        self._go_on()

    def _go_on(self) -> None:
        if not self._pause_s:
            for _ in range(self._left):
                self._transport.write(PIECE)
            self._left = 0
        if not self._left:
            self._transport.write(END)
            return
        self._transport.write(PIECE)
        self._left -= 1
        self._timer = self._loop.call_later(self._pause_s, self._go_on)


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Provider, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
