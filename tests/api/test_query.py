"""Reading back: the row, one request by its id, the body of a query; sections 3 to 5 of the contract."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from heliscore.store.connections.pool import Connection

from tests.api.envelope import COUNT, QUERY, faulty, ids, log, log_dozen, post, read, scores

Json = dict[str, Any]


# The row

BARE_ROW: Json = {
    "response_id": None,
    "response_created_at": None,
    "response_body": None,
    "response_status": None,
    "response_model": None,
    "request_id": "r",
    "request_body": None,
    "request_path": None,
    "request_user_id": None,
    "request_properties": {},
    "request_model": None,
    "model_override": None,
    "helicone_user": None,
    "provider": None,
    "delay_ms": None,
    "time_to_first_token": None,
    "total_tokens": None,
    "prompt_tokens": None,
    "prompt_cache_write_tokens": None,
    "prompt_cache_read_tokens": None,
    "completion_tokens": None,
    "reasoning_tokens": None,
    "prompt_audio_tokens": None,
    "completion_audio_tokens": None,
    "cost": None,
    "costUSD": None,
    "prompt_id": None,
    "prompt_version": None,
    "feedback_created_at": None,
    "feedback_id": None,
    "feedback_rating": None,
    "llmSchema": None,
    "country_code": None,
    "asset_ids": [],
    "asset_urls": None,
    "scores": {"accuracy": 95, "has_citations": 1},
    "properties": {},
    "assets": [],
    "target_url": None,
    "model": None,
    "cache_reference_id": None,
    "cache_enabled": False,
    "request_referrer": None,
    "ai_gateway_body_mapping": None,
    "storage_location": None,
}


async def test_row_of_scored_request_is_whole(client: httpx.AsyncClient) -> None:
    before = datetime.now(UTC)
    await post(client, "r", {"accuracy": 95, "has_citations": True})
    after = datetime.now(UTC)
    row = await read(client, "r")
    assert row is not None
    created_at, updated_at = row.pop("request_created_at"), row.pop("updated_at")
    assert row == BARE_ROW
    assert created_at == updated_at
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", created_at)
    assert (
        before.replace(microsecond=before.microsecond // 1000 * 1000)
        <= datetime.fromisoformat(created_at)
        <= after
    )


async def test_row_of_logged_request_is_whole(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await log(
        connection,
        organization_id,
        "r",
        "2026-01-02T03:04:05.678Z",
        updated_at=datetime.fromisoformat("2999-01-01T00:00:00Z"),
        response_created_at=datetime.fromisoformat("2026-01-02T05:04:06+02:00"),
        latency_ms=322,
        time_to_first_token_ms=21,
        prompt_tokens=1,
        completion_tokens=2,
        total_tokens=3,
        prompt_cache_read_tokens=4,
        prompt_cache_write_tokens=5,
        reasoning_tokens=6,
        prompt_audio_tokens=7,
        completion_audio_tokens=8,
        cost_usd=0.00125,
        status=200,
        cached=True,
        cache_enabled=False,
        threat=False,
        is_passthrough_billing=True,
        user_id="alice",
        provider="OPENAI",
        request_model="gpt-4o",
        response_model="gpt-4o-2024-08-06",
        model_override="mine",
        prompt_id="p",
        prompt_version="v",
        response_id="chatcmpl-1",
        request_path="/v1/chat/completions",
        target_url="https://api.openai.com/v1/chat/completions",
        country_code="DE",
        cache_reference_id="c",
        request_referrer="https://example.com",
        node_id="n",
        job_id="j",
        auth_hash="h",
        storage_location="s3",
        assets=["asset"],
        properties='{"env": "prod", "Env": ""}',
        prompt_variables='{"topic": "cats"}',
        ai_gateway_body_mapping='"OPENAI"',
        request_body='{"messages": [{"role": "user", "content": "Hi 🎯"}], "n": 1.50}',
        response_body="[null, 18446744073709551616]",
    )
    await post(client, "r", {"accuracy": 95, "helicone-score-feedback": False})
    await connection.execute(
        "UPDATE score SET scored_at = '2026-02-03T04:05:06.007Z' WHERE organization_id = $1", organization_id
    )
    assert await read(client, "r") == {
        "response_id": "chatcmpl-1",
        "response_created_at": "2026-01-02T03:04:06.000Z",
        "response_body": [None, 18446744073709551616],
        "response_status": 200,
        "response_model": "gpt-4o-2024-08-06",
        "request_id": "r",
        "request_created_at": "2026-01-02T03:04:05.678Z",
        "request_body": {"messages": [{"role": "user", "content": "Hi 🎯"}], "n": 1.5},
        "request_path": "/v1/chat/completions",
        "request_user_id": "alice",
        "request_properties": {"env": "prod", "Env": ""},
        "request_model": "gpt-4o",
        "model_override": "mine",
        "helicone_user": "alice",
        "provider": "OPENAI",
        "delay_ms": 322,
        "time_to_first_token": 21,
        "total_tokens": 3,
        "prompt_tokens": 1,
        "prompt_cache_write_tokens": 5,
        "prompt_cache_read_tokens": 4,
        "completion_tokens": 2,
        "reasoning_tokens": 6,
        "prompt_audio_tokens": 7,
        "completion_audio_tokens": 8,
        "cost": 0.00125,
        "costUSD": 0.00125,
        "prompt_id": "p",
        "prompt_version": "v",
        "feedback_created_at": "2026-02-03T04:05:06.007Z",
        "feedback_id": None,
        "feedback_rating": False,
        "llmSchema": None,
        "country_code": "DE",
        "asset_ids": [],
        "asset_urls": None,
        "scores": {"accuracy": 95, "helicone-score-feedback": 0},
        "properties": {"env": "prod", "Env": ""},
        "assets": ["asset"],
        "target_url": "https://api.openai.com/v1/chat/completions",
        "model": "mine",
        "cache_reference_id": "c",
        "cache_enabled": False,
        "updated_at": "2999-01-01T00:00:00.000Z",
        "request_referrer": "https://example.com",
        "ai_gateway_body_mapping": "OPENAI",
        "storage_location": "s3",
    }


async def test_unscored_request_has_empty_scores(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await log(connection, organization_id, "r", "2026-01-01T00:00:00Z")
    times = dict.fromkeys(("request_created_at", "updated_at"), "2026-01-01T00:00:00.000Z")
    assert await read(client, "r") == BARE_ROW | times | {"scores": {}}


# One request by its id


async def test_unknown_request_is_not_found(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/request/nope")
    assert response.status_code == 404
    assert response.json() == {"data": None, "error": "there is no request nope"}


@pytest.mark.parametrize("parameters", ["?includeBody=true", "?includeBody=false"])
async def test_body_is_included_whatever_is_asked_for(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, parameters: str
) -> None:
    await log(connection, organization_id, "r", "2026-01-01T00:00:00Z", request_body='{"a": 1}')
    response = await client.get(f"/v1/request/r{parameters}")
    assert response.json()["data"]["request_body"] == {"a": 1}


# The query as it is documented


async def test_documented_query_finds_high_scores(client: httpx.AsyncClient) -> None:
    for request_id, accuracy in (("low", 89), ("even", 90), ("high", 95)):
        await post(client, request_id, {"accuracy": accuracy})
        await asyncio.sleep(0.002)
    await post(client, "other", {"relevance": 95})
    response = await client.post(
        "/v1/request/query",
        content='{"filter":{"request_response_rmt":{"scores":{"accuracy":{"gte":90}}}},"limit":100}',
    )
    assert response.status_code == 200
    answer = response.json()
    for row in answer["data"]:
        del row["signed_body_url"]
    assert answer == {
        "data": [await read(client, "high"), await read(client, "even")],
        "error": None,
    }


async def test_query_clickhouse_answers_the_same(client: httpx.AsyncClient) -> None:
    for number in range(3):
        await post(client, f"r{number}", {"accuracy": number})
    body = {"filter": scores(accuracy={"gte": 1}), "limit": 1}
    answers = [await client.post(path, json=body) for path in (QUERY, "/v1/request/query-clickhouse")]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json().keys() == {"data", "error", "nextCursor"}


@pytest.mark.parametrize(("is_cached", "found"), [(True, []), (False, ["r"]), (None, ["r"])])
async def test_is_cached_narrows_queries_and_count(
    client: httpx.AsyncClient, is_cached: bool | None, found: list[str]
) -> None:
    await post(client, "r", {"accuracy": 1})
    body = {"filter": "all", "isCached": is_cached}
    for path in (QUERY, "/v1/request/query-clickhouse"):
        response = await client.post(path, json=body)
        assert response.status_code == 200
        assert [row["request_id"] for row in response.json()["data"]] == found
    response = await client.post(COUNT, json=body)
    assert (response.status_code, response.json()) == (200, {"data": len(found), "error": None})


# The rest of the body


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, [("filter", 'missing; "all" for every request')]),
        (
            {"filter": "all", "order": "asc", "Limit": 1},
            [
                (
                    key,
                    "unknown key; known are cursor, explain, filter, include, includeInputs, isCached,"
                    " isPartOfExperiment, isScored, limit, offset, sort",
                )
                for key in ("order", "Limit")
            ],
        ),
        ({"filter": "all", "limit": -1}, [("limit", "expected an integer from 0 to 1000, got -1")]),
        ({"filter": "all", "limit": 1001}, [("limit", "expected an integer from 0 to 1000, got 1001")]),
        ({"filter": "all", "limit": "1001"}, [("limit", "expected an integer from 0 to 1000, got 1001")]),
        ({"filter": "all", "limit": "ten"}, [("limit", 'expected an integer from 0 to 1000, got "ten"')]),
        ({"filter": "all", "limit": 1.5}, [("limit", "expected an integer from 0 to 1000, got 1.5")]),
        ({"filter": "all", "limit": True}, [("limit", "expected an integer from 0 to 1000, got true")]),
        ({"filter": "all", "limit": []}, [("limit", "expected an integer from 0 to 1000, got an array")]),
        (
            {"filter": "all", "offset": 10001},
            [("offset", "expected an integer from 0 to 10000 (beyond, use the cursor), got 10001")],
        ),
        (
            {"filter": "all", "offset": -1},
            [("offset", "expected an integer from 0 to 10000 (beyond, use the cursor), got -1")],
        ),
        ({"filter": "all", "sort": "asc"}, [("sort", 'expected an object of one key, got "asc"')]),
        (
            {"filter": "all", "sort": {"cost": "asc", "latency": "asc"}},
            [("sort", "expected an object of one key, got 2 keys")],
        ),
        (
            {"filter": "all", "sort": {"bogus": "asc"}},
            [
                (
                    "sort.bogus",
                    "cannot be sorted by; known are created_at, latency, total_tokens, completion_tokens,"
                    " prompt_tokens, cost, cost_usd, time_to_first_token, user_id, body_model, is_cached,"
                    " request_prompt, response_text, scores, properties, values, random",
                )
            ],
        ),
        (
            {"filter": "all", "sort": {"cost": "down"}},
            [("sort.cost", 'expected "asc" or "desc", got "down"')],
        ),
        ({"filter": "all", "sort": {"random": 1}}, [("sort.random", "expected true, got 1")]),
        (
            {"filter": "all", "sort": {"scores": "asc"}},
            [("sort.scores", 'expected an object of one key and "asc" or "desc", got "asc"')],
        ),
        (
            {"filter": "all", "sort": {"scores": {"accuracy": 1}}},
            [("sort.scores.accuracy", 'expected "asc" or "desc", got 1')],
        ),
        ({"filter": "all", "isScored": "true"}, [("isScored", 'expected true or false, got "true"')]),
        ({"filter": "all", "isScored": 1}, [("isScored", "expected true or false, got 1")]),
        ({"filter": "all", "isCached": 0.0}, [("isCached", "expected true or false, got 0.0")]),
        ({"filter": "all", "cursor": ""}, [("cursor", "not a cursor of a query with this sort")]),
        (
            {"filter": 1, "limit": 5000, "isScored": []},
            [
                ("filter", 'expected "all" or a filter object, got 1'),
                ("isScored", "expected true or false, got an array"),
                ("limit", "expected an integer from 0 to 1000, got 5000"),
            ],
        ),
    ],
)
@pytest.mark.parametrize("path", [QUERY, COUNT])
async def test_wrong_body_is_refused(
    client: httpx.AsyncClient, path: str, body: object, errors: list[tuple[str, str]]
) -> None:
    response = await client.post(path, json=body)
    assert (response.status_code, response.json()) == (400, faulty(*errors))


@pytest.mark.parametrize("path", [QUERY, COUNT, "/v1/evals/query"])
async def test_condition_is_not_lost_to_another_of_the_same_key(client: httpx.AsyncClient, path: str) -> None:
    body = """{"filter": {"request_response_rmt": {"scores": {"a": {"gte": 95}, "a": {"lte": 99}}}},
        "timeFilter": {"start": "2026-01-01", "end": "2027-01-01"}}"""
    response = await client.post(path, content=body)
    assert (response.status_code, response.json()) == (400, faulty(("a", "given twice in one object")))


async def test_defaults_are_the_ten_newest(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    newest_first = await log_dozen(connection, organization_id)
    response = await client.post(QUERY, json={"filter": "all"})
    assert [row["request_id"] for row in response.json()["data"]] == newest_first[:10]
    assert response.json().keys() == {"data", "error", "nextCursor"}


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"limit": 0}, slice(0, 0)),
        ({"limit": 3}, slice(0, 3)),
        ({"limit": "3"}, slice(0, 3)),
        ({"limit": None}, slice(0, 10)),
        ({"limit": 1000}, slice(0, 12)),
        ({"offset": 5, "limit": 3}, slice(5, 8)),
        ({"offset": "5", "limit": 1000}, slice(5, 12)),
        ({"offset": None, "limit": 1}, slice(0, 1)),
        ({"offset": 12}, slice(0, 0)),
        ({"offset": 10_000, "limit": 1000}, slice(0, 0)),
        ({"sort": None, "limit": 1}, slice(0, 1)),
        ({"sort": {}, "limit": 1}, slice(0, 1)),
        ({"sort": {"created_at": "desc"}, "limit": 1}, slice(0, 1)),
        ({"sort": {"created_at": "asc"}, "limit": 1}, slice(11, 12)),
        ({"isCached": False, "includeInputs": True, "isPartOfExperiment": False, "limit": 1}, slice(0, 1)),
        ({"isCached": True, "limit": 1000}, slice(0, 0)),
        ({"isCached": None, "includeInputs": None, "isPartOfExperiment": None, "limit": 1}, slice(0, 1)),
    ],
)
async def test_limit_and_offset_cut_the_page(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, body: Json, part: slice
) -> None:
    newest_first = await log_dozen(connection, organization_id)
    assert await ids(client, **body) == newest_first[part]


async def test_count_is_of_everything_whatever_the_page(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await log_dozen(connection, organization_id)
    body = {"filter": "all", "limit": 1, "offset": 5, "sort": {"cost": "asc"}}
    response = await client.post(COUNT, json=body)
    assert (response.status_code, response.json()) == (200, {"data": 12, "error": None})
