"""Many writers at once, also in several processes: nothing is lost, and what was answered 200 is seen."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

import httpx
import pytest

from tests.api.envelope import COUNT, DONE, QUERY, encoded, ids, post, scores_of
from tests.conftest import Service, StartService


async def together(*writers: Coroutine[Any, Any, None]) -> None:
    """Run them all at once; the first failure is the test's."""
    async with asyncio.TaskGroup() as group:
        for writer in writers:
            group.create_task(writer)


@pytest.fixture
async def two_clients(start_service: StartService) -> list[httpx.AsyncClient]:
    """Clients of two services on one database, as two processes are."""
    services = [await start_service(), await start_service()]
    key = await services[0].make_key()
    return [await service.client(key=key) for service in services]


async def test_writers_of_one_request_lose_no_name(client: httpx.AsyncClient) -> None:
    async def write(number: int) -> None:
        await post(client, "r", {f"name {number}": number})
        row = (await client.get("/v1/request/r")).json()["data"]
        assert row["scores"][f"name {number}"] == number

    await together(*map(write, range(64)))
    assert await scores_of(client, "r") == {f"name {number}": number for number in range(64)}


async def test_writers_in_two_processes_lose_no_name(two_clients: list[httpx.AsyncClient]) -> None:
    async def write(number: int) -> None:
        await post(two_clients[number % 2], "r", {f"name {number}": number, "common": number})

    await together(*map(write, range(64)))
    for client in two_clients:
        scores = await scores_of(client, "r")
        assert scores is not None
        assert scores.pop("common") in range(64)
        assert scores == {f"name {number}": number for number in range(64)}


async def test_writers_of_the_same_names_in_any_order_do_not_deadlock(
    two_clients: list[httpx.AsyncClient],
) -> None:
    names = [f"name {number}" for number in range(20)]

    async def write(number: int) -> None:
        order = random.Random(number)
        for _ in range(4):
            request_id = f"r{order.randrange(3)}"
            await post(two_clients[number % 2], request_id, dict.fromkeys(order.sample(names, 20), number))

    await together(*map(write, range(24)))
    for request_id in ("r0", "r1", "r2"):
        scores = await scores_of(two_clients[0], request_id)
        assert scores is not None
        assert scores.keys() == set(names)
        # Every call is all or nothing: the last one wrote all the names.
        assert len(set(scores.values())) == 1


async def test_first_scores_of_one_request_make_one_request(two_clients: list[httpx.AsyncClient]) -> None:
    for round_ in range(5):
        await together(
            *(post(two_clients[number % 2], f"r{round_}", {"accuracy": 95}) for number in range(8))
        )
    assert await ids(two_clients[0]) == ["r4", "r3", "r2", "r1", "r0"]


async def test_posts_to_many_requests_are_all_kept(client: httpx.AsyncClient) -> None:
    await together(
        *(post(client, f"r{number}", {"number": number, "even": number % 2 == 0}) for number in range(300))
    )
    response = await client.post("/v1/request/query", json={"filter": "all", "limit": 1000})
    assert {row["request_id"]: row["scores"] for row in response.json()["data"]} == {
        f"r{number}": {"number": number, "even": int(number % 2 == 0)} for number in range(300)
    }


async def test_every_endpoint_of_every_process_shows_what_was_just_posted(
    two_clients: list[httpx.AsyncClient],
) -> None:
    for number in range(20):
        writer, reader = two_clients[number % 2], two_clients[1 - number % 2]
        name = f"name {number}"
        await post(writer, f"r{number}", {name: number})
        assert await scores_of(reader, f"r{number}") == {name: number}
        condition = {"request_response_rmt": {"scores": {name: {"equals": number}}}}
        assert await ids(reader, condition) == [f"r{number}"]
        response = await reader.post(COUNT, json={"filter": "all", "isScored": True})
        assert response.json() == {"data": number + 1, "error": None}


async def test_replaced_score_is_seen_by_every_process_at_once(two_clients: list[httpx.AsyncClient]) -> None:
    for number in range(20):
        await post(two_clients[number % 2], "r", {"accuracy": number})
        assert [await scores_of(client, "r") for client in two_clients] == [{"accuracy": number}] * 2


async def test_readers_never_see_an_older_score(client: httpx.AsyncClient) -> None:
    await post(client, "r", {"accuracy": 0, "copy": 0})
    done = asyncio.Event()

    async def write() -> None:
        for number in range(1, 60):
            await post(client, "r", {"accuracy": number, "copy": number})
        done.set()

    async def watch() -> None:
        latest = 0
        while not done.is_set():
            row = (await client.get("/v1/request/r")).json()["data"]
            assert row["scores"]["accuracy"] == row["scores"]["copy"]
            assert row["scores"]["accuracy"] >= latest
            latest = row["scores"]["accuracy"]

    await together(write(), watch(), watch())
    assert await scores_of(client, "r") == {"accuracy": 59, "copy": 59}


async def test_client_that_does_not_wait_leaves_all_or_nothing(shared: Service, organization: str) -> None:
    client = await shared.client(organization)
    scores = {f"name {number}": number for number in range(256)}
    acknowledged = set()

    async def post_impatiently(number: int) -> None:
        path = f"/v1/request/{encoded(f'r{number}')}/score"
        try:
            response = await client.post(path, json={"scores": scores}, timeout=0.001 * (number + 1))
            assert response.json() == DONE
            acknowledged.add(f"r{number}")
        except httpx.TimeoutException:
            pass

    await together(*map(post_impatiently, range(20)))
    await post(client, "patient", scores)
    acknowledged.add("patient")
    # Writes of those who left may still be under way: each request is read once, by one statement.
    response = await client.post(QUERY, json={"filter": "all", "limit": 100})
    found = {row["request_id"]: row["scores"] for row in response.json()["data"]}
    assert found == dict.fromkeys(found, scores)
    assert found.keys() >= acknowledged
