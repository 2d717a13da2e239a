"""When the database cannot: 503 with Retry-After, and all is well again by itself afterwards."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import asyncpg
import httpx
import pytest
from heliscore.domain.api_key import mint_key
from heliscore.store import keys, organizations
from heliscore.store.connections.pool import Connection

from tests.api.envelope import encoded, ids, log, one, post, read, scores_of
from tests.conftest import TEMPLATE, Service, StartService, at_database
from tests.servers import CROWDED_S

CROWDED = "too many calls wait for the database, please try again"
AWAY = "the database is not available just now, please try again"
SCORES = {"scores": {"accuracy": 95}}
ALL = {"filter": "all"}

TERMINATE = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

COUNT_WAITING = """
SELECT count(*) FROM pg_stat_activity, pg_sleep(0.01)
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
async def connection(dsn: str) -> AsyncIterator[Connection]:
    """A connection to the test's own database."""
    async with connected(dsn) as connection:
        yield connection


@pytest.fixture
async def organization_id(connection: Connection) -> int:
    return await organizations.ensure(connection)


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def locked(dsn: str, tables: str) -> AsyncIterator[None]:
    """Keep everybody from the tables, also from reading them."""
    async with connected(dsn) as connection, connection.transaction():
        await connection.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
        yield


def assert_unavailable(response: httpx.Response, error: str = AWAY) -> None:
    assert (response.status_code, response.json()) == (503, {"data": None, "error": error})
    assert response.headers["content-type"] == "application/json"
    assert int(response.headers["retry-after"]) >= 1


async def every_call(client: httpx.AsyncClient) -> tuple[httpx.Response, ...]:
    """The answers of a write, three reads and the look at the service's health."""
    return await asyncio.gather(
        client.post("/v1/request/r/score", json=SCORES),
        client.post("/v1/request/query", json=ALL),
        client.post("/v1/request/count/query", json=ALL),
        client.get("/v1/request/r"),
        client.get("/readyz"),
    )


# The database is away


async def test_lost_connections_are_replaced(start_service: StartService, connection: Connection) -> None:
    service = await start_service(pool_size=4)
    client = await service.client()
    await asyncio.gather(*(post(client, f"r{number}", {"a": 1}) for number in range(8)))
    await connection.execute(TERMINATE)
    deadline = time.monotonic() + 30
    while (response := await client.post("/v1/request/new/score", json=SCORES)).status_code != 200:
        assert_unavailable(response)
        assert time.monotonic() < deadline
    assert await scores_of(client, "new") == {"accuracy": 95}


async def test_call_whose_connection_is_cut_is_refused_and_stores_nothing(
    service: Service, connection: Connection
) -> None:
    client = await service.client()
    await post(client, "other", {"accuracy": 1})
    async with locked(service.dsn, "score"):
        call = asyncio.create_task(client.post("/v1/request/r/score", json=SCORES))
        while not await connection.fetchval(COUNT_WAITING):
            pass
        await connection.execute(f"{TERMINATE} AND wait_event_type = 'Lock'")
        assert_unavailable(await call)
    assert await read(client, "r") is None
    await post(client, "r", {"accuracy": 95})


@pytest.fixture
async def replaceable(start_service: StartService, server: str) -> AsyncIterator[Replaceable]:
    """A service on a database that can be dropped and made anew under it."""
    name = f"test_{uuid.uuid4().hex}"
    dsn = at_database(server, name)
    key = mint_key()
    async with connected(server) as admin:
        await create(admin, name, dsn, key)
        service = await start_service(database_url=dsn)
        client = await service.client(key=key)

        async def drop() -> None:
            await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

        yield Replaceable(client, drop, lambda: create(admin, name, dsn, key))
        await drop()


class Replaceable(NamedTuple):
    client: httpx.AsyncClient
    drop: Callable[[], Awaitable[None]]
    make: Callable[[], Awaitable[None]]


async def test_dropped_database_is_unavailable_until_it_is_back(replaceable: Replaceable) -> None:
    client = replaceable.client
    await post(client, "r", {"before": 1})
    await replaceable.drop()
    for response in await every_call(client):
        assert_unavailable(response)
    assert (await client.get("/healthz")).status_code == 200
    await replaceable.make()
    await let_notice(client)
    await post(client, "r", {"after": 1})
    assert await scores_of(client, "r") == {"after": 1}


async def test_score_that_another_database_knew_is_seen_in_a_restored_one(replaceable: Replaceable) -> None:
    client = replaceable.client
    await post(client, "r", {"accuracy": 1})
    await replaceable.drop()
    await replaceable.make()
    await let_notice(client)
    await post(client, "r", {"accuracy": 95, "tone": 3})
    assert await scores_of(client, "r") == {"accuracy": 95, "tone": 3}


async def let_notice(client: httpx.AsyncClient) -> None:
    """The first call to another database is not written to it: the caller is told to come again."""
    assert_unavailable(await client.post("/v1/request/r/score", json={"scores": {"between": 1}}))


async def create(admin: Connection, name: str, dsn: str, key: str) -> None:
    """Make a migrated database that knows the key."""
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    async with connected(dsn) as connection:
        id_ = await organizations.ensure(connection)
        await keys.register(connection, id_, key, name="test")


async def test_closed_database_is_unavailable_until_it_is_opened(
    service: Service, server: str, connection: Connection
) -> None:
    client = await service.client()
    await post(client, "r", {"accuracy": 1})
    name = await connection.fetchval("SELECT current_database()")
    async with connected(server) as admin:
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await connection.execute(TERMINATE)
        try:
            for response in await every_call(client):
                assert_unavailable(response)
        finally:
            await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert [response.status_code for response in await every_call(client)] == [200] * 5


async def test_database_that_only_reads_is_unavailable_for_writing(
    service: Service, connection: Connection
) -> None:
    client = await service.client()
    await post(client, "r", {"accuracy": 1})
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await connection.execute(TERMINATE)
    write, *reads = await every_call(client)
    assert_unavailable(write)
    assert [response.status_code for response in reads] == [200] * 4
    await connection.execute("SET default_transaction_read_only = off")
    await connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await connection.execute(TERMINATE)
    assert [response.status_code for response in await every_call(client)] == [200] * 5


async def test_database_without_a_schema_is_unavailable(start_service: StartService, empty_dsn: str) -> None:
    service = await start_service(database_url=empty_dsn)
    client = await service.client(key="sk-of-a-service-that-was-not-migrated")
    for response in await every_call(client):
        assert response.status_code == 503
        assert response.json().keys() == {"data", "error"}


# The database is slow


@pytest.fixture
async def hasty(start_service: StartService) -> Service:
    """A service that waits a second for a statement."""
    return await start_service(statement_timeout_ms=1000)


UNWRITTEN = "the scores could not be written in time, please try again"
SLOW = "the database took longer than the limit of 1000 ms; narrow the filter or the time range"


async def test_slow_statement_is_cut_off(hasty: Service) -> None:
    client = await hasty.client()
    await post(client, "r", {"accuracy": 1})
    await client.post("/v1/request/r/score", json=SCORES)
    async with locked(hasty.dsn, "request, score"):
        write, *reads, _ = await every_call(client)
        assert_unavailable(write, UNWRITTEN)
        for response in reads:
            assert_unavailable(response, SLOW)
    assert [response.status_code for response in await every_call(client)] == [200] * 5


async def test_post_that_was_cut_off_stores_nothing(hasty: Service) -> None:
    client = await hasty.client()
    await post(client, "other", {"accuracy": 1})
    async with locked(hasty.dsn, "score"):
        assert_unavailable(await client.post("/v1/request/r/score", json=SCORES), UNWRITTEN)
    assert await ids(client) == ["other"]


async def test_heavy_query_is_cut_off(hasty: Service, connection: Connection, organization_id: int) -> None:
    client = await hasty.client()
    await connection.execute(
        """
        INSERT INTO request (organization_id, request_id, created_at, updated_at, request_body)
        SELECT $1, n::text, now(), now(), to_jsonb(repeat('ab', 20000)) FROM generate_series(1, 2000) AS n
        """,
        organization_id,
    )
    heavy: Any = {"request_response_rmt": {"request_body": {"ilike": "%c%"}}}
    for n in range(30):
        other = {"request_response_rmt": {"request_body": {"ilike": f"%c{n}%"}}}
        heavy = {"left": heavy, "operator": "or", "right": other}
    begun = time.monotonic()
    assert_unavailable(await client.post("/v1/request/query", json={"filter": heavy}), SLOW)
    assert time.monotonic() - begun < 1 + CROWDED_S
    assert await ids(client, one("7")) == ["7"]


async def test_call_that_gets_no_connection_is_refused(
    start_service: StartService, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heliscore.store.connections.pool._ACQUIRE_TIMEOUT_S", 1)
    service = await start_service(pool_size=1)
    client = await service.client()
    await post(client, "r", {"accuracy": 1})
    async with locked(service.dsn, "score"):
        first = asyncio.create_task(client.post("/v1/request/query", json=ALL))
        while not await connection.fetchval(COUNT_WAITING):
            pass
        assert_unavailable(await client.post("/v1/request/query", json=ALL), CROWDED)
    assert (await first).status_code == 200


# Requests that were never logged, where they are refused


@pytest.fixture
async def strict(start_service: StartService) -> Service:
    return await start_service(unknown_requests="reject")


@pytest.mark.parametrize("request_id", ["nope", "a/b", "日本語"])
async def test_scores_for_unknown_requests_are_refused_where_set_so(
    strict: Service, connection: Connection, request_id: str
) -> None:
    client = await strict.client()
    response = await client.post(f"/v1/request/{encoded(request_id)}/score", json=SCORES)
    assert response.status_code == 404
    assert response.json() == {"data": None, "error": f"there is no request {request_id}"}
    assert await ids(client) == []
    assert await connection.fetchval("SELECT count(*) FROM score") == 0


async def test_scores_for_known_requests_are_taken_where_others_are_refused(
    strict: Service, connection: Connection, organization_id: int
) -> None:
    client = await strict.client()
    await log(connection, organization_id, "r", "2026-01-01T00:00:00Z")
    await post(client, "r", {"accuracy": 95})
    assert await scores_of(client, "r") == {"accuracy": 95}


async def test_request_of_another_organization_is_unknown(
    strict: Service, connection: Connection, organization_id: int
) -> None:
    await log(connection, organization_id, "r", "2026-01-01T00:00:00Z")
    stranger = await strict.client("another")
    response = await stranger.post("/v1/request/r/score", json=SCORES)
    assert response.status_code == 404
    assert await ids(await strict.client(), isScored=True) == []
