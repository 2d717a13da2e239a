"""Requests that hold more than a process can hold at once."""

from __future__ import annotations

import asyncpg
import httpx
import pytest

from tests.api.envelope import COUNT, QUERY, ids, post, scores
from tests.conftest import Service, StartService

BODY_BYTES = 10_000_000
LIMIT_BYTES = 64 * 1024 * 1024
TOO_LARGE = {
    "data": None,
    "error": f"the requests found hold more than {LIMIT_BYTES} bytes of JSON, ask for fewer on a page",
}
NEWEST = {"sort": {"created_at": "desc"}}
BEST = {"sort": {"scores": {"accuracy": "desc"}}}
ANY = {"filter": {"left": scores(accuracy={"gt": 5}), "operator": "or", "right": scores(accuracy={"lt": 6})}}


@pytest.fixture
async def narrow(start_service: StartService) -> Service:
    """A service of one connection."""
    return await start_service(pool_size=1)


@pytest.fixture
async def laden(narrow: Service) -> httpx.AsyncClient:
    """A client with eight requests, r8 the newest and best, of which six can be read at once."""
    client = await narrow.client()
    for number in range(1, 9):
        await post(client, f"r{number}", {"accuracy": number})
    connection = await asyncpg.connect(narrow.dsn)
    await connection.execute("UPDATE request SET request_body = to_jsonb(repeat('é', $1))", BODY_BYTES // 2)
    await connection.close()
    return client


@pytest.mark.parametrize("body", [NEWEST, BEST, ANY], ids=["newest", "best", "any of"])
async def test_page_that_holds_too_much_is_refused_and_a_shorter_one_is_whole(
    laden: httpx.AsyncClient, body: dict[str, object]
) -> None:
    asked = {"filter": "all", **body}
    for _ in range(2):  # the connection is as good as before
        error_response = await laden.post(QUERY, json={**asked, "limit": 7})
        assert (error_response.status_code, error_response.json()) == (400, TOO_LARGE)
    taken = await laden.post(QUERY, json={**asked, "limit": 2})
    assert taken.status_code == 200
    rows = taken.json()["data"]
    assert [row["request_id"] for row in rows] == ["r8", "r7"]
    assert {row["request_body"] for row in rows} == {"é" * (BODY_BYTES // 2)}


async def test_what_reads_no_bodies_is_never_too_large(laden: httpx.AsyncClient, narrow: Service) -> None:
    counted = await laden.post(COUNT, json={"filter": "all"})
    assert counted.json() == {"data": 8, "error": None}
    key = laden.headers["authorization"].removeprefix("Bearer ")
    body = {"per_page": 8}
    found = await laden.post("/api/public/v2/requests/search", json=body, headers={"X-API-KEY": key})
    assert found.status_code == 200
    assert [item["id"] for item in found.json()["items"]] == [f"r{number}" for number in range(8, 0, -1)]
    async with httpx.AsyncClient(base_url=narrow.address, timeout=30) as client:
        await client.post("/sign-in", data={"key": key})
        page = await client.get("/requests")
    assert page.status_code == 200
    assert all(f"/requests/r{number}" in page.text for number in range(1, 9))


async def test_limit_counts_for_each_call_anew(laden: httpx.AsyncClient) -> None:
    for _ in range(3):  # on the one connection, twice as much as it may read for a call
        assert await ids(laden, limit=4) == ["r8", "r7", "r6", "r5"]
