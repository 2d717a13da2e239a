"""Helicone's webhooks: what they are made of, what they are sent, and a scorer that answers with a score."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from heliscore.api.helicone.webhook_message import TOO_LARGE
from heliscore.store.connections.pool import Connection

from tests.api.envelope import DONE, encoded, faulty, scores_of
from tests.conftest import StartService
from tests.outbound.receiver import Got, Receiver

PATH = "/v1/webhooks"
PUBLIC = "https://1.1.1.1/hook"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver().listening() as receiver:
        yield receiver


async def create(client: httpx.AsyncClient, destination: str = PUBLIC, **fields: object) -> dict[str, Any]:
    response = await client.post(PATH, json={"destination": destination, "config": {}, **fields})
    assert response.status_code == 200, response.text
    webhook: dict[str, Any] = response.json()["data"]
    return webhook


def log_body(request_id: str, request: object = None, env: str = "prod") -> dict[str, Any]:
    return {
        "providerRequest": {
            "url": "https://api.openai.com/v1/chat/completions",
            "json": request or {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "t": 1.0},
            "meta": {
                "Helicone-Request-Id": request_id,
                "Helicone-User-Id": "u",
                "Helicone-Property-Env": env,
            },
        },
        "providerResponse": {
            "json": {"model": "gpt-4o", "usage": {"prompt_tokens": 10, "completion_tokens": 15}},
            "status": 200,
            "headers": {},
        },
        "timing": {
            "startTime": {"seconds": 1767225600, "milliseconds": 0},
            "endTime": {"seconds": 1767225601, "milliseconds": 200},
        },
    }


async def log(client: httpx.AsyncClient, request_id: str, request: object = None, env: str = "prod") -> None:
    response = await client.post("/oai/v1/log", json=log_body(request_id, request, env))
    assert response.status_code == 200, response.text


def is_signed(got: Got, webhook: dict[str, Any]) -> bool:
    """As Helicone's documents check it, who sign what JSON.stringify makes of the body that was parsed."""
    digest = hmac.new(webhook["hmac_key"].encode(), got.body, "sha256").hexdigest()
    return got.headers["helicone-signature"] == digest


async def test_webhooks_are_created_listed_and_removed(client: httpx.AsyncClient) -> None:
    filters = [{"key": "Env", "value": "prod"}]
    config = {"sampleRate": 50, "propertyFilters": filters}
    webhook = await create(client, config=config | {"other": 1}, includeData=False)
    assert webhook == {
        "id": webhook["id"],
        "created_at": webhook["created_at"],
        "destination": PUBLIC,
        "version": "2024-10-22",
        "config": config | {"includeData": False},
        "hmac_key": webhook["hmac_key"],
    }
    assert len(bytes.fromhex(webhook["hmac_key"])) == 32
    other = await create(client)
    assert other["config"] == {"sampleRate": 100, "propertyFilters": [], "includeData": True}
    assert (await client.get(PATH)).json() == {"data": [webhook, other], "error": None}
    assert (await client.get("/v1/destinations")).json()["data"] == []
    answer = await client.delete(f"{PATH}/{webhook['id']}")
    assert (answer.status_code, answer.json()) == (200, DONE)
    assert (await client.get(PATH)).json()["data"] == [other]
    for id_ in (webhook["id"], "x"):
        answer = await client.delete(f"{PATH}/{id_}")
        expected = {"data": None, "error": f"there is no webhook {id_}"}
        assert (answer.status_code, answer.json()) == (404, expected)


async def test_key_that_only_reads_is_not_shown_what_signs(
    client: httpx.AsyncClient, shared: Any, organization: str
) -> None:
    await create(client)
    reader = await shared.client(organization, "r")
    assert [webhook["hmac_key"] for webhook in (await reader.get(PATH)).json()["data"]] == [None]


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, [("destination", "missing"), ("config", "missing")]),
        (
            {"destination": PUBLIC, "config": {"sampleRate": 101}},
            [("config.sampleRate", "expected a number from 0 to 100, got 101")],
        ),
        (
            {"destination": PUBLIC, "config": {"propertyFilters": [{"key": "a"}]}},
            [("config.propertyFilters[0].value", "missing")],
        ),
        (
            {"destination": "http://1.1.1.1/", "config": {}},
            [
                (
                    "destination",
                    "expected https://: only hosts that HELISCORE_OUTBOUND_ALLOW lists are called by http://",
                )
            ],
        ),
    ],
)
async def test_errors_are_listed(
    client: httpx.AsyncClient, body: dict[str, Any], errors: list[tuple[str, str]]
) -> None:
    answer = await client.post(PATH, json=body)
    assert (answer.status_code, answer.json()) == (400, faulty(*errors))


async def test_interest_in_requests_goes_with_the_last_webhook(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    statement = "SELECT type, source FROM event_interest WHERE organization_id = $1"
    webhook = await create(client)
    rows = await connection.fetch(statement, organization_id)
    assert [tuple(row) for row in rows] == [("request.logged", "destination")]
    await client.delete(f"{PATH}/{webhook['id']}")
    assert await connection.fetch(statement, organization_id) == []


async def test_scorer_is_sent_requests_and_posts_scores_back(
    start_service: StartService, receiver: Receiver
) -> None:
    """The vendor's documented way to run a scorer, end to end."""
    service = await start_service(outbound_allow="127.0.0.1")
    client = await service.client()
    config = {"propertyFilters": [{"key": "Env", "value": "prod"}]}
    webhook = await create(client, receiver.url, config=config)
    plain = await create(client, receiver.url + "/plain", config=config, includeData=False)

    posted = asyncio.Event()

    async def score(got: Got, writer: asyncio.StreamWriter) -> None:
        sent = json.loads(got.body)
        scored = {"scores": {"length": len(sent["request_body"]["messages"][0]["content"])}}
        if not got.path.endswith("plain"):
            answer = await client.post(f"/v1/request/{encoded(sent['request_id'])}/score", json=scored)
            assert answer.status_code == 200
            posted.set()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    receiver.behave = score
    await log(client, "other", env="dev")
    await log(client, "r/1")
    await receiver.arrived(2)
    by_path = {got.path: got for got in receiver.got}
    got, other = by_path["/hook"], by_path["/hook/plain"]
    assert is_signed(got, webhook)
    assert is_signed(other, plain)
    assert got.headers["content-type"] == "application/json"
    sent = json.loads(got.body)
    url = sent.pop("request_response_url")
    cost = sent["metadata"].pop("cost")
    assert cost > 0
    exchange = {
        "request_id": "r/1",
        "user_id": "u",
        "request_body": log_body("r/1")["providerRequest"]["json"],
        "response_body": log_body("r/1")["providerResponse"]["json"],
    }
    assert sent == {
        **exchange,
        "model": "gpt-4o",
        "provider": "OPENAI",
        "metadata": {"promptTokens": 10, "completionTokens": 15, "totalTokens": 25, "latencyMs": 1200},
    }
    assert b'"t":1,' in got.body  # as JSON.stringify writes it
    # No blanks either, and no other order than the parsed body has.
    assert json.dumps(json.loads(got.body), separators=(",", ":"), ensure_ascii=False).encode() == got.body
    assert json.loads(other.body) == exchange
    async with httpx.AsyncClient() as anybody:
        bodies = (await anybody.get(url)).json()
    assert bodies == {"request": exchange["request_body"], "response": exchange["response_body"]}
    async with asyncio.timeout(10):
        await posted.wait()
    assert await scores_of(client, "r/1") == {"length": 2}
    assert len(receiver.got) == 2


async def test_large_bodies_are_left_out_and_removed_requests_are_not_sent(
    start_service: StartService, receiver: Receiver, dsn: str
) -> None:
    client = await (await start_service(outbound_allow="127.0.0.1")).client()
    webhook = await create(client, receiver.url)
    path = f"{PATH}/{webhook['id']}/test"
    answer = await client.post(path)
    error = "there is no request that could be sent"
    assert (answer.status_code, answer.json()) == (404, {"data": None, "error": error})
    await log(client, "r", {"model": "m", "messages": [{"content": "x" * (1 << 20)}]})
    await receiver.arrived(1)
    sent = json.loads(receiver.got[0].body)
    assert sent["request_body"] == TOO_LARGE
    assert sent["response_body"]["model"] == "gpt-4o"
    assert (await client.get(sent["request_response_url"])).json()["request"]["model"] == "m"
    tested = (await client.post(path)).json()["data"]
    assert (tested["status"], tested["error"]) == (200, None)
    assert receiver.got[1].body == receiver.got[0].body
    assert is_signed(receiver.got[1], webhook)
    # A body of many values is made in a thread: the same bytes.
    await log(client, "many", {"model": "m", "n": [0.5] * 20_000})
    await receiver.arrived(3)
    assert json.loads(receiver.got[2].body)["request_body"]["n"] == [0.5] * 20_000
    own = await asyncpg.connect(dsn)
    await own.execute(
        "INSERT INTO delivery (organization_id, destination_id, type, body)"
        " SELECT organization_id, id, 'request.logged', '{\"requestNo\": 4711}' FROM destination"
    )
    async with asyncio.timeout(20):
        while not await own.fetchval("SELECT count(*) FROM delivery WHERE state = 'parked'"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await own.close()
    assert len(receiver.got) == 3
