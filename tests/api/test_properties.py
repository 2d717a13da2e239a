"""Setting one property of a request, and looking properties up."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.api.envelope import DONE, encoded, faulty, ids, post, read
from tests.conftest import Service, StartService


async def put(client: httpx.AsyncClient, request_id: str, key: str, value: str) -> None:
    """Set a property; it must be taken."""
    body = {"key": key, "value": value}
    response = await client.put(f"/v1/request/{encoded(request_id)}/property", json=body)
    assert (response.status_code, response.json()) == (200, DONE)


async def properties_of(client: httpx.AsyncClient, request_id: str) -> Any:
    row = await read(client, request_id)
    assert row is not None
    assert row["request_properties"] == row["properties"]
    return row["properties"]


async def list_keys(client: httpx.AsyncClient) -> Any:
    response = await client.post("/v1/property/query", json={})
    assert response.status_code == 200
    return response.json()


async def search(client: httpx.AsyncClient, key: str, term: str) -> list[str]:
    """The values that a search finds, in its order."""
    response = await client.post(f"/v1/property/{encoded(key)}/search", json={"searchTerm": term})
    assert (response.status_code, response.json()["error"]) == (200, None)
    values: list[str] = response.json()["data"]
    return values


# Setting


async def test_property_of_a_request_that_was_never_logged_is_kept(client: httpx.AsyncClient) -> None:
    await put(client, "a/b 🎯", "env", "prod")
    assert await properties_of(client, "a/b 🎯") == {"env": "prod"}


async def test_property_joins_the_others(client: httpx.AsyncClient) -> None:
    await put(client, "r", "env", "prod")
    await post(client, "r", {"accuracy": 95})
    await put(client, "r", "variant", "A")
    assert await properties_of(client, "r") == {"env": "prod", "variant": "A"}


async def test_same_key_again_replaces_the_value(client: httpx.AsyncClient) -> None:
    await put(client, "r", "env", "prod")
    await put(client, "r", "env", "dev")
    assert await properties_of(client, "r") == {"env": "dev"}


async def test_keys_that_differ_in_case_are_two(client: httpx.AsyncClient) -> None:
    await put(client, "r", "Env", "1")
    await put(client, "r", "env", "2")
    assert await properties_of(client, "r") == {"Env": "1", "env": "2"}
    for key, value, found in (("Env", "1", ["r"]), ("env", "1", []), ("ENV", "1", [])):
        condition = {"request_response_rmt": {"properties": {key: {"equals": value}}}}
        assert await ids(client, condition) == found


@pytest.mark.parametrize("key", [" ", "a.b/c?d", "100%_\\", "'; --", '"', "é🎯", "x" * 255])
@pytest.mark.parametrize("value", ["", " two  spaces ", "line\nbreak\t", "é🎯", "x" * 2**16])
async def test_key_and_value_are_kept_verbatim(client: httpx.AsyncClient, key: str, value: str) -> None:
    await put(client, "r", key, value)
    assert await properties_of(client, "r") == {key: value}


async def test_setting_a_property_is_a_change(client: httpx.AsyncClient) -> None:
    await post(client, "r", {"accuracy": 95})
    before = await read(client, "r")
    await asyncio.sleep(0.002)
    await put(client, "r", "env", "prod")
    after = await read(client, "r")
    assert before is not None
    assert after is not None
    assert after["updated_at"] > before["updated_at"]
    properties = {"env": "prod"}
    assert after == before | {
        "properties": properties,
        "request_properties": properties,
        "updated_at": after["updated_at"],
    }


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, [("key", "missing"), ("value", "missing")]),
        ({"key": "k"}, [("value", "missing")]),
        ({"key": "k", "value": None}, [("value", "expected a string, got null")]),
        ({"key": "k", "value": 1}, [("value", "expected a string, got 1")]),
        ({"key": "k", "value": True}, [("value", "expected a string, got true")]),
        ({"key": "k", "value": {"a": "b"}}, [("value", "expected a string, got an object")]),
        ({"key": "k", "value": "a\0b"}, [("value", "must not contain NUL")]),
        ({"key": 1, "value": "v"}, [("key", "expected a string, got 1")]),
        ({"key": "", "value": "v"}, [("key", "must not be empty")]),
        ({"key": "x" * 256, "value": "v"}, [("key", "must have at most 255 characters, got 256")]),
        ({"key": "a\nb", "value": "v"}, [("key", "must not contain control characters")]),
        ({"key": "k", "value": "v", "env": "x"}, [("env", "unknown key; known are key, value")]),
        ([], [("", "expected a JSON object, got an array")]),
    ],
)
async def test_wrong_property_is_refused(
    client: httpx.AsyncClient, body: object, errors: list[tuple[str, str]]
) -> None:
    response = await client.put("/v1/request/r/property", json=body)
    assert (response.status_code, response.json()) == (400, faulty(*errors))
    assert await ids(client) == []


async def test_property_of_an_unknown_request_is_refused_where_the_operator_says_so(
    start_service: StartService,
) -> None:
    client = await (await start_service(unknown_requests="reject")).client()
    response = await client.put("/v1/request/r/property", json={"key": "k", "value": "v"})
    assert (response.status_code, response.json()) == (404, {"data": None, "error": "there is no request r"})
    assert await ids(client) == []


# Looking up


async def test_keys_are_listed_once_and_sorted(client: httpx.AsyncClient) -> None:
    for request_id, key in (("1", "env"), ("2", "env"), ("2", "Env"), ("3", "a b"), ("3", "é")):
        await put(client, request_id, key, "x")
    keys = ["Env", "a b", "env", "é"]
    assert await list_keys(client) == {"data": [{"property": key} for key in keys], "error": None}


async def test_no_keys_are_an_empty_list(client: httpx.AsyncClient) -> None:
    await post(client, "r", {"accuracy": 95})
    assert await list_keys(client) == {"data": [], "error": None}


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("", ["100%", "1000", "100_", "Prod", "back\\slash", "preprod"]),
        ("prod", ["Prod", "preprod"]),
        ("PROD", ["Prod", "preprod"]),
        ("00", ["100%", "1000", "100_"]),
        ("%", ["100%"]),
        ("_", ["100_"]),
        ("\\", ["back\\slash"]),
        ("0%", ["100%"]),
        ("p%d", []),
        ("absent", []),
    ],
)
async def test_search_finds_values_that_contain_the_term(
    client: httpx.AsyncClient, term: str, found: list[str]
) -> None:
    values = ["Prod", "preprod", "100%", "100_", "1000", "back\\slash"]
    for number, value in enumerate([*values, "Prod"]):
        await put(client, str(number), "env", value)
    await put(client, "other", "Env", "prod of another key")
    assert await search(client, "env", term) == found


async def test_search_ignores_case_beyond_ascii(client: httpx.AsyncClient) -> None:
    await put(client, "r", "city", "Österreich")
    assert await search(client, "city", "öSTER") == ["Österreich"]


async def test_search_finds_25_values_at_most(client: httpx.AsyncClient) -> None:
    for number in range(30):
        await put(client, str(number), "number", f"{number:02}")
    assert await search(client, "number", "") == [f"{number:02}" for number in range(25)]


async def test_search_takes_any_key(client: httpx.AsyncClient) -> None:
    await put(client, "r", "a/b%2F?é", "x")
    assert await search(client, "a/b%2F?é", "") == ["x"]


async def test_search_of_an_unknown_key_finds_nothing(client: httpx.AsyncClient) -> None:
    await put(client, "r", "env", "prod")
    assert await search(client, "unknown", "") == []


async def test_look_ups_end_at_the_organization(
    client: httpx.AsyncClient, shared: Service, organization: str
) -> None:
    await put(await shared.client(f"not {organization}"), "r", "env", "prod")
    assert await list_keys(client) == {"data": [], "error": None}
    assert await search(client, "env", "") == []


@pytest.mark.parametrize(
    ("body", "field_error"),
    [
        ({}, ("searchTerm", "missing")),
        ({"searchTerm": None}, ("searchTerm", "expected a string, got null")),
        ({"searchTerm": 1}, ("searchTerm", "expected a string, got 1")),
        ({"searchTerm": "a\0"}, ("searchTerm", "must not contain NUL")),
        ({"searchTerm": "", "limit": 5}, ("limit", "unknown key; known are searchTerm")),
    ],
)
async def test_wrong_search_is_refused(
    client: httpx.AsyncClient, body: object, field_error: tuple[str, str]
) -> None:
    response = await client.post("/v1/property/env/search", json=body)
    assert (response.status_code, response.json()) == (400, faulty(field_error))


async def test_listing_takes_no_keys(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/property/query", json={"limit": 5})
    assert (response.status_code, response.json()) == (
        400,
        faulty(("limit", "unknown key; known are none")),
    )
