from __future__ import annotations

from typing import Any

import httpx

SORTS: tuple[dict[str, Any], ...] = (
    {"latency": "asc"},
    {"scores": {"a b": "desc"}},
    {"properties": {"env": "asc"}},
    {"values": {"city": "desc"}},
    {"random": True},
)


async def test_a_view_is_saved_listed_renamed_and_deleted(client: httpx.AsyncClient) -> None:
    low = {"request_response_rmt": {"scores": {"accuracy": {"lt": 50}}}}
    sent = {"filter": low, "columns": ["answer", "property:env"], "scores": ["accuracy"], "range": "7d"}
    view = {"sort": {"created_at": "desc"}, **dict.fromkeys(("from", "to", "zone")), **sent}
    saved = (await client.post("/v1/views", json={"name": "Worst", **sent})).json()["data"]
    assert saved == {"id": saved["id"], "name": "Worst", **view}
    assert (await client.get("/v1/views")).json() == {"data": [saved], "error": None}
    path = f"/v1/views/{saved['id']}"
    renamed = {**saved, "name": "Low"}
    assert (await client.patch(path, json={"name": "Low"})).json() == {"data": renamed, "error": None}
    assert (await client.get("/v1/views")).json() == {"data": [renamed], "error": None}
    taken = await client.post("/v1/views", json={"name": "Low"})
    assert (taken.status_code, taken.json()["error"]) == (400, "name: there is a view of that name")
    assert (await client.delete(path)).json() == {"data": None, "error": None}
    assert [
        (await client.delete(path)).status_code,
        (await client.patch(path, json=renamed)).status_code,
    ] == [
        404,
        400,
    ]
    assert (await client.get("/v1/views")).json() == {"data": [], "error": None}


async def test_every_sort_is_given_back_as_it_was_sent(client: httpx.AsyncClient) -> None:
    for number, sort in enumerate(SORTS):
        saved = (await client.post("/v1/views", json={"name": str(number), "sort": sort})).json()
        assert saved["data"]["sort"] == sort


async def test_each_error_of_a_view_is_named(client: httpx.AsyncClient) -> None:
    body = {
        "name": "",
        "columns": ["model", "nothing"],
        "range": "1y",
        "from": "2026-02-31",
        "filter": {"a": 1},
    }
    response = await client.post("/v1/views", json=body)
    assert response.status_code == 400
    assert [error["path"] for error in response.json()["details"]] == [
        *("name", "filter.a", "columns[1]", "range", "from"),
    ]
    for days in ({"range": "7d", "from": "2026-02-01"}, {"to": "2026-02-01"}):
        assert (await client.post("/v1/views", json={"name": "x", **days})).status_code == 400
    long = {"request_response_rmt": {"model": {"in": ["m" * 1000] * 40}}}
    assert "at most 32768 bytes" in (await client.post("/v1/views", json={"name": "x", "filter": long})).text
