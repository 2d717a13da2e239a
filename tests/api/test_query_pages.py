"""In which order a query finds requests, page by page."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from heliscore.store.connections.pool import Connection

from tests.api.envelope import QUERY, faulty, ids, log, log_dozen, post, scores

Json = dict[str, Any]

SORTS: list[Json] = [
    *(
        {key: direction}
        for key in (
            "created_at",
            "latency",
            "total_tokens",
            "completion_tokens",
            "prompt_tokens",
            "cost",
            "cost_usd",
            "time_to_first_token",
            "user_id",
            "body_model",
            "is_cached",
            "request_prompt",
            "response_text",
        )
        for direction in ("asc", "desc")
    ),
    *(
        {kind: {key: direction}}
        for kind, key in (("scores", "accuracy"), ("properties", "env"), ("values", "topic"))
        for direction in ("asc", "desc")
    ),
    {"scores": {"never": "asc"}},
]


async def log_ties(client: httpx.AsyncClient, connection: Connection, organization_id: int) -> list[Json]:
    """Requests whose every sortable value is small, middling, large or missing, many of the same, two at a
    time; returns what their order depends on."""
    rows = []
    for number in range(24):
        rank = (0, 1, 2, None)[number % 4]
        text = None if rank is None else "abc"[rank]
        row: Json = {"id": f"r{number * 7 % 24:02}", "time": number // 2, "rank": rank}
        await log(
            connection,
            organization_id,
            row["id"],
            f"2026-01-01T00:00:{number // 2:02}Z",
            latency_ms=rank,
            total_tokens=rank,
            completion_tokens=rank,
            prompt_tokens=rank,
            cost_usd=None if rank is None else rank / 10,
            time_to_first_token_ms=rank,
            user_id=text,
            request_model=text,
            cached=None if rank in (None, 1) else rank == 2,
            request_body=text and json.dumps(text),
            response_body=text and json.dumps(text),
            properties=json.dumps({"env": text} if text else {}),
            prompt_variables=text and json.dumps({"topic": text}),
        )
        if rank is not None:
            await post(client, row["id"], {"accuracy": rank})
        rows.append(row)
    return rows


def ordered(rows: list[Json], sort: Json) -> list[str]:
    """The order that the contract asks for: missing last, newest first, then by id."""
    [(key, direction)] = sort.items()
    if isinstance(direction, dict):
        [(name, direction)] = direction.items()
        key = "never" if name == "never" else key
    sign = -1 if direction == "desc" else 1

    def place(row: Json) -> tuple[object, ...]:
        value = row["rank"]
        match key:
            case "created_at":
                return (sign * row["time"], row["id"])
            case "never":
                value = None
            case "is_cached":
                value = int(value == 2)
        return (value is None, sign * (value or 0), -row["time"], row["id"])

    return [row["id"] for row in sorted(rows, key=place)]


async def walk(client: httpx.AsyncClient, body: Json, limit: int) -> list[list[str]]:
    """The ids of every page, from the first cursor to the last."""
    pages = []
    cursor: Json = {}
    while True:
        response = await client.post(QUERY, json={**body, **cursor, "limit": limit})
        assert response.status_code == 200, response.text
        answer = response.json()
        pages.append([row["request_id"] for row in answer["data"]])
        if "nextCursor" not in answer:
            return pages
        cursor = {"cursor": answer["nextCursor"]}


@pytest.mark.parametrize("sort", SORTS, ids=str)
async def test_sort_orders_pages_without_gaps_or_repetitions(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, sort: Json
) -> None:
    expected = ordered(await log_ties(client, connection, organization_id), sort)
    assert await ids(client, sort=sort, limit=1000) == expected
    pages = await walk(client, {"filter": "all", "sort": sort}, limit=5)
    assert pages == [expected[start : start + 5] for start in range(0, 24, 5)]


async def test_last_full_page_has_no_cursor(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    newest_first = await log_dozen(connection, organization_id)
    assert await walk(client, {"filter": "all"}, limit=6) == [newest_first[:6], newest_first[6:]]


async def test_cursor_goes_on_where_an_offset_ended(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    newest_first = await log_dozen(connection, organization_id)
    response = await client.post(QUERY, json={"filter": "all", "offset": 4, "limit": 2})
    cursor = response.json()["nextCursor"]
    assert await ids(client, cursor=cursor, limit=1000) == newest_first[6:]


async def test_cursor_and_offset_exclude_each_other(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await log_dozen(connection, organization_id)
    response = await client.post(QUERY, json={"filter": "all", "limit": 2})
    cursor = response.json()["nextCursor"]
    response = await client.post(QUERY, json={"filter": "all", "cursor": cursor, "offset": 1})
    assert response.status_code == 400
    assert response.json() == faulty(("offset", "cannot be combined with a cursor"))


async def test_cursor_of_another_sort_is_refused(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await log_dozen(connection, organization_id)
    response = await client.post(QUERY, json={"filter": "all", "limit": 2})
    body = {"filter": "all", "sort": {"created_at": "asc"}, "cursor": response.json()["nextCursor"]}
    response = await client.post(QUERY, json=body)
    assert response.status_code == 400
    assert response.json() == faulty(("cursor", "not a cursor of a query with this sort"))


async def test_pages_are_stable_while_newer_requests_arrive(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    newest_first = await log_dozen(connection, organization_id)
    seen: list[str] = []
    cursor: Json = {}
    for _ in range(4):
        response = await client.post(QUERY, json={"filter": "all", "limit": 3, **cursor})
        seen += [row["request_id"] for row in response.json()["data"]]
        cursor = {"cursor": response.json().get("nextCursor")}
        await post(client, f"new {len(seen)}", {"accuracy": 1})
    assert (seen, cursor) == (newest_first, {"cursor": None})


async def test_pages_by_score_show_every_request_once_while_scored_ones_arrive(
    client: httpx.AsyncClient,
) -> None:
    for number in range(10):
        await post(client, f"r{number}", {"accuracy": number * 10})
    body: Json = {"filter": scores(accuracy={"gte": 0}), "sort": {"scores": {"accuracy": "asc"}}, "limit": 4}
    first = (await client.post(QUERY, json=body)).json()
    await post(client, "before", {"accuracy": 5})
    await post(client, "behind", {"accuracy": 55})
    second = (await client.post(QUERY, json=body | {"cursor": first["nextCursor"]})).json()
    third = (await client.post(QUERY, json=body | {"cursor": second["nextCursor"]})).json()
    pages = [[row["request_id"] for row in page["data"]] for page in (first, second, third)]
    assert pages == [["r0", "r1", "r2", "r3"], ["r4", "r5", "behind", "r6"], ["r7", "r8", "r9"]]
    assert "nextCursor" not in third


async def test_random_sort_shows_everything_without_a_cursor(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    newest_first = await log_dozen(connection, organization_id)
    body = {"filter": "all", "sort": {"random": True}}
    response = await client.post(QUERY, json={**body, "limit": 12})
    assert {row["request_id"] for row in response.json()["data"]} == set(newest_first)
    response = await client.post(QUERY, json={**body, "limit": 6})
    assert response.json().keys() == {"data", "error"}
    assert len({row["request_id"] for row in response.json()["data"]} & set(newest_first)) == 6
