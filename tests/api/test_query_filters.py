"""Which requests a query finds: filters and `isScored`."""

from __future__ import annotations

from datetime import datetime

import httpx
import pytest
from heliscore.store.connections.pool import Connection

from tests.api.envelope import COUNT, QUERY, RMT, faulty, ids, log, one, post, scores
from tests.ways_out import MULTIPLY


async def log_three(client: httpx.AsyncClient, connection: Connection, organization_id: int) -> None:
    """`a` has everything, `b` something else or something empty, `c` nothing at all."""
    await log(
        connection,
        organization_id,
        "a",
        "2026-01-01T10:00:00.123Z",
        response_created_at=datetime.fromisoformat("2026-01-01T10:00:01Z"),
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
        response_model="gpt-4o-2024",
        model_override="over",
        prompt_id="p1",
        prompt_version="v1",
        request_path="/v1/chat",
        target_url="https://a.example/v1",
        properties='{"env": "prod", "Helicone-Session-Id": "s1", "Helicone-Session-Name": "n1",'
        ' "Helicone-Session-Path": "/p1"}',
        prompt_variables='{"topic": "cats"}',
        request_body='{"prompt": "100% Cats"}',
        response_body='{"text": "meow"}',
        response_id="answer-1",
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
    ({RMT: {"target_url": {"contains": "a.example"}}}, "a"),
    ({RMT: {"prompt_id": {"equals": "p1"}}}, "a"),
    ({RMT: {"prompt_version": {"equals": "v1"}}}, "a"),
    ({RMT: {"response_id": {"equals": "answer-1"}}}, "a"),
    ({RMT: {"response_id": {"in": ["answer-1", "answer-2"]}}}, "a"),
    ({RMT: {"response_id": {"equals": "null"}}}, "cb"),
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
    ({RMT: {"cached": {"equals": "false"}}}, "cb"),
    ({RMT: {"cached": {"exists": True}}}, "cba"),
    ({RMT: {"cached": {"exists": False}}}, ""),
    ({RMT: {"cached": {"in": [False]}}}, "cb"),
    ({"not": {RMT: {"cached": {"equals": True}}}}, "cb"),
    ({RMT: {"threat": {"equals": "true"}}}, "a"),
    ({RMT: {"threat": {"equals": False}}}, "cb"),
    ({RMT: {"cache_enabled": {"equals": True}}}, "a"),
    ({RMT: {"cache_enabled": {"equals": False}}}, "cb"),
    ({RMT: {"is_passthrough_billing": {"equals": True}}}, "a"),
    ({RMT: {"is_passthrough_billing": {"equals": False}}}, "cb"),
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
    ({"request": {"prompt_id": {"equals": "p1"}}}, "a"),
    ({"request": {"model": {"equals": "claude_3"}}}, "b"),
    ({"request": {"modelOverride": {"equals": "over"}}}, "a"),
    ({"request": {"model": {"equals": "gpt-4o"}}}, "a"),
    ({"request": {"model": {"equals": "over"}}}, ""),
    ({"response": {"model": {"equals": "gpt-4o-2024"}}}, "a"),
    ({"response": {"model": {"equals": "gpt-4o"}}}, ""),
    ({"response": {"model": {"equals": "claude_3"}}}, "b"),
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
    ("filter_", "errors"),
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
                    " values, sessions_request_response_rmt, score",
                )
            ],
        ),
        (
            {"left": {RMT: {"bogus": {"equals": 1}}}, "operator": "and", "right": "all"},
            [("filter.left.request_response_rmt.bogus", "unknown column")],
        ),
        (
            {RMT: {"country_code": {"equals": "DE"}}, "request": {"auth_hash": {}}},
            [
                ("filter.request_response_rmt.country_code", "Heliscore does not record this column"),
                ("filter.request.auth_hash", "Heliscore does not record this column"),
            ],
        ),
        (
            {"not": scores(**{"": {"lt": 10}})},
            [("filter.not.request_response_rmt.scores.", "the name must not be empty")],
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
                    f"expected an integer or a boolean, got 90.5; {MULTIPLY}",
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
    client: httpx.AsyncClient, path: str, filter_: object, errors: list[tuple[str, str]]
) -> None:
    response = await client.post(path, json={"filter": filter_})
    assert (response.status_code, response.json()) == (400, faulty(*errors))


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
