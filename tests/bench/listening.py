"""`python -m tests.bench.listening`: posts beside listeners of live events and monitors, and without them.

Two services on one server take turns: one that nobody listens to, and one with a thousand streams in eleven
organizations, and a hundred monitors that are evaluated once a minute. The organization that is posted to has
ten of the streams (`--heard`), each of which gets every score.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from statistics import median
from typing import Any, Final

import click
import httpx
from heliscore.domain.api_key import mint_key
from heliscore.store import keys, organizations
from heliscore.store.connections.pool import Connection

from tests.servers import temporary_server

from . import load
from .databases import KEY, checkpoint, connected, create
from .plan import progress
from .processes import Server, service

_LISTENERS: Final = 1_000
_OTHERS: Final = 10
"""Organizations that are not posted to."""

_MONITORS: Final = 100
_CONNECTIONS: Final = 64
_READ_BYTES: Final = 1 << 16
_WAIT_S: Final = 60

_MONITOR: Final[dict[str, Any]] = {
    "score": "accuracy",
    "statistic": "average",
    "windowMinutes": 60,
    "everyMinutes": 1,
    "condition": {"worseThan": "previous", "margin": 5},
}


async def _make_keys(connection: Connection) -> list[str]:
    """A key of each organization but the one that is posted to."""
    made = []
    for number in range(_OTHERS):
        id_ = await organizations.ensure(connection, f"listeners {number}")
        made.append(mint_key())
        await keys.register(connection, id_, made[-1], name="bench")
    return made


def _add_monitors(server: Server) -> None:
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {KEY}"}) as client:
        for number in range(_MONITORS):
            client.post("/v1/monitors", json={**_MONITOR, "name": f"{number}"}).raise_for_status()


async def _listen(port: int, key: str, ready: asyncio.Semaphore, counts: list[int]) -> None:
    """Read a stream to its end and count its bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /v1/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
    await reader.readuntil(b"event: ready")
    ready.release()
    while chunk := await reader.read(_READ_BYTES):
        counts[0] += len(chunk)
    counts[1] += 1


def _listen_all(port: int, streams: list[str], ready: Any, counts: Any) -> None:
    """A process of its own: what it reads costs the service nothing but a processor."""

    async def run() -> None:
        semaphore, found = asyncio.Semaphore(0), [0, 0]
        async with asyncio.TaskGroup() as group:
            for key in streams:
                group.create_task(_listen(port, key, semaphore, found))
            for _ in streams:
                await semaphore.acquire()
            ready.set()
            while True:
                counts[0], counts[1] = found
                await asyncio.sleep(0.2)

    asyncio.run(run())


@click.command()
@click.option("--rounds", default=8)
@click.option("--seconds", default=4)
@click.option("--heard", default=10, help="streams of the organization that is posted to, up to 100")
def main(rounds: int, seconds: int, heard: int) -> None:
    with temporary_server() as dsn:
        alone, listened = create(dsn, "bench_alone"), create(dsn, "bench_heard")
        others = connected(listened, _make_keys)
        streams = [KEY] * heard + [others[n % _OTHERS] for n in range(_LISTENERS - heard)]
        with service(alone) as quiet, service(listened) as busy:
            _add_monitors(busy)
            context = multiprocessing.get_context("spawn")
            ready, counts = context.Event(), context.Array("q", 2)
            listening = context.Process(
                target=_listen_all, args=(busy.port, streams, ready, counts), daemon=True
            )
            listening.start()
            if not ready.wait(_WAIT_S):
                raise click.ClickException("the listeners are not ready")
            progress(f"{_LISTENERS} listeners, {busy.resident_mib():.0f} MiB")
            _compare(dsn, quiet, busy, rounds, seconds, counts)
            listening.terminate()
            listening.join()


def _compare(dsn: str, quiet: Server, busy: Server, rounds: int, seconds: int, counts: Any) -> None:
    rates: dict[str, list[float]] = {"alone": [], "heard": []}
    for turn in range(rounds + 1):
        order = (("alone", quiet), ("heard", busy))
        for name, server in order if turn % 2 else order[::-1]:
            checkpoint(dsn)
            read, at = counts[0], time.monotonic()
            posted = load.post(server.url, _CONNECTIONS, seconds)
            progress(
                f"{name}: {posted.posts_per_s:.0f} posts a second, {posted.failed} failed, listeners read "
                f"{(counts[0] - read) / (time.monotonic() - at) / 1e6:.1f} MB a second, {counts[1]} dropped"
            )
            if turn:
                rates[name].append(posted.posts_per_s)
    pairs = [heard / alone for alone, heard in zip(*rates.values(), strict=True)]
    click.echo(
        f"{median(rates['alone']):.0f} posts a second alone, {median(rates['heard']):.0f} beside "
        f"{_LISTENERS} listeners and {_MONITORS} monitors: {median(pairs):.2f} "
        f"({busy.resident_mib():.0f} MiB, {counts[1]} listeners were dropped as too slow)"
    )


if __name__ == "__main__":
    main()
