"""HTTP as bytes on a socket, for what a well-behaved client refuses to send."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import msgspec
from httpx import Headers


class Answer(msgspec.Struct, frozen=True):
    """What came back until the server closed the connection."""

    status: int
    headers: Headers
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


async def send(address: str, *parts: bytes) -> Answer:
    """Send the parts as they are and read what is answered; the server must close, or never says more."""
    url = urlsplit(address)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await read_answer(reader)
    finally:
        writer.close()


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    status_line, *lines = head.decode("latin-1").strip().split("\r\n")
    headers = Headers([(name, value) for name, _, value in (line.partition(": ") for line in lines)])
    content = await asyncio.wait_for(reader.readexactly(int(headers["content-length"])), 30)
    return Answer(int(status_line.split()[1]), headers, content)


def request(method: str, target: bytes | str, key: str, body: bytes = b"", **headers: str) -> bytes:
    """A request as bytes, its target as it is."""
    if isinstance(target, str):
        target = target.encode()
    fields = {
        "Host": "test",
        "Connection": "close",
        "Authorization": f"Bearer {key}",
        "Content-Length": str(len(body)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return method.encode() + b" " + target + b" HTTP/1.1\r\n" + lines.encode("latin-1") + b"\r\n" + body
