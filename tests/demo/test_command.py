"""`heliscore demo` as a process, beside a service that runs."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable

import asyncpg
import pytest
from heliscore.demo import organization
from heliscore.store import organizations

from tests.conftest import Service
from tests.demo.test_organization import COUNT, fill
from tests.test_cli import KEY, Finished, assert_fails, run_with

Run = Callable[..., Finished]


@pytest.fixture
def demo(dsn: str) -> Run:
    """Run `heliscore demo` on the test's database."""
    return lambda *arguments, port="1": run_with("demo", *arguments, DATABASE_URL=dsn, PORT=port)


async def count_requests(service: Service, key: str) -> int:
    client = await service.client(key=key)
    return len((await client.post("/v1/request/query", json={"filter": "all", "limit": 1000})).json()["data"])


async def test_demo_prints_a_key_that_sees_it_and_where_to_sign_in(service: Service, demo: Run) -> None:
    port = service.address.rpartition(":")[2]
    finished = await asyncio.to_thread(demo, "--requests", "80", "--days", "3", port=port)
    assert (finished.returncode, finished.stderr) == (0, "Filling demo\n")
    [first, second] = finished.stdout.splitlines()
    found = re.fullmatch(rf"API key of organization demo, shown only once: ({KEY.pattern})", first)
    assert found
    assert second == f"Sign in with a key: {service.address}/sign-in"
    assert await count_requests(service, found[1]) == 80
    again = await asyncio.to_thread(demo, "--requests", "80", "--days", "3")
    assert (
        again.stdout == "API keys exist already; create another: heliscore keys create --organization demo\n"
    )
    assert await count_requests(service, found[1]) == 80


async def test_demo_of_another_database_than_the_services_offers_no_sign_in(
    service: Service, empty_dsn: str
) -> None:
    port = service.address.rpartition(":")[2]
    options = ["--requests", "5", "--days", "1"]
    finished = await asyncio.to_thread(run_with, "demo", *options, DATABASE_URL=empty_dsn, PORT=port)
    assert finished.stdout.splitlines()[1] == (
        f"No service at {service.address} knows this key: start one on this database, and sign in there"
    )


async def test_removal_beside_a_client_that_goes_on_posting(
    service: Service, demo: Run, connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    id_, key = await organization.ensure(connection, "demo")
    await fill(connection, id_)
    client = await service.client(key=key)
    answers: set[int] = set()
    first, over = asyncio.Event(), asyncio.Event()

    async def post() -> None:
        for number in itertools.count():
            if over.is_set():
                return
            url, body = f"/v1/request/mine{number % 7}/score", {"scores": {f"name{number % 11}": number}}
            answers.add((await client.post(url, json=body)).status_code)
            first.set()
            await asyncio.sleep(0.01)

    posting = asyncio.create_task(post())
    await first.wait()
    removed = await asyncio.to_thread(demo, "--remove", "--yes")
    over.set()
    await posting
    assert (removed.returncode, removed.stderr) == (0, "Removing demo\n")
    assert re.fullmatch(
        r"removed the organization demo, its keys, scores and 12\d requests, \d of them not from the demo\n",
        removed.stdout,
    )
    assert answers == {200, 401}
    for table in ("request", "score", "score_name", "api_key"):
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_removal_without_an_answer_removes_nothing(
    demo: Run, connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    id_, _ = await organization.ensure(connection, "demo")
    await fill(connection, id_)
    asked = await asyncio.to_thread(demo, "--remove")
    assert (asked.returncode, asked.stdout) == (
        130,
        f"Remove the organization demo, its keys, scores and {COUNT} requests? [y/N]: ",
    )
    assert await connection.fetchval("SELECT count(*) FROM request") == COUNT


@pytest.mark.parametrize("options", [[], ["--remove", "--yes"]], ids=["fill", "remove"])
async def test_organization_of_somebody_is_left_alone(
    demo: Run, connection: asyncpg.Connection[asyncpg.Record], options: list[str]
) -> None:
    await organizations.ensure(connection)
    finished = await asyncio.to_thread(demo, "--organization", "default", *options)
    assert_fails(finished, "the organization default was not made by heliscore demo, and is left alone")
