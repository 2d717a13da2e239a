"""`signed_body_url` of a row: the bodies of its request, without a key and for a while."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from heliscore.api.helicone import signed_bodies
from heliscore.api.helicone.signed_bodies import make_signer
from heliscore.store import signing_secrets
from heliscore.store.connections.pool import Connection

from tests.api.envelope import QUERY, encoded, one, post
from tests.conftest import Service

REQUEST, RESPONSE = {"model": "m", "messages": [{"role": "user", "content": "Hi 🎯"}]}, ["any", {"JSON": 1.5}]
GONE = {"data": None, "error": "there is nothing at this address, or no longer"}


async def log(client: httpx.AsyncClient, request_id: str) -> None:
    body = {
        "providerRequest": {"url": "", "json": REQUEST, "meta": {"Helicone-Request-Id": request_id}},
        "providerResponse": {"json": RESPONSE, "status": 200, "headers": {}},
    }
    assert (await client.post("/oai/v1/log", json=body)).status_code == 200


async def find_address(client: httpx.AsyncClient, request_id: str, **headers: str) -> str:
    response = await client.post(QUERY, json={"filter": one(request_id)}, headers=headers)
    [row] = response.json()["data"]
    address: str = row["signed_body_url"]
    return address


async def read(address: str) -> tuple[int, Any]:
    """Read an address as somebody who has only that."""
    async with httpx.AsyncClient(timeout=30) as stranger:
        response = await stranger.get(address)
    assert response.headers["cache-control"] == "no-store"
    return response.status_code, response.json()


@pytest.mark.parametrize("request_id", ["r", "a/b?c#d e%2F", "ü🎯", "x" * 255])
async def test_bodies_are_read_without_a_key_and_nothing_else(
    client: httpx.AsyncClient, request_id: str
) -> None:
    # A header can hold no other characters than ASCII: the score makes the request, the log fills it.
    if request_id.isascii():
        await log(client, request_id)
        bodies: dict[str, Any] = {"request": REQUEST, "response": RESPONSE}
    else:
        await post(client, request_id, {"accuracy": 95})
        bodies = {"request": None, "response": None}
    address = await find_address(client, request_id)
    assert await read(address) == (200, bodies)
    got = (await client.get(f"/v1/request/{encoded(request_id)}")).json()["data"]["signed_body_url"]
    listed = (await client.post("/v1/request/query-ids", json={"requestIds": [request_id]})).json()["data"]
    assert await read(got) == await read(listed[0]["signed_body_url"]) == (200, bodies)


async def test_address_is_the_one_by_which_the_service_was_reached(client: httpx.AsyncClient) -> None:
    await post(client, "r", {"accuracy": 95})
    for headers, origin in (
        ({}, str(client.base_url)),
        ({"Host": "scores.example"}, "http://scores.example"),
        ({"Host": "scores.example:444", "X-Forwarded-Proto": "https"}, "https://scores.example:444"),
        ({"Host": "scores.example", "X-Forwarded-Proto": "HTTPS, http"}, "https://scores.example"),
        ({"Host": "scores.example", "X-Forwarded-Proto": "javascript"}, "http://scores.example"),
        ({"Host": 'a"/<b>'}, str(client.base_url)),
    ):
        address = urlsplit(await find_address(client, "r", **headers))
        assert f"{address.scheme}://{address.netloc}" == origin.rstrip("/")


async def test_changed_and_expired_addresses_lead_nowhere(
    client: httpx.AsyncClient,
    shared: Service,
    connection: Connection,
    organization_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for request_id in ("r", "other"):
        await post(client, request_id, {"accuracy": 95})
    stranger = await shared.client("another")
    await post(stranger, "r", {"accuracy": 1})
    address = await find_address(client, "r")
    begin, token, _ = address.rsplit("/", 2)
    number, expiry, signature = token.split(".")
    others = (await find_address(stranger, "r")).rsplit("/", 2)[1]
    last = "0" if signature[-1] != "0" else "1"
    secret = await signing_secrets.find(connection, "body_url")
    assert make_signer(secret, organization_id, shared.address)("r") == address
    with monkeypatch.context() as patch:
        two_hours_ago = time.time() - 7200
        patch.setattr(signed_bodies, "time", SimpleNamespace(time=lambda: two_hours_ago))
        expired = signed_bodies.make_signer(secret, organization_id, shared.address)("r")
    for changed in (
        f"{begin}/{token}/other",
        f"{begin}/{token}/R",
        f"{begin}/{others.split('.')[0]}.{expiry}.{signature}/r",
        f"{begin}/{number}.{expiry}.{others.split('.')[2]}/r",
        f"{begin}/{number}.{int(expiry) + 3600}.{signature}/r",
        f"{begin}/{number}.{expiry}.{signature[:-1]}{last}/r",
        f"{begin}/{number}.{expiry}.{signature.upper()}x/r",
        f"{begin}/{number}.{expiry}./r",
        f"{begin}/{number}/r",
        f"{begin}//r",
        f"{begin}/{'9' * 10}.{'9' * 12}.{'0' * 32}/r",
        make_signer(b"", organization_id, shared.address)("r"),
        make_signer(secret, organization_id, shared.address)("unknown"),
        expired,
    ):
        assert await read(changed) == (404, GONE), changed
    assert await read(address) == (200, {"request": None, "response": None})
    await client.delete("/v1/request/r")
    assert await read(address) == (404, GONE)


async def test_rotated_secret_ends_addresses_within_5_seconds(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    await post(client, "r", {"accuracy": 95})
    address = await find_address(client, "r")
    assert (await read(address))[0] == 200
    await signing_secrets.rotate(connection, "body_url")
    asked_at = rotated_at = time.monotonic()
    while (await read(address))[0] == 200:
        assert asked_at < rotated_at + 5
        await asyncio.sleep(0.1)
        asked_at = time.monotonic()
    assert (await read(await find_address(client, "r")))[0] == 200
