"""The calls of Helicone's export tool. npm @helicone/export is not on the registry any more, so they are made
here: each with `isScored: false`, by which the tool means "either" and which says "only unscored"."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from heliscore.store.connections.pool import Connection

from tests.api.envelope import log, post
from tests.conftest import Service

Json = dict[str, Any]

QUERY = "/v1/request/query-clickhouse"
COUNT = "/v1/request/count/query"

SCORED = ["s1", "s2", "s3"]
UNSCORED = ["u1", "u2", "u3", "u4"]


def rmt(**conditions: object) -> Json:
    return {"request_response_rmt": conditions}


def both(left: object, right: object) -> Json:
    return {"left": left, "operator": "and", "right": right}


def between(start: str, end: str) -> Json:
    return both(rmt(request_created_at={"gte": start}), rmt(request_created_at={"lte": end}))


def having(key: str, value: str) -> Json:
    return rmt(properties={key: {"equals": value}})


EVER = between("2026-01-01T00:00:00.000Z", "2026-12-31T23:59:59.999Z")


def call(filter_: object = EVER, *, offset: int = 0, limit: int = 1000, order: str = "desc") -> Json:
    return {
        "filter": filter_,
        "isCached": False,
        "limit": limit,
        "offset": offset,
        "sort": {"created_at": order},
        "includeInputs": False,
        "isScored": False,
        "isPartOfExperiment": False,
    }


@pytest.fixture
async def filled(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> httpx.AsyncClient:
    """A client of the organization that has SCORED and UNSCORED, one a day in this order."""
    for day, request_id in enumerate([*SCORED, *UNSCORED], 1):
        properties = '{"env": "prod", "team": "a"}' if request_id in ("u2", "s2") else '{"env": "dev"}'
        time = f"2026-05-{day:02}T00:00:00Z"
        await log(connection, organization_id, request_id, time, properties=properties)
    for request_id in SCORED:
        await post(client, request_id, {"accuracy": 95})
    return client


async def query(client: httpx.AsyncClient, body: Json) -> list[str]:
    response = await client.post(QUERY, json=body)
    assert response.status_code == 200, response.text
    return [row["request_id"] for row in response.json()["data"]]


async def count(client: httpx.AsyncClient, body: Json) -> int:
    response = await client.post(COUNT, json=body)
    assert response.status_code == 200, response.text
    found: int = response.json()["data"]
    return found


async def export(client: httpx.AsyncClient, batch: int, **body: Any) -> list[str]:
    """Page by offset until a page is empty, as the tool does."""
    exported: list[str] = []
    offset = 0
    while found := await query(client, call(**body, offset=offset, limit=batch)):
        exported += found
        offset += batch
    return exported


@pytest.mark.parametrize("filter_", ["all", EVER], ids=["all", "range"])
async def test_tool_exports_the_unscored_requests_only(filled: httpx.AsyncClient, filter_: object) -> None:
    assert await export(filled, 1000, filter_=filter_) == UNSCORED[::-1]
    assert await count(filled, call(filter_)) == len(UNSCORED)


@pytest.mark.parametrize("batch", [1, 2, 3, 4])
async def test_pages_of_any_size_hold_every_request_once(filled: httpx.AsyncClient, batch: int) -> None:
    assert await export(filled, batch, order="asc") == UNSCORED


async def test_range_includes_both_ends(filled: httpx.AsyncClient) -> None:
    body = call(between("2026-05-04T00:00:00.000Z", "2026-05-06T00:00:00.000Z"), order="asc")
    assert await query(filled, body) == ["u1", "u2", "u3"]
    assert await count(filled, body) == 3


@pytest.mark.parametrize(
    ("properties", "found"),
    [
        (having("env", "prod"), ["u2"]),
        (having("env", "dev"), ["u1", "u3", "u4"]),
        (both(having("env", "prod"), having("team", "a")), ["u2"]),
        (both(having("env", "dev"), having("team", "a")), []),
    ],
)
async def test_properties_choose_requests(
    filled: httpx.AsyncClient, properties: object, found: list[str]
) -> None:
    for filter_ in (properties, both(EVER, properties)):
        body = call(filter_, order="asc")
        assert await query(filled, body) == found
        assert await count(filled, body) == len(found)


async def test_rows_hold_the_columns_that_the_tool_writes(filled: httpx.AsyncClient) -> None:
    response = await filled.post(QUERY, json=call())
    [row, *_] = response.json()["data"]
    assert {
        "response_id",
        "response_created_at",
        "response_status",
        "request_created_at",
        "request_body",
        "request_properties",
        "request_user_id",
        "model",
        "prompt_tokens",
        "completion_tokens",
        "cost",
    } <= row.keys()


async def test_bad_key_is_told_in_words(service: Service) -> None:
    response = await (await service.client(key="sk-helicone-unknown-key")).post(QUERY, json=call())
    assert (response.status_code, response.json()) == (
        401,
        {"data": None, "error": "the API key is not valid"},
    )


# What a user of ours does instead


@pytest.mark.parametrize("flag", [{}, {"isScored": None}], ids=["left out", "null"])
async def test_without_the_flag_every_request_is_exported(filled: httpx.AsyncClient, flag: Json) -> None:
    body = {key: value for key, value in call(order="asc").items() if key != "isScored"} | flag
    assert await query(filled, body) == [*SCORED, *UNSCORED]
    assert await count(filled, body) == len(SCORED) + len(UNSCORED)


async def test_flag_of_true_exports_the_scored_requests(filled: httpx.AsyncClient) -> None:
    assert await query(filled, call(order="asc") | {"isScored": True}) == SCORED


async def test_offset_beyond_10000_names_the_cursor(filled: httpx.AsyncClient) -> None:
    response = await filled.post(QUERY, json=call(offset=11_000))
    error = "offset: expected an integer from 0 to 10000 (beyond, use the cursor), got 11000"
    assert (response.status_code, response.json()["error"]) == (400, error)


async def test_cursor_exports_every_request_once(filled: httpx.AsyncClient) -> None:
    body: Json = {"filter": EVER, "limit": 2, "sort": {"created_at": "asc"}}
    exported: list[str] = []
    while True:
        response = await filled.post(QUERY, json=body)
        exported += [row["request_id"] for row in response.json()["data"]]
        if "nextCursor" not in response.json():
            break
        body["cursor"] = response.json()["nextCursor"]
    assert exported == [*SCORED, *UNSCORED]
