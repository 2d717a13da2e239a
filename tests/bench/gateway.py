"""`python -m tests.bench.gateway`: the gateway beside a direct call of the same provider, in turns.

The provider is a process on this machine that streams. So many streams are kept open at once, each begun at
its time, with a chunk now and then, as models answer; then as many without pauses. A stream has a connection
of its own, which is open before it begins.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

import click
import msgspec
import uvloop

from tests.servers import temporary_server

from .databases import KEY, create
from .plan import progress
from .processes import Server, free_port, service

_ROUNDS: Final = 3
_WARM_UP_S: Final = 0.5


class Shape(msgspec.Struct, frozen=True):
    """So many streams at once, each of so many chunks."""

    streams: int
    chunks: int
    pause_ms: int
    calls: int

    @property
    def interval_s(self) -> float:
        """Between two begins, so that `streams` are open; one alone begins when the one before is logged."""
        alone = 1.5 if self.streams == 1 else 1.0
        return alone * self.chunks * self.pause_ms / 1000 / self.streams


SHAPES: Final = (
    Shape(1, chunks=10, pause_ms=10, calls=60),
    Shape(64, chunks=20, pause_ms=250, calls=256),
    Shape(1000, chunks=30, pause_ms=1000, calls=1200),
)
_FLOODS: Final = {1: 2000, 64: 300, 1000: 30}
"""Chunks a stream, where nothing pauses."""


class Stream(asyncio.Protocol):
    """A call over a connection of its own."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.first: asyncio.Future[float] = loop.create_future()
        self.done: asyncio.Future[None] = loop.create_future()
        self.bytes = 0
        self._tail = b""
        self._begun = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def begin(self, request: bytes) -> None:
        self._begun = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if not self.first.done() and b"data: {" in self._tail + data:
            self.first.set_result((time.perf_counter() - self._begun) * 1000)
        self.bytes += len(data)
        self._tail = (self._tail + data)[-16:]
        if self._tail.endswith(b"\r\n0\r\n\r\n") and not self.done.done():
            self.done.set_result(None)
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        for future in (self.first, self.done):
            if not future.done():
                future.set_exception(ConnectionError(repr(self._tail)))


class Measured(msgspec.Struct, frozen=True):
    """What one way came to, in one round."""

    first_ms: float
    chunks_per_s: float
    kib_a_stream: float = 0.0
    processor_ms: float = 0.0
    """Of a call, with all its chunks and its log."""


def make_request(port: int, chunks: int, pause_ms: int) -> bytes:
    """A call of that many chunks."""
    asked = {"model": "gpt-4o", "stream": True, "chunks": chunks, "pause_ms": pause_ms}
    body = json.dumps({**asked, "messages": [{"role": "user", "content": "Hi"}]}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer sk-of-the-provider\r\nHelicone-Auth: Bearer {KEY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def open_stream(port: int) -> Stream:
    _, stream = await asyncio.get_running_loop().create_connection(Stream, "127.0.0.1", port)
    return stream


async def measure_paced(port: int, shape: Shape, gateway: Server | None) -> tuple[float, float]:
    """The median time to the first byte, of those that began while all were open, and the memory a stream."""
    request = make_request(port, shape.chunks, shape.pause_ms)
    before = 0.0 if gateway is None else gateway.resident_mib()
    streams: list[Stream] = []
    most = 0.0
    begun = time.perf_counter()
    for number in range(shape.calls):
        await asyncio.sleep(max(begun + number * shape.interval_s - time.perf_counter(), 0))
        stream = await open_stream(port)
        await asyncio.sleep(0)
        stream.begin(request)
        streams.append(stream)
        if gateway is not None and number >= shape.streams and number % 100 == 0:
            most = max(most, gateway.resident_mib())
    await asyncio.gather(*(stream.done for stream in streams))
    full = streams[shape.streams if shape.calls > shape.streams else 0 :]
    first = statistics.median(stream.first.result() for stream in full)
    return first, max(most - before, 0) * 1024 / shape.streams


async def measure_flood(port: int, streams: int, chunks: int) -> float:
    """Chunks a second, of streams that begin at once and pause nowhere."""
    opened = await asyncio.gather(*(open_stream(port) for _ in range(streams)))
    request = make_request(port, chunks, 0)
    begun = time.perf_counter()
    for stream in opened:
        stream.begin(request)
    await asyncio.gather(*(stream.done for stream in opened))
    return streams * chunks / (time.perf_counter() - begun)


async def measure(port: int, shape: Shape, gateway: Server | None) -> Measured:
    gc.collect()
    before = 0.0 if gateway is None else gateway.processor_s()
    first, kib = await measure_paced(port, shape, gateway)
    await asyncio.sleep(_WARM_UP_S)
    computed = 0.0 if gateway is None else gateway.processor_s() - before
    rate = await measure_flood(port, shape.streams, _FLOODS[shape.streams])
    await asyncio.sleep(_WARM_UP_S)
    return Measured(first, rate, kib, computed * 1000 / shape.calls)


@contextmanager
def provider() -> Iterator[int]:
    """Run the provider as a process; yields its port."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.streaming_provider", str(port)])
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


async def run(direct: int, gateway: Server, shapes: tuple[Shape, ...], rounds: int) -> None:
    """Measure every shape both ways, and print a table."""
    for port in (direct, gateway.port):  # the client, the provider and our modules get warm
        for _ in range(20):
            await measure_flood(port, 4, 5)
    click.echo("| streams at once | | first byte p50, ms | chunks/s | KiB a stream | processor, ms a call |")
    click.echo("| --- | --- | --- | --- | --- | --- |")
    for shape in shapes:
        found: dict[str, list[Measured]] = {"direct": [], "gateway": []}
        for number in range(rounds):
            progress(f"{shape.streams} streams, round {number + 1}")
            found["direct"].append(await measure(direct, shape, None))
            found["gateway"].append(await measure(gateway.port, shape, gateway))
        for name, measured in found.items():
            first = statistics.median(one.first_ms for one in measured)
            rate = statistics.median(one.chunks_per_s for one in measured)
            kib = max(one.kib_a_stream for one in measured)
            memory = f"{kib:.0f}" if name == "gateway" and shape.streams > 1 else ""
            computed = statistics.median(one.processor_ms for one in measured)
            processor = f"{computed:.1f}" if name == "gateway" else ""
            click.echo(f"| {shape.streams} | {name} | {first:.2f} | {rate:,.0f} | {memory} | {processor} |")
        pairs = zip(found["direct"], found["gateway"], strict=True)
        added = statistics.median(through.first_ms - alone.first_ms for alone, through in pairs)
        click.echo(f"| {shape.streams} | added | {added:.2f} | | | |")


@click.command()
@click.option("--rounds", default=_ROUNDS, show_default=True)
@click.option("--streams", default="1,64,1000", show_default=True)
def main(rounds: int, streams: str) -> None:
    """Measure the gateway beside a direct call."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    wanted = {int(number) for number in streams.split(",")}
    shapes = tuple(shape for shape in SHAPES if shape.streams in wanted)
    with temporary_server() as server, provider() as port:
        targets = {"HELISCORE_GATEWAY_TARGETS": f"http://127.0.0.1:{port}"}
        with service(create(server, "gateway"), targets) as gateway:
            uvloop.run(run(port, gateway, shapes, rounds))


if __name__ == "__main__":
    main()
