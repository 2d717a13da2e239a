"""Reading back: sections 3 to 5 of the contract."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from app.store.pool import Connection
from tests.api.envelope import faulty, ids, log, one, post, read

QUERY = "/v1/request/query"
COUNT = "/v1/request/count/query"
RMT = "request_response_rmt"

Json = dict[str, Any]


def scores(**conditions: object) -> Json:
    return {RMT: {"scores": conditions}}


def time_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


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
    "signed_body_url": None,
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
    "cache_enabled": None,
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
    assert before.replace(microsecond=before.microsecond // 1000 * 1000) <= time_of(created_at) <= after


async def test_row_of_logged_request_is_whole(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await log(
        connection,
        organization_id,
        "r",
        "2026-01-02T03:04:05.678Z",
        updated_at=time_of("2999-01-01T00:00:00Z"),
        response_created_at=time_of("2026-01-02T05:04:06+02:00"),
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
        "signed_body_url": None,
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
    assert response.json() == {
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


# Filters


async def log_three(client: httpx.AsyncClient, connection: Connection, organization_id: int) -> None:
    """`a` has everything, `b` something else or something empty, `c` nothing at all."""
    await log(
        connection,
        organization_id,
        "a",
        "2026-01-01T10:00:00.123Z",
        response_created_at=time_of("2026-01-01T10:00:01Z"),
        latency_ms=900,
        time_to_first_token_ms=90,
        prompt_tokens=10,
        completion_tokens=20,
        total_tokens=30,
        prompt_cache_read_tokens=40,
        prompt_cache_write_tokens=50,
        reasoning_tokens=60,
        cost_usd=0.25,
        status=200,
        cached=True,
        cache_enabled=True,
        threat=True,
        is_passthrough_billing=True,
        user_id="alice",
        provider="OPENAI",
        request_model="gpt-4o",
        model_override="over",
        prompt_id="p1",
        prompt_version="v1",
        request_path="/v1/chat",
        target_url="https://a.example/v1",
        country_code="DE",
        cache_reference_id="cache",
        request_referrer="https://ref.example",
        node_id="node",
        job_id="job",
        auth_hash="hash",
        assets=["one", "two"],
        properties='{"env": "prod", "Helicone-Session-Id": "s1", "Helicone-Session-Name": "n1",'
        ' "Helicone-Session-Path": "/p1"}',
        prompt_variables='{"topic": "cats"}',
        request_body='{"prompt": "100% Cats"}',
        response_body='{"text": "meow"}',
    )
    await log(
        connection,
        organization_id,
        "b",
        "2026-01-02T00:00:00Z",
        latency_ms=1000,
        cost_usd=0.5,
        status=500,
        cached=False,
        user_id="",
        provider="ANTHROPIC",
        request_model="claude_3",
        properties='{"env": "Staging", "note": "null"}',
    )
    await log(connection, organization_id, "c", "2026-01-03T00:00:00Z")
    await post(client, "a", {"accuracy": 95, "cited": True, "helicone-score-feedback": True})
    await post(client, "b", {"accuracy": 85, "cited": False, "helicone-score-feedback": False, "tone": -3})


FILTERS = [
    ("all", "cba"),
    ({}, "cba"),
    ({RMT: {}}, "cba"),
    ({RMT: {"status": {}}}, "cba"),
    # text
    ({RMT: {"provider": {"equals": "OPENAI"}}}, "a"),
    ({RMT: {"provider": {"not-equals": "OPENAI"}}}, "b"),
    ({RMT: {"provider": {"like": "%OPEN%"}}}, "a"),
    ({RMT: {"provider": {"like": "%open%"}}}, ""),
    ({RMT: {"provider": {"ilike": "%open_i"}}}, "a"),
    ({RMT: {"provider": {"contains": "thro"}}}, "b"),
    ({RMT: {"provider": {"not-contains": "THRO"}}}, "a"),
    ({RMT: {"provider": {"in": ["OPENAI", "ANTHROPIC"]}}}, "ba"),
    ({RMT: {"provider": {"in": []}}}, ""),
    ({RMT: {"provider": {"exists": False}}}, "c"),
    ({RMT: {"model": {"equals": "over"}}}, "a"),
    ({RMT: {"model": {"contains": "_"}}}, "b"),
    ({RMT: {"model": {"like": "claude\\_3"}}}, "b"),
    ({RMT: {"request_body": {"contains": "100% cats"}}}, "a"),
    ({RMT: {"request_body": {"contains": "%%"}}}, ""),
    ({RMT: {"response_body": {"contains": "MEOW"}}}, "a"),
    ({RMT: {"user_id": {"equals": "null"}}}, "c"),
    ({RMT: {"user_id": {"not-equals": "null"}}}, "ba"),
    ({RMT: {"user_id": {"equals": "__empty__"}}}, "b"),
    ({RMT: {"user_id": {"not-equals": "__empty__"}}}, "a"),
    ({RMT: {"request_id": {"equals": "a"}}}, "a"),
    ({RMT: {"country_code": {"equals": "DE"}}}, "a"),
    ({RMT: {"cache_reference_id": {"equals": "cache"}}}, "a"),
    ({RMT: {"target_url": {"contains": "a.example"}}}, "a"),
    ({RMT: {"prompt_id": {"equals": "p1"}}}, "a"),
    ({RMT: {"prompt_version": {"equals": "v1"}}}, "a"),
    ({RMT: {"request_referrer": {"contains": "ref"}}}, "a"),
    ({RMT: {"node_id": {"equals": "node"}}}, "a"),
    ({RMT: {"job_id": {"equals": "job"}}}, "a"),
    ({RMT: {"assets": {"contains": "two"}}}, "a"),
    # numbers
    ({RMT: {"status": {"equals": 200}}}, "a"),
    ({RMT: {"status": {"not-equals": "200"}}}, "b"),
    ({RMT: {"status": {"in": [200, 500]}}}, "ba"),
    ({RMT: {"latency": {"gt": 900}}}, "b"),
    ({RMT: {"latency": {"gte": 900.0, "lt": "1e3"}}}, "a"),
    ({RMT: {"time_to_first_token": {"lte": 90}}}, "a"),
    ({RMT: {"prompt_tokens": {"equals": 10}}}, "a"),
    ({RMT: {"completion_tokens": {"equals": 20}}}, "a"),
    ({RMT: {"total_tokens": {"equals": 30}}}, "a"),
    ({RMT: {"prompt_cache_read_tokens": {"equals": 40}}}, "a"),
    ({RMT: {"prompt_cache_write_tokens": {"equals": 50}}}, "a"),
    ({RMT: {"reasoning_tokens": {"equals": 60}}}, "a"),
    ({RMT: {"cost": {"equals": 0.25}}}, "a"),
    ({RMT: {"cost": {"exists": True}}}, "ba"),
    # times
    ({RMT: {"request_created_at": {"equals": "2026-01-01T10:00:00.123Z"}}}, "a"),
    ({RMT: {"request_created_at": {"gt": "2026-01-01T10:00:00.122"}}}, "cba"),
    ({RMT: {"request_created_at": {"gt": "2026-01-01T10:00:00.123"}}}, "cb"),
    ({RMT: {"request_created_at": {"gte": "2026-01-02", "lt": "2026-01-03"}}}, "b"),
    ({RMT: {"request_created_at": {"lte": "2026-01-02T02:00:00+02:00"}}}, "ba"),
    ({RMT: {"response_created_at": {"equals": "2026-01-01T10:00:01Z"}}}, "a"),
    ({RMT: {"updated_at": {"lt": "2000-01-01"}}}, ""),
    # booleans
    ({RMT: {"cached": {"equals": True}}}, "a"),
    ({RMT: {"cached": {"equals": "false"}}}, "b"),
    ({RMT: {"threat": {"equals": "true"}}}, "a"),
    ({RMT: {"cache_enabled": {"equals": True}}}, "a"),
    ({RMT: {"is_passthrough_billing": {"equals": True}}}, "a"),
    ({RMT: {"helicone-score-feedback": {"equals": True}}}, "a"),
    ({RMT: {"helicone-score-feedback": {"equals": False}}}, "b"),
    ({RMT: {"helicone-score-feedback": {"exists": False}}}, "c"),
    # scores
    (scores(accuracy={"equals": 95}), "a"),
    (scores(accuracy={"equals": "95"}), "a"),
    (scores(accuracy={"not-equals": 95}), "b"),
    (scores(accuracy={"gt": 85}), "a"),
    (scores(accuracy={"gte": "85"}), "ba"),
    (scores(accuracy={"lt": 95}), "b"),
    (scores(accuracy={"lte": 85}), "b"),
    (scores(accuracy={"in": [85, "95", 7]}), "ba"),
    (scores(accuracy={"exists": True}), "ba"),
    (scores(accuracy={"exists": False}), "c"),
    (scores(tone={"exists": "false"}), "ca"),
    (scores(tone={"gt": -4}), "b"),
    (scores(cited={"equals": True}), "a"),
    (scores(cited={"equals": "false"}), "b"),
    (scores(cited={"equals": 1}), "a"),
    (scores(**{"cited-hcone-bool": {"equals": "true"}}), "a"),
    (scores(accuracy={"gte": 80}, cited={"equals": True}), "a"),
    (scores(accuracy={"gte": 80, "lt": 90}), "b"),
    (scores(never={"gte": 0}), ""),
    (scores(never={"not-equals": 0}), ""),
    (scores(never={"exists": False}), "cba"),
    ({RMT: {"scores_column": {"equals": "{}"}}}, "c"),
    ({RMT: {"scores_column": {"not-equals": "{}"}}}, "ba"),
    # properties and variables
    ({RMT: {"properties": {"env": {"equals": "prod"}}}}, "a"),
    ({RMT: {"properties": {"Env": {"equals": "prod"}}}}, ""),
    ({RMT: {"properties": {"env": {"not-equals": "prod"}}}}, "cb"),
    ({RMT: {"properties": {"env": {"contains": "STAG"}}}}, "b"),
    ({RMT: {"properties": {"env": {"not-contains": "stag"}}}}, "ca"),
    ({RMT: {"properties": {"env": {"in": ["prod", "dev"]}}}}, "a"),
    ({RMT: {"properties": {"env": {"exists": False}}}}, "c"),
    ({RMT: {"properties": {"note": {"equals": "null"}}}}, "b"),
    ({RMT: {"property_key": {"equals": "env"}}}, "ba"),
    ({RMT: {"search_properties": {"env": {"ilike": "PR%"}}}}, "a"),
    ({"properties": {"env": {"equals": "prod"}}}, "a"),
    ({"values": {"topic": {"equals": "cats"}}}, "a"),
    ({"values": {"topic": {"not-equals": "cats"}}}, "cb"),
    ({"sessions_request_response_rmt": {"session_session_id": {"equals": "s1"}}}, "a"),
    ({"sessions_request_response_rmt": {"session_session_name": {"equals": "n1"}}}, "a"),
    ({"sessions_request_response_rmt": {"session_tag": {"equals": "/p1"}}}, "a"),
    # other tables
    ({"request": {"id": {"in": ["a", "c"]}}}, "ca"),
    ({"request": {"created_at": {"gte": "2026-01-02"}}}, "cb"),
    ({"request": {"user_id": {"equals": "alice"}}}, "a"),
    ({"request": {"prompt": {"contains": "cats"}}}, "a"),
    ({"request": {"path": {"equals": "/v1/chat"}}}, "a"),
    ({"request": {"country_code": {"equals": "DE"}}}, "a"),
    ({"request": {"prompt_id": {"equals": "p1"}}}, "a"),
    ({"request": {"auth_hash": {"equals": "hash"}}}, "a"),
    ({"request": {"node_id": {"equals": "node"}}}, "a"),
    ({"request": {"model": {"equals": "claude_3"}}}, "b"),
    ({"request": {"modelOverride": {"equals": "over"}}}, "a"),
    ({"response": {"model": {"equals": "over"}}}, "a"),
    ({"response": {"body_model": {"equals": "over"}}}, "a"),
    ({"response": {"body_completion": {"contains": "meow"}}}, "a"),
    ({"response": {"body_tokens": {"equals": 20}}}, "a"),
    ({"response": {"status": {"gte": 500}}}, "b"),
    ({"feedback": {"rating": {"equals": False}}}, "b"),
    ({"feedback": {"created_at": {"gt": "2026-01-01"}}}, "ba"),
    # every condition counts
    ({RMT: {"status": {"gte": 200}, "latency": {"lt": 950}}}, "a"),
    ({RMT: {"status": {"gte": 200}}, "properties": {"env": {"equals": "Staging"}}}, "b"),
    ({"left": {RMT: {"status": {"gte": 200}}}, "operator": "and", "right": scores(tone={"lt": 0})}, "b"),
    ({"left": scores(tone={"lt": 0}), "operator": "or", "right": one("c")}, "cb"),
    ({"not": {RMT: {"status": {"equals": 200}}}}, "cb"),
    ({"not": {"not": scores(accuracy={"gte": 90})}}, "a"),
    ({"not": "all"}, ""),
    ({"left": "all", "operator": "and", "right": {}}, "cba"),
    ({"left": {"not": one("a")}, "operator": "and", "right": scores(accuracy={"exists": True})}, "b"),
]


@pytest.mark.parametrize(("filter_", "found"), FILTERS, ids=lambda value: str(value)[-60:])
async def test_filter_finds_what_matches(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, filter_: object, found: str
) -> None:
    await log_three(client, connection, organization_id)
    assert await ids(client, filter_) == list(found)
    response = await client.post(COUNT, json={"filter": filter_})
    assert (response.status_code, response.json()) == (200, {"data": len(found), "error": None})


@pytest.mark.parametrize("column", ["request_response_rmt.organization_id", "request.org_id"])
async def test_organization_matches_only_its_own(
    client: httpx.AsyncClient, organization_id: int, column: str
) -> None:
    await post(client, "r", {"accuracy": 95})
    table, name = column.split(".")
    assert await ids(client, {table: {name: {"equals": str(organization_id)}}}) == ["r"]
    assert await ids(client, {table: {name: {"equals": str(organization_id - 1)}}}) == []


@pytest.mark.parametrize(
    ("filter_", "faults"),
    [
        (None, [("filter", 'expected "all" or a filter object, got null')]),
        ([], [("filter", 'expected "all" or a filter object, got an array')]),
        ("everything", [("filter", 'expected "all" or a filter object, got "everything"')]),
        (
            {"bogus": {"a": {"equals": 1}}},
            [
                (
                    "filter.bogus",
                    "unknown table; known are request_response_rmt, request, response, feedback, properties,"
                    " values, sessions_request_response_rmt",
                )
            ],
        ),
        (
            {"left": {RMT: {"bogus": {"equals": 1}}}, "operator": "and", "right": "all"},
            [("filter.left.request_response_rmt.bogus", "unknown column")],
        ),
        (
            {RMT: {"model": {"gte": "a"}}},
            [
                (
                    "filter.request_response_rmt.model.gte",
                    "unknown operator; known are equals, not-equals, like, ilike, contains, not-contains,"
                    " in, exists",
                )
            ],
        ),
        (
            {RMT: {"status": {"contains": 2}}},
            [
                (
                    "filter.request_response_rmt.status.contains",
                    "unknown operator; known are equals, not-equals, gt, gte, lt, lte, in, exists",
                )
            ],
        ),
        (
            {RMT: {"request_created_at": {"not-equals": "2026-01-01"}}},
            [
                (
                    "filter.request_response_rmt.request_created_at.not-equals",
                    "unknown operator; known are equals, gt, gte, lt, lte, in, exists",
                )
            ],
        ),
        (
            {RMT: {"cached": {"gt": True}}},
            [("filter.request_response_rmt.cached.gt", "unknown operator; known are equals, in, exists")],
        ),
        ({RMT: []}, [("filter.request_response_rmt", "expected an object, got an array")]),
        ({RMT: {"status": 200}}, [("filter.request_response_rmt.status", "expected an object, got 200")]),
        (
            {RMT: {"model": {"equals": 4}}},
            [("filter.request_response_rmt.model.equals", "expected a string, got 4")],
        ),
        (
            {RMT: {"status": {"equals": "ok"}}},
            [("filter.request_response_rmt.status.equals", 'expected a number, got "ok"')],
        ),
        (
            {RMT: {"status": {"equals": True}}},
            [("filter.request_response_rmt.status.equals", "expected a number, got true")],
        ),
        (
            {RMT: {"status": {"in": [200, "x", None]}}},
            [
                ("filter.request_response_rmt.status.in[1]", 'expected a number, got "x"'),
                ("filter.request_response_rmt.status.in[2]", "expected a number, got null"),
            ],
        ),
        (
            {RMT: {"status": {"in": 200}}},
            [("filter.request_response_rmt.status.in", "expected a list of values, got 200")],
        ),
        (
            {RMT: {"updated_at": {"gt": "yesterday"}}},
            [
                (
                    "filter.request_response_rmt.updated_at.gt",
                    'expected an ISO 8601 date or date-time, got "yesterday"',
                )
            ],
        ),
        (
            {RMT: {"updated_at": {"gt": 1700000000}}},
            [
                (
                    "filter.request_response_rmt.updated_at.gt",
                    "expected an ISO 8601 date or date-time, got 1700000000",
                )
            ],
        ),
        (
            {RMT: {"cached": {"equals": 1}}},
            [("filter.request_response_rmt.cached.equals", "expected true or false, got 1")],
        ),
        (
            {RMT: {"cached": {"exists": "maybe"}}},
            [("filter.request_response_rmt.cached.exists", 'expected true or false, got "maybe"')],
        ),
        (
            scores(accuracy={"gte": 90.5, "equals": "high", "lt": None}),
            [
                (
                    "filter.request_response_rmt.scores.accuracy.gte",
                    "expected an integer or a boolean, got 90.5",
                ),
                (
                    "filter.request_response_rmt.scores.accuracy.equals",
                    'expected an integer or a boolean, got "high"',
                ),
                (
                    "filter.request_response_rmt.scores.accuracy.lt",
                    "expected an integer or a boolean, got null",
                ),
            ],
        ),
        (
            scores(accuracy={"contains": "9"}),
            [
                (
                    "filter.request_response_rmt.scores.accuracy.contains",
                    "unknown operator; known are equals, not-equals, gt, gte, lt, lte, in, exists",
                )
            ],
        ),
        (
            scores(accuracy=90),
            [("filter.request_response_rmt.scores.accuracy", "expected an object, got 90")],
        ),
        (
            {RMT: {"scores_column": {"equals": "[]"}}},
            [
                (
                    "filter.request_response_rmt.scores_column.equals",
                    'expected equals "{}" or not-equals "{}"',
                )
            ],
        ),
        (
            {RMT: {"property_key": {"contains": "e"}}},
            [
                (
                    "filter.request_response_rmt.property_key.contains",
                    "unknown operator; expected equals a key",
                )
            ],
        ),
        ({"left": "all", "operator": "and"}, [("filter.right", "missing")]),
        ({"right": "all", "operator": "and"}, [("filter.left", "missing")]),
        ({"left": "all", "right": "all"}, [("filter.operator", 'expected "and" or "or", got null')]),
        (
            {"left": "all", "operator": "xor", "right": {RMT: {"bogus": {}}}, "more": 1},
            [
                ("filter.more", "unknown key beside left, operator and right"),
                ("filter.right.request_response_rmt.bogus", "unknown column"),
                ("filter.operator", 'expected "and" or "or", got "xor"'),
            ],
        ),
        ({"not": "all", RMT: {}}, [("filter", 'expected nothing beside "not"')]),
        ({"not": 5}, [("filter.not", 'expected "all" or a filter object, got 5')]),
    ],
)
@pytest.mark.parametrize("path", [QUERY, COUNT])
async def test_wrong_filter_is_refused_at_its_place(
    client: httpx.AsyncClient, path: str, filter_: object, faults: list[tuple[str, str]]
) -> None:
    response = await client.post(path, json={"filter": filter_})
    assert (response.status_code, response.json()) == (400, faulty(*faults))


def nested(levels: int) -> object:
    filter_: object = scores(accuracy={"gte": 90})
    for _ in range(levels - 1):
        filter_ = {"not": filter_}
    return filter_


async def test_filter_of_50_levels_is_taken(client: httpx.AsyncClient) -> None:
    await post(client, "low", {"accuracy": 1})
    await post(client, "high", {"accuracy": 95})
    assert await ids(client, nested(50)) == ["low"]


async def test_filter_of_51_levels_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post(QUERY, json={"filter": nested(51)})
    assert response.status_code == 400
    assert response.json() == faulty(("filter" + ".not" * 50, "nested more than 50 levels deep"))


# The rest of the body


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, [("filter", 'missing; "all" for every request')]),
        (
            {"filter": "all", "order": "asc", "Limit": 1},
            [
                (
                    key,
                    "unknown key; known are cursor, filter, includeInputs, isCached, isPartOfExperiment,"
                    " isScored, limit, offset, sort",
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
            [("sort", "expected an object of one key, got an object")],
        ),
        (
            {"filter": "all", "sort": {"bogus": "asc"}},
            [
                (
                    "sort.bogus",
                    "cannot be sorted by; known are created_at, latency, total_tokens, completion_tokens,"
                    " prompt_tokens, cost, time_to_first_token, user_id, body_model, is_cached,"
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
    client: httpx.AsyncClient, path: str, body: object, faults: list[tuple[str, str]]
) -> None:
    response = await client.post(path, json=body)
    assert (response.status_code, response.json()) == (400, faulty(*faults))


async def log_dozen(connection: Connection, organization_id: int) -> list[str]:
    """Twelve requests, a minute apart; returns their ids, newest first."""
    for minute in range(12):
        await log(connection, organization_id, f"r{minute}", f"2026-01-01T00:{minute:02}:00Z")
    return [f"r{minute}" for minute in reversed(range(12))]


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
        ({"isCached": True, "includeInputs": True, "isPartOfExperiment": False, "limit": 1}, slice(0, 1)),
        ({"isCached": None, "includeInputs": None, "isPartOfExperiment": None, "limit": 1}, slice(0, 1)),
    ],
)
async def test_limit_and_offset_cut_the_page(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, body: Json, part: slice
) -> None:
    newest_first = await log_dozen(connection, organization_id)
    assert await ids(client, **body) == newest_first[part]


@pytest.mark.parametrize(
    ("is_scored", "found"), [(True, ["b", "a"]), (False, ["c"]), (None, ["c", "b", "a"])]
)
async def test_is_scored_narrows_query_and_count(
    client: httpx.AsyncClient,
    connection: Connection,
    organization_id: int,
    is_scored: bool | None,
    found: str,
) -> None:
    await log_three(client, connection, organization_id)
    assert await ids(client, isScored=is_scored) == list(found)
    response = await client.post(COUNT, json={"filter": "all", "isScored": is_scored})
    assert response.json() == {"data": len(found), "error": None}


async def test_is_scored_counts_beside_the_filter(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await log_three(client, connection, organization_id)
    assert await ids(client, {RMT: {"status": {"equals": 200}}}, isScored=True) == ["a"]
    assert await ids(client, {RMT: {"status": {"equals": 200}}}, isScored=False) == []


async def test_count_is_of_everything_whatever_the_page(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await log_dozen(connection, organization_id)
    body = {"filter": "all", "limit": 1, "offset": 5, "sort": {"cost": "asc"}}
    response = await client.post(COUNT, json=body)
    assert (response.status_code, response.json()) == (200, {"data": 12, "error": None})


# Order and pages

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
                value = {0: 0, 2: 1}.get(value)
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
