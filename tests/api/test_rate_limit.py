"""`HELISCORE_RATE_LIMIT`: so many calls of a key in a minute, whichever process they reach."""

from __future__ import annotations

import asyncio

import asyncpg
import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest
from heliscore.api.http.rate_limit import RateLimiter
from heliscore.domain.api_key import mint_key
from heliscore.endpoint_table import ENDPOINTS
from heliscore.store import rate_windows
from heliscore.store.connections.pool import Database

from tests.api import promptlayer
from tests.api.calls import PROTECTED, call, name_of
from tests.api.envelope import DONE
from tests.conftest import Service, StartService

LIMIT = 5
SCORES = {"scores": {"accuracy": 1}}
PATH = "/v1/request/r/score"


async def execute(dsn: str, statement: str, *arguments: object) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement, *arguments)
    await connection.close()


async def counted(dsn: str) -> list[int]:
    """The calls that the database knows of, key by key."""
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("SELECT calls FROM rate_window ORDER BY api_key_id")
    await connection.close()
    return [calls for (calls,) in rows]


async def end_window_in(dsn: str, seconds: float) -> None:
    """Let it be that long ago that the keys' windows began."""
    statement = "UPDATE rate_window SET window_start = now() - (60 - $1) * interval '1 second'"
    await execute(dsn, statement, seconds)


def announced(response: httpx.Response) -> tuple[int, int]:
    """The limit and what is left of it; the window ends within a minute."""
    assert 1 <= int(response.headers["ratelimit-reset"]) <= 60
    return int(response.headers["ratelimit-limit"]), int(response.headers["ratelimit-remaining"])


def words(seconds: int) -> str:
    return f"more than {LIMIT} calls with this key in a minute, please try again in {seconds} s"


def assert_refused(response: httpx.Response) -> None:
    seconds = int(response.headers["retry-after"])
    assert (response.status_code, response.json()) == (429, {"data": None, "error": words(seconds)})
    assert announced(response) == (LIMIT, 0)
    assert response.headers["ratelimit-reset"] == str(seconds)


@pytest.fixture
async def limited(start_service: StartService) -> Service:
    return await start_service(rate_limit=LIMIT)


async def test_calls_beyond_the_limit_are_refused_and_do_nothing(limited: Service) -> None:
    client = await limited.client()
    for number in range(1, LIMIT + 1):
        response = await client.post(PATH, json={"scores": {"accuracy": number}})
        assert (response.status_code, response.json()) == (200, DONE)
        assert announced(response) == (LIMIT, LIMIT - number)
        assert "retry-after" not in response.headers
    for _ in range(3):
        assert_refused(await client.post(PATH, json={"scores": {"accuracy": 100}}))
    reader = await limited.client()
    assert (await reader.get("/v1/request/r")).json()["data"]["scores"] == {"accuracy": LIMIT}


async def test_refusals_cost_the_database_nothing(limited: Service) -> None:
    client = await limited.client()
    answers = [(await client.post(PATH, json=SCORES)).status_code for _ in range(LIMIT + 20)]
    assert answers == [200] * LIMIT + [429] * 20
    assert await counted(limited.dsn) == [LIMIT]


async def test_limit_is_exact_across_services(start_service: StartService) -> None:
    services = [await start_service(rate_limit=40), await start_service(rate_limit=40)]
    key = await services[0].make_key()
    clients = [await service.client(key=key) for service in services]
    answers = await asyncio.gather(*(clients[n % 2].post(PATH, json=SCORES) for n in range(80)))
    allowed = [response for response in answers if response.status_code == 200]
    assert len(allowed) == 40
    assert sorted(int(response.headers["ratelimit-remaining"]) for response in allowed) == list(range(40))
    assert {response.status_code for response in answers} == {200, 429}


async def test_next_window_begins_a_minute_after_the_first_call(limited: Service) -> None:
    client = await limited.client()
    await client.post(PATH, json=SCORES)
    await end_window_in(limited.dsn, 3)
    answers = [await client.post(PATH, json=SCORES) for _ in range(LIMIT)]
    assert [answer.status_code for answer in answers] == [200] * (LIMIT - 1) + [429]
    assert answers[-1].headers["retry-after"] in ("1", "2", "3")
    await asyncio.sleep(int(answers[-1].headers["retry-after"]))
    response = await client.post(PATH, json=SCORES)
    assert (response.status_code, announced(response)) == (200, (LIMIT, LIMIT - 1))
    assert response.headers["ratelimit-reset"] == "60"


async def test_clock_that_was_set_back_begins_a_new_window(limited: Service) -> None:
    client = await limited.client()
    await client.post(PATH, json=SCORES)
    await execute(limited.dsn, "UPDATE rate_window SET window_start = now() + interval '1 hour', calls = 99")
    response = await client.post(PATH, json=SCORES)
    assert (response.status_code, announced(response)) == (200, (LIMIT, LIMIT - 1))


async def test_each_key_has_a_limit_of_its_own(limited: Service) -> None:
    first, second = await limited.client(), await limited.client()
    for _ in range(LIMIT + 1):
        response = await first.post(PATH, json=SCORES)
    assert_refused(response)
    response = await second.post(PATH, json=SCORES)
    assert (response.status_code, announced(response)) == (200, (LIMIT, LIMIT - 1))


async def test_every_endpoint_counts_and_refuses_in_its_dialect(start_service: StartService) -> None:
    service = await start_service(rate_limit=1)
    document = (await (await service.client(key="")).get("/openapi.json")).json()
    for endpoint in PROTECTED:
        client = await service.client()
        response = await call(client, endpoint)
        assert (response.status_code == 429, announced(response)) == (False, (1, 0)), name_of(endpoint)
        response = await call(client, endpoint)
        assert (response.status_code, announced(response)) == (429, (1, 0)), name_of(endpoint)
        described = document["paths"][endpoint.path][endpoint.method.lower()]["responses"]["429"]
        schema = described["content"]["application/json"]["schema"]
        jsonschema.validate(response.json(), {**schema, "components": document["components"]})
        assert {name for name in described["headers"] if name not in response.headers} == set()


async def test_refusal_of_another_kind_counts_too(limited: Service) -> None:
    client = await limited.client(permissions="r")
    for remaining, (path, status) in enumerate([("/v1/request/query", 400), (PATH, 403)], 1):
        response = await client.post(path, json={})
        assert (response.status_code, announced(response)) == (status, (LIMIT, LIMIT - remaining))


async def test_call_without_a_good_key_is_not_counted(limited: Service) -> None:
    anonymous, stranger = await limited.client(key=""), await limited.client(key=mint_key())
    for client in (anonymous, stranger):
        for _ in range(LIMIT + 1):
            response = await client.post(PATH, json=SCORES)
            assert response.status_code == 401
            assert "ratelimit-limit" not in response.headers
    assert await counted(limited.dsn) == []


async def test_public_endpoints_are_free(limited: Service) -> None:
    client = await limited.client()
    for _ in range(LIMIT + 1):
        await client.post(PATH, json=SCORES)
    for endpoint in ENDPOINTS:
        if endpoint.permission is None:
            response = await client.get(endpoint.path)
            assert response.status_code == (404 if "{" in endpoint.path else 200)
            assert "ratelimit-limit" not in response.headers


async def test_key_in_a_body_is_counted_like_one_in_a_header(limited: Service) -> None:
    key = await limited.make_key()
    in_header, in_body = await promptlayer.make_client(limited, key=key), await limited.client(key="")
    body = {"request_id": 7, "score": 5}
    for _ in range(LIMIT - 1):
        assert (await in_header.post("/rest/track-score", json=body)).status_code == 200
    assert (await in_body.post("/rest/track-score", json=body | {"api_key": key})).status_code == 200
    response = await in_body.post("/rest/track-score", json=body | {"api_key": key})
    assert response.status_code == 429
    assert response.json() == promptlayer.error_response(words(int(response.headers["retry-after"])))


async def test_nothing_is_counted_or_said_without_a_limit(service: Service) -> None:
    response = await (await service.client()).post(PATH, json=SCORES)
    assert response.status_code == 200
    assert [name for name in response.headers if name.startswith("ratelimit")] == []
    assert await counted(service.dsn) == []


async def test_database_that_is_away_is_unavailable_not_free(limited: Service) -> None:
    client = await limited.client()
    await client.post(PATH, json=SCORES)
    await execute(limited.dsn, "ALTER TABLE rate_window RENAME TO elsewhere")
    response = await client.post(PATH, json=SCORES)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    await execute(limited.dsn, "ALTER TABLE elsewhere RENAME TO rate_window")
    assert (await client.post(PATH, json=SCORES)).status_code == 200


async def test_limiter_asks_the_database_no_more_once_a_window_is_used_up(database: Database) -> None:
    key_id = 1
    limiter = RateLimiter(database, 3)
    counts = [await limiter.count(key_id) for _ in range(10)]
    assert [(count.remaining, count.exceeded) for count in counts] == [
        *((2, False), (1, False), (0, False)),
        *[(0, True)] * 7,
    ]
    async with database.connection() as lent:
        assert (await rate_windows.count_call(lent, key_id))[0] == 4
