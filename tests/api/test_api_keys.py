"""`/v1/api-keys`: an organization manages its own keys."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import ANY

import asyncpg
import httpx
import pytest
from heliscore.domain.api_key import Permissions, hash_key, mint_key
from heliscore.domain.times import format_time
from heliscore.store import keys as store
from heliscore.store.connections.pool import Connection
from msgspec import structs

from tests.api.envelope import DONE, faulty
from tests.conftest import Service

PATH = "/v1/api-keys"
KEY = re.compile(r"sk-helicone(-[a-z0-9]{7}){4}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

Json = dict[str, Any]


async def create(client: httpx.AsyncClient, **body: object) -> Json:
    response = await client.post(PATH, json={"api_key_name": "judge", **body})
    assert response.status_code == 200, response.text
    made: Json = response.json()
    return made


async def listed(client: httpx.AsyncClient) -> list[Json]:
    """The keys, apart from their times of creation, without the one that the test itself uses."""
    response = await client.get(PATH)
    assert (response.status_code, response.json()["error"]) == (200, None)
    keys = response.json()["data"]
    assert all(TIME.fullmatch(key.pop("created_at")) for key in keys)
    makers = {key["id"] for key in keys}
    assert all(key["made_by"] in makers for key in keys if key["api_key_name"] != "test")
    return [key for key in keys if key["api_key_name"] != "test"]


def row(made: Json, **columns: object) -> Json:
    """How a key that was just made is listed."""
    return {
        "id": made["id"],
        "api_key_name": "judge",
        "key_permissions": "rw",
        "hint": f"…{made['apiKey'][-4:]}",
        "expires_at": None,
        "made_by": ANY,
        "author": None,
        **columns,
    }


def assert_no_key(response: httpx.Response, key_id: object) -> None:
    assert (response.status_code, response.json()) == (
        404,
        {"data": None, "error": f"there is no key {key_id}"},
    )


# Making


async def test_made_key_is_shown_with_its_hash_and_without_an_envelope(client: httpx.AsyncClient) -> None:
    made = await create(client)
    assert made.keys() == {"id", "apiKey", "hashedKey"}
    assert type(made["id"]) is int
    assert KEY.fullmatch(made["apiKey"])
    assert made["hashedKey"] == hashlib.sha256(made["apiKey"].encode()).hexdigest()


@pytest.mark.parametrize(
    ("sent", "permissions"),
    [
        ({}, "rw"),
        ({"key_permissions": None}, "rw"),
        ({"key_permissions": "rw"}, "rw"),
        ({"key_permissions": "r"}, "r"),
        ({"key_permissions": "w"}, "w"),
        ({"key_permissions": "f"}, "f"),
    ],
)
async def test_made_key_allows_what_was_asked_for(
    client: httpx.AsyncClient, shared: Service, sent: Json, permissions: Permissions
) -> None:
    made = await create(client, **sent)
    assert await listed(client) == [row(made, key_permissions=permissions)]
    holder = await shared.client(key=made["apiKey"])
    written = await holder.post("/v1/request/r/score", json={"scores": {"accuracy": 1}})
    read = await holder.post("/v1/request/query", json={"filter": "all"})
    assert (written.status_code == 200, read.status_code == 200) == ("w" in permissions, "r" in permissions)


WRONG_AUTHOR = 'expected KIND:NAME or KIND:NAME@VERSION, where KIND is human, judge, code or api, got "ada"'


async def test_made_key_has_the_author_that_was_asked_for(client: httpx.AsyncClient) -> None:
    made = await create(client, author="judge:relevance@1")
    assert await listed(client) == [row(made, author="judge:relevance@1")]
    response = await client.patch(f"{PATH}/{made['id']}", json={"author": "human:ada@example.com"})
    assert (response.status_code, response.json()) == (200, DONE)
    assert await listed(client) == [row(made, author="human:ada@example.com")]


async def test_made_key_belongs_to_the_caller_s_organization(
    client: httpx.AsyncClient, shared: Service
) -> None:
    holder = await shared.client(key=(await create(client))["apiKey"])
    await holder.post("/v1/request/r/score", json={"scores": {"accuracy": 95}})
    response = await client.get("/v1/request/r")
    assert response.json()["data"]["scores"] == {"accuracy": 95}


async def test_key_is_shown_once(client: httpx.AsyncClient) -> None:
    made = await create(client)
    response = await client.get(PATH)
    assert made["apiKey"] not in response.text
    assert made["hashedKey"] not in response.text


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, [("api_key_name", "missing")]),
        ({"api_key_name": None}, [("api_key_name", "expected a string, got null")]),
        ({"api_key_name": 5}, [("api_key_name", "expected a string, got 5")]),
        ({"api_key_name": ""}, [("api_key_name", "must not be empty")]),
        ({"api_key_name": "x" * 256}, [("api_key_name", "must have at most 255 characters, got 256")]),
        ({"api_key_name": "a\0"}, [("api_key_name", "must not contain control characters")]),
        (
            {"api_key_name": "judge", "key_permissions": "wr"},
            [("key_permissions", 'expected "rw", "r", "w" or "f", got "wr"')],
        ),
        (
            {"api_key_name": "judge", "key_permissions": ""},
            [("key_permissions", 'expected "rw", "r", "w" or "f", got ""')],
        ),
        (
            {"api_key_name": "judge", "key_permissions": ["r"]},
            [("key_permissions", "expected a string, got an array")],
        ),
        (
            {"api_key_name": "judge", "expires_at": "2030-01-01"},
            [("expires_at", "unknown key; known are api_key_name, author, key_permissions")],
        ),
        ([], [("", "expected a JSON object, got an array")]),
    ],
)
async def test_wrong_key_is_not_made(
    client: httpx.AsyncClient, body: object, errors: list[tuple[str, str]]
) -> None:
    response = await client.post(PATH, json=body)
    assert (response.status_code, response.json()) == (400, faulty(*errors))
    assert await listed(client) == []


# Listing and renaming


async def test_keys_are_listed_in_the_order_of_making(client: httpx.AsyncClient) -> None:
    made = [await create(client, api_key_name=name) for name in ("b", "a", "b")]
    assert await listed(client) == [
        row(key, api_key_name=name) for key, name in zip(made, ("b", "a", "b"), strict=True)
    ]


async def test_key_is_renamed(client: httpx.AsyncClient) -> None:
    made, other = await create(client), await create(client)
    response = await client.patch(f"{PATH}/{made['id']}", json={"api_key_name": "my judge 🎯"})
    assert (response.status_code, response.json()) == (200, DONE)
    assert await listed(client) == [row(made, api_key_name="my judge 🎯"), row(other)]


@pytest.mark.parametrize(
    ("body", "field_error"),
    [
        ({}, ("api_key_name", "missing, and so is author")),
        ({"author": "ada"}, ("author", WRONG_AUTHOR)),
        ({"api_key_name": ""}, ("api_key_name", "must not be empty")),
        ({"api_key_name": 5}, ("api_key_name", "expected a string, got 5")),
        (
            {"api_key_name": "judge", "key_permissions": "r"},
            ("key_permissions", "unknown key; known are api_key_name, author"),
        ),
    ],
)
async def test_wrong_name_is_refused(
    client: httpx.AsyncClient, body: object, field_error: tuple[str, str]
) -> None:
    made = await create(client)
    response = await client.patch(f"{PATH}/{made['id']}", json=body)
    assert (response.status_code, response.json()) == (400, faulty(field_error))
    assert await listed(client) == [row(made)]


# Revoking


async def test_revoked_key_stops_within_5_seconds(client: httpx.AsyncClient, shared: Service) -> None:
    made = await create(client)
    holder = await shared.client(key=made["apiKey"])
    assert (await holder.get("/v1/evals/scores")).status_code == 200
    response = await client.delete(f"{PATH}/{made['id']}")
    assert (response.status_code, response.json()) == (200, DONE)
    revoked_at = time.monotonic()
    asked_at = revoked_at
    while (await holder.get("/v1/evals/scores")).status_code == 200:
        assert asked_at < revoked_at + 5
        await asyncio.sleep(0.1)
        asked_at = time.monotonic()
    response = await holder.get("/v1/evals/scores")
    assert (response.status_code, response.json()["error"]) == (401, "the API key is not valid")


async def test_revoked_key_is_listed_no_more(client: httpx.AsyncClient) -> None:
    made, other = await create(client), await create(client)
    await client.delete(f"{PATH}/{made['id']}")
    assert await listed(client) == [row(other)]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_revoked_key_is_not_there(client: httpx.AsyncClient, method: str) -> None:
    key_id = (await create(client))["id"]
    await client.delete(f"{PATH}/{key_id}")
    assert_no_key(await change(client, method, key_id), key_id)


async def change(client: httpx.AsyncClient, method: str, key_id: object) -> httpx.Response:
    body = {"json": {"api_key_name": "new"}} if method == "PATCH" else {}
    return await client.request(method, f"{PATH}/{key_id}", **body)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_key_of_another_organization_is_not_there(
    client: httpx.AsyncClient, shared: Service, organization: str, method: str
) -> None:
    made = await create(client)
    stranger = await shared.client(f"not {organization}")
    assert await listed(stranger) == []
    assert_no_key(await change(stranger, method, made["id"]), made["id"])
    assert await listed(client) == [row(made)]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize("key_id", ["0", "2147483647", "2147483648", "9" * 30, "-1", "1.0", "x", "²"])
async def test_id_that_no_key_has_is_not_there(client: httpx.AsyncClient, method: str, key_id: str) -> None:
    assert_no_key(await change(client, method, key_id), key_id)


# Keys that keys made


async def test_maker_is_listed(client: httpx.AsyncClient, shared: Service) -> None:
    first = await create(client)
    second = await create(await shared.client(key=first["apiKey"]))
    [own] = [key for key in (await client.get(PATH)).json()["data"] if key["api_key_name"] == "test"]
    assert own["made_by"] is None
    assert await listed(client) == [row(first, made_by=own["id"]), row(second, made_by=first["id"])]


async def test_key_expires_with_its_maker_down_a_chain(
    client: httpx.AsyncClient, shared: Service, connection: Connection
) -> None:
    key, expiry = await create(client), datetime.now(UTC) + timedelta(hours=1)
    await connection.execute("UPDATE api_key SET expires_at = $2 WHERE id = $1", key["id"], expiry)
    for permissions in ("rw", "rw", "r"):
        maker = await shared.client(key=key["apiKey"])
        key = await create(maker, key_permissions=permissions)
    rows = await listed(client)
    assert [row["key_permissions"] for row in rows] == ["rw", "rw", "rw", "r"]
    assert [row["expires_at"] for row in rows] == [format_time(expiry)] * 4
    await connection.execute(
        "UPDATE api_key SET expires_at = now() - interval '1 s' WHERE expires_at = $1", expiry
    )
    assert await listed(client) == []


async def test_key_that_was_just_revoked_makes_none(client: httpx.AsyncClient, shared: Service) -> None:
    """For a moment, a process still takes it for valid."""
    made = await create(client)
    maker = await shared.client(key=made["apiKey"])
    assert (await maker.get(PATH)).status_code == 200
    await client.delete(f"{PATH}/{made['id']}")
    response = await maker.post(PATH, json={"api_key_name": "late"})
    assert (response.status_code, response.json()["error"]) == (401, "the API key is not valid")
    assert await listed(client) == []


async def test_revoking_with_minted_misses_none_that_is_being_made(
    shared: Service, connection: Connection, organization: str, organization_id: int
) -> None:
    key = await shared.make_key(organization)
    root = await store.find(connection, hash_key(key))
    assert root is not None
    minting = await asyncpg.connect(shared.dsn)
    transaction = minting.transaction()
    await transaction.start()
    first = await store.mint(minting, root, mint_key(), name="being made", permissions="rw")
    assert first is not None
    maker = structs.replace(root, key_id=first)
    second = await store.mint(minting, maker, mint_key(), name="by that", permissions="rw")
    revoking = asyncio.create_task(store.revoke_with_minted(connection, root.key_id))
    watching = await asyncpg.connect(shared.dsn)
    blocked = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid = $1)"
    async with asyncio.timeout(30):
        while not await watching.fetchval(blocked, connection.get_server_pid()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await transaction.commit()
    assert await revoking == [root.key_id, first, second]
    assert await store.list_own(connection, organization_id) == []
    assert await store.mint(minting, maker, mint_key(), name="late", permissions="r") is None
    for other in (minting, watching):
        await other.close()


# Who may


@pytest.mark.parametrize("permissions", ["r", "w"])
@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("PATCH", "/{id}"), ("DELETE", "/{id}")])
async def test_only_a_key_that_reads_and_writes_manages_keys(
    client: httpx.AsyncClient,
    shared: Service,
    organization: str,
    permissions: Permissions,
    method: str,
    path: str,
) -> None:
    made = await create(client)
    holder = await shared.client(organization, permissions)
    response = await holder.request(
        method, PATH + path.format(id=made["id"]), json={"api_key_name": "more rights"}
    )
    error = f"the API key has permissions '{permissions}', this needs 'rw'"
    assert (response.status_code, response.json()) == (403, {"data": None, "error": error})
    assert await listed(client) == [row(made)]


@pytest.mark.parametrize(("permissions", "status"), [("r", 200), ("rw", 200), ("w", 403)])
async def test_key_that_reads_lists_keys(
    shared: Service, organization: str, permissions: Permissions, status: int
) -> None:
    response = await (await shared.client(organization, permissions)).get(PATH)
    assert response.status_code == status
