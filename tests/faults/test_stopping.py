"""A service that is told to stop finishes what it has taken, soon, whatever hangs."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.event_reading import Frame, listening
from tests.api.raw import read_answer
from tests.faults.conftest import KEY, Machine, main_process
from tests.servers import CROWDED_S, children
from tests.test_cli import wait_until_gone

STOP_S = 10
NO_DRAIN_S = 3
"""Of a service that waits for no request: those in progress get four seconds."""

LINE = b'{"requestId": "upload", "scores": {"a": 1}}\n'
UPLOAD = (
    b"POST /v1/scores/batch?mode=atomic HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n"
    b"Content-Type: application/x-ndjson\r\nAuthorization: Bearer " + KEY.encode() + b"\r\n\r\n" + 100 * LINE
)


async def test_accepted_posts_are_finished_under_load(machine: Machine) -> None:
    async with machine.suffering("SIGTERM") as load:
        assert await machine.stop() < STOP_S + CROWDED_S
        assert load.statuses.keys() == {200}
        async with machine.client() as client:
            with pytest.raises(httpx.ConnectError):
                await client.get("/healthz")
        await machine.start()
        await load.heal()


async def test_upload_under_way_is_refused_and_leaves_nothing(machine: Machine) -> None:
    url = urlsplit(machine.address)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(UPLOAD)
    await writer.drain()
    await asyncio.sleep(2)  # for the service to read it
    stopping = asyncio.create_task(machine.stop())
    answer = await read_answer(reader)
    writer.close()
    assert await stopping < STOP_S + CROWDED_S
    assert (answer.status, answer.headers["connection"], answer.headers["retry-after"]) == (503, "close", "1")
    assert answer.json() == {"data": None, "error": "the service is shutting down, please try again"}
    await machine.start()
    async with machine.client() as client:
        assert (await client.get("/v1/request/upload")).json()["data"] is None


async def test_service_stops_while_its_postgresql_hangs(embedded_machine: tuple[Machine, Path]) -> None:
    machine, folder = embedded_machine
    assert machine.served is not None
    async with machine.client() as client:
        answer = await client.post("/v1/request/r/score", json={"scores": {"a": 1}})
        assert answer.status_code == 200
        started = machine.served.descendants()
        main = main_process(folder)
        os.kill(main, signal.SIGSTOP)  # first: it would start others
        for process in children(main):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGSTOP)
        call = asyncio.create_task(client.post("/v1/request/r/score", json={"scores": {"a": 2}}))
        await asyncio.sleep(2)  # for the service to read it
        assert await machine.stop() < STOP_S + CROWDED_S
        assert (await call).status_code == 503
    await asyncio.to_thread(wait_until_gone, started)
    await machine.start()
    async with machine.client() as client:
        row = (await client.get("/v1/request/r")).json()["data"]
    assert row["scores"]["a"] in (1, 2)


async def test_clients_that_listen_hold_no_stop_back(machine: Machine) -> None:
    async with machine.client() as client, listening(client) as listener:
        assert await machine.stop() < NO_DRAIN_S + CROWDED_S
        assert await listener.next() == Frame("dropped", {"reason": "the service is stopping"})
        assert await listener.next() is None
        last_id = listener.last_id
    await machine.start()
    async with machine.client() as client:
        assert (await client.post("/v1/request/r/score", json={"scores": {"a": 1}})).status_code == 200
        async with listening(client, last_id) as listener:
            assert await listener.scores(1) == [("r", "a", 1)]
