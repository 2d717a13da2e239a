"""The gateway where something breaks: the client leaves, the provider fails, the database is away, the
service stops. What had come is logged, and keys are nowhere."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from heliscore.outbound import provider_client
from heliscore.server import http_server
from heliscore.settings import Settings
from heliscore.store import late_log

from tests.api.calls import logged
from tests.api.test_gateway import CHAT, KEY, error, read_row
from tests.conftest import Service, StartService, register_key
from tests.provider import Json, Provider, chat_chunks
from tests.servers import NO_CERTIFICATES, listening_socket, make_server

STREAM: Json = {"model": "waits", "stream": True}
FIRST = "".join(chat_chunks({})[:2])
REST = "".join(chat_chunks({})[2:])
BROKEN_OFF = {"chunks": 2, "broken_off": True}


@pytest.fixture
async def service(start_service: StartService, provider: Provider) -> Service:
    """A service on a database of its own."""
    return await start_service(gateway_targets=provider.address)


@pytest.fixture
async def caller(service: Service) -> httpx.AsyncClient:
    client = await service.client()
    client.headers["X-Api-Key"] = KEY
    return client


async def content_of(row: Json) -> Any:
    return row["response_body"]["choices"][0]["message"]["content"], row["response_body"]["streamed"]


async def test_client_that_leaves_ends_the_providers_work(
    caller: httpx.AsyncClient, provider: Provider
) -> None:
    async with caller.stream("POST", CHAT, json=STREAM) as response:
        assert await anext(response.aiter_text()) == FIRST
    assert await asyncio.to_thread(provider.left.wait, 10)
    row = await read_row(caller, response.headers["helicone-id"])
    assert row["response_status"] == -3
    assert await content_of(row) == ("Qubits hold ", BROKEN_OFF)


async def test_client_that_leaves_before_the_answer_is_logged(
    caller: httpx.AsyncClient, provider: Provider
) -> None:
    headers = {"Helicone-Request-Id": "r", "Helicone-Retry-Enabled": "true"}
    provider.failures = 1
    call = asyncio.create_task(caller.post(CHAT, json={"model": "fails-first"}, headers=headers))
    while not provider.got:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    call.cancel()  # while the gateway pauses before it tries again
    await asyncio.wait([call])
    row = await read_row(caller, "r")
    assert (row["response_status"], row["response_body"], len(provider.got)) == (-3, None, 1)


async def test_provider_that_breaks_off_is_no_whole_answer(caller: httpx.AsyncClient) -> None:
    async with caller.stream("POST", CHAT, json={"model": "breaks", "stream": True}) as response:
        pieces = response.aiter_text()
        assert await anext(pieces) == FIRST
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(pieces)
    row = await read_row(caller, response.headers["helicone-id"])
    assert row["response_status"] == -100
    assert await content_of(row) == ("Qubits hold ", BROKEN_OFF)


async def test_provider_that_stalls_times_out(
    caller: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_client, "READ_TIMEOUT_S", 0.1)
    async with caller.stream("POST", CHAT, json={"model": "silent", "stream": True}) as response:
        with pytest.raises(httpx.RemoteProtocolError):
            await response.aread()
    row = await read_row(caller, response.headers["helicone-id"])
    assert row["response_status"] == -2

    response = await caller.post(CHAT, json={"model": "mute"}, headers={"Helicone-Request-Id": "r"})
    body = error("the provider took too long", "api_error", "upstream_timeout")
    assert (response.status_code, response.json()) == (504, body)
    assert (response.headers["helicone-id"], response.headers["helicone-status"]) == ("r", "failed")
    assert (await read_row(caller, "r"))["response_status"] == -2


async def test_caller_may_ask_for_patience(
    caller: httpx.AsyncClient, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_client, "READ_TIMEOUT_S", 0.05)
    headers = {"Helicone-Increase-Timeout": "true"}
    async with caller.stream("POST", CHAT, json=STREAM, headers=headers) as response:
        pieces = response.aiter_text()
        await anext(pieces)
        await asyncio.sleep(0.1)
        provider.release()
        assert "".join([piece async for piece in pieces]) == REST


async def test_provider_that_cannot_be_reached_is_named_as_the_cause(start_service: StartService) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = "http://{}:{}".format(*closed.getsockname())
        client = await (await start_service(gateway_targets=address)).client()
        client.headers["X-Api-Key"] = KEY
        response = await client.post(CHAT, json=STREAM)
    message = "the provider could not be reached, or the connection broke"
    body = error(message, "api_error", "upstream_unreachable")
    assert (response.status_code, response.json()) == (502, body)
    row = await read_row(client, response.headers["helicone-id"])
    assert (row["response_status"], row["request_body"], row["response_body"]) == (-100, STREAM, None)


# The database


def name_of(dsn: str) -> str:
    return urlsplit(dsn).path.removeprefix("/")


async def take_away(server: str, dsn: str) -> None:
    connection = await asyncpg.connect(server)
    name = name_of(dsn)
    await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    terminate = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1"
    await connection.fetch(terminate, name)
    await connection.close()


async def give_back(server: str, dsn: str) -> None:
    connection = await asyncpg.connect(server)
    await connection.execute(
        f"ALTER DATABASE {dsn.rpartition('/')[2].partition('?')[0]} ALLOW_CONNECTIONS true"
    )
    await connection.close()


async def test_database_that_is_away_breaks_no_stream(
    caller: httpx.AsyncClient,
    provider: Provider,
    server: str,
    dsn: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(late_log, "_AWAY_PAUSE_S", 0.02)
    async with caller.stream("POST", CHAT, json=STREAM) as response:
        pieces = response.aiter_text()
        await anext(pieces)
        await take_away(server, dsn)
        provider.release()
        assert "".join([piece async for piece in pieces]) == REST
    while "forwarded calls wait to be logged" not in caplog.text:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    await give_back(server, dsn)
    row = await read_row(caller, response.headers["helicone-id"])
    assert row["response_status"] == 200
    assert caplog.text.count("forwarded calls wait to be logged") == 1


async def unlogged(client: httpx.AsyncClient) -> float:
    lines = (await client.get("/metrics")).text.splitlines()
    [value] = [line.split()[1] for line in lines if line.startswith("heliscore_gateway_unlogged_total ")]
    return float(value)


async def test_what_cannot_wait_is_counted_and_said(
    caller: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = await unlogged(caller)
    monkeypatch.setattr(late_log, "MAX_WAITING_BYTES", 2000)
    for _ in range(2):
        response = await caller.post(CHAT, json={"model": "gpt-4"})
        assert response.status_code == 200
    await logged(caller)
    assert await unlogged(caller) == before + 2
    said = [line.getMessage() for line in caplog.records if line.levelno >= logging.WARNING]
    assert said == ["forwarded calls are lost to the log: see heliscore_gateway_unlogged_total"]
    assert (await caller.get(f"/v1/request/{response.headers['helicone-id']}")).status_code == 404


async def test_defect_loses_one_call_and_no_other(
    caller: httpx.AsyncClient, dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("ALTER TABLE request ADD CONSTRAINT odd CHECK (user_id <> 'odd')")
    await connection.close()
    before = await unlogged(caller)
    for user in ("odd", "even"):
        response = await caller.post(CHAT, json={"model": "gpt-4", "user": user})
    row = await read_row(caller, response.headers["helicone-id"])
    assert (row["request_user_id"], await unlogged(caller)) == ("even", before + 1)
    assert "defect in the logging of a forwarded call" in caplog.text


# The end of the service


@pytest.fixture
async def stopping(
    dsn: str, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[http_server.HttpServer, httpx.AsyncClient, asyncio.Task[None]]]:
    """A service that gives calls a second to end, a client of it, and its end."""
    monkeypatch.setattr(http_server, "_DRAIN_S", 1)
    listener = listening_socket()
    server = make_server(Settings(database_url=dsn, log_level="warning", gateway_targets=provider.address))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    connection = await asyncpg.connect(dsn)
    key = await register_key(connection, "default", "rw")
    await connection.close()
    async with httpx.AsyncClient(
        base_url="http://{}:{}".format(*listener.getsockname()),
        headers={"Authorization": f"Bearer {key}", "X-Api-Key": KEY},
        verify=NO_CERTIFICATES,
    ) as client:
        yield server, client, serving
    server.should_exit = True
    await serving


async def read_logged(dsn: str) -> list[tuple[int, Json]]:
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("SELECT status, response_body #>> '{}' FROM request")
    await connection.close()
    return [(status, body) for status, body in rows]


async def test_stream_may_end_while_the_service_stops(
    stopping: tuple[http_server.HttpServer, httpx.AsyncClient, asyncio.Task[None]],
    provider: Provider,
    dsn: str,
) -> None:
    server, client, serving = stopping
    async with client.stream("POST", CHAT, json=STREAM) as response:
        pieces = response.aiter_text()
        await anext(pieces)
        server.should_exit = True
        await asyncio.sleep(0.2)  # uvicorn looks ten times a second
        provider.release()
        assert "".join([piece async for piece in pieces]) == REST
    await serving
    [(status, body)] = await read_logged(dsn)
    assert (status, "[1] several states." in str(body)) == (200, True)


async def test_stream_that_outlasts_the_service_is_cut_off_and_logged(
    stopping: tuple[http_server.HttpServer, httpx.AsyncClient, asyncio.Task[None]],
    provider: Provider,
    dsn: str,
) -> None:
    server, client, serving = stopping
    async with client.stream("POST", CHAT, json=STREAM) as response:
        server.should_exit = True
        with pytest.raises(httpx.RemoteProtocolError):
            await response.aread()
    await serving
    assert await asyncio.to_thread(provider.left.wait, 10)
    [(status, body)] = await read_logged(dsn)
    assert (status, "broken_off" in str(body)) == (-100, True)


# Keys


async def test_keys_are_nowhere(
    caller: httpx.AsyncClient, dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "heliscore")
    own = caller.headers["authorization"].removeprefix("Bearer ")
    answers = []
    for model in ("gpt-4", "echo", "breaks", "mute", "bad"):
        path = f"/v1/gateway/oai/v1/chat/completions?key={KEY}"
        headers = {"Helicone-Auth": f"Bearer {own}", "Authorization": f"Bearer {KEY}"}
        try:
            async with asyncio.timeout(0.5 if model == "mute" else 30):
                answers.append(
                    await caller.post(path, json={"model": model, "stream": False}, headers=headers)
                )
        except (TimeoutError, httpx.RemoteProtocolError):
            pass
    await logged(caller)
    metrics = (await caller.get("/metrics")).text
    own_connection = await asyncpg.connect(dsn)
    tables = [
        name
        for (name,) in await own_connection.fetch(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        )
    ]
    rows = [str(await own_connection.fetch(f"SELECT t::text FROM {table} AS t")) for table in tables]
    await own_connection.close()
    assert sum("chat/completions" in row for row in rows) >= 1
    assert any("wrong key: Bearer …" in row for row in rows)
    written = "\n".join([*rows, caplog.text, metrics, *(str(answer.headers) for answer in answers)])
    assert KEY not in written
    assert own not in written
