"""`POST /v1/request/{requestId}/score`: section 2 of the contract, row by row."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from heliscore.store.connections.pool import Connection

from tests.api.envelope import DONE, encoded, faulty, ids, post, read, scores_of
from tests.ways_out import MULTIPLY, NO_POINT

PATH = "/v1/request/req_abc123def456/score"
MIN, MAX = -(2**63), 2**63 - 1
IS_BOOLEAN = "SELECT is_boolean FROM score WHERE organization_id = $1"


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("0", 0),
        ("-0", 0),
        ("-1", -1),
        ("95", 95),
        (str(2**53 + 1), 2**53 + 1),
        (str(MAX), MAX),
        (str(MIN), MIN),
        ("true", 1),
        ("false", 0),
    ],
)
async def test_value_is_stored_as_integer(client: httpx.AsyncClient, sent: str, stored: int) -> None:
    response = await client.post(PATH, content=f'{{"scores": {{"accuracy": {sent}}}}}')
    assert (response.status_code, response.json()) == (200, DONE)
    assert await scores_of(client, "req_abc123def456") == {"accuracy": stored}


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (
            "95.5",
            f"expected an integer or a boolean, got 95.5; {MULTIPLY}",
        ),
        ("95.0", f"expected an integer or a boolean, got 95.0; {NO_POINT}"),
        ("1e2", f"expected an integer or a boolean, got 100.0; {NO_POINT}"),
        ('"5"', 'expected an integer or a boolean, got "5"'),
        ('"high"', 'expected an integer or a boolean, got "high"'),
        ("null", "expected an integer or a boolean, got null"),
        ("[1]", "expected an integer or a boolean, got an array"),
        ("{}", "expected an integer or a boolean, got an object"),
        (str(MAX + 1), "expected an integer of at most 64 bits"),
        (str(MIN - 1), "expected an integer of at most 64 bits"),
        (str(10**40), "expected an integer of at most 64 bits"),
    ],
)
async def test_wrong_value_refuses_the_whole_call(client: httpx.AsyncClient, sent: str, message: str) -> None:
    response = await client.post(PATH, content=f'{{"scores": {{"good": 1, "bad": {sent}, "fine": true}}}}')
    assert (response.status_code, response.json()) == (400, faulty(("scores.bad", message)))
    assert await ids(client) == []


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, [("scores", "missing")]),
        ({"scores": None}, [("scores", "expected an object, got null")]),
        ({"scores": 5}, [("scores", "expected an object, got 5")]),
        ({"scores": []}, [("scores", "expected an object, got an array")]),
        ({"scores": "{}"}, [("scores", 'expected an object, got "{}"')]),
        ({"scores": {"a": 1}, "id": 1}, [("id", "unknown key; known are scores")]),
        ({"Scores": {"a": 1}}, [("Scores", "unknown key; known are scores"), ("scores", "missing")]),
    ],
)
async def test_wrong_body_is_refused(
    client: httpx.AsyncClient, body: object, errors: list[tuple[str, str]]
) -> None:
    response = await client.post(PATH, json=body)
    assert (response.status_code, response.json()) == (400, faulty(*errors))
    assert await ids(client) == []


async def test_every_fault_is_listed(client: httpx.AsyncClient) -> None:
    scores = {"accuracy": 95.5, "": 1, "good": 1, "tone": "high", "x y": None, "y\x7fz": 1}
    response = await client.post(PATH, json={"scores": scores, "more": 1})
    assert response.status_code == 400
    assert response.json() == faulty(
        ("more", "unknown key; known are scores"),
        (
            "scores.accuracy",
            f"expected an integer or a boolean, got 95.5; {MULTIPLY}",
        ),
        ("scores.", "the name must not be empty"),
        ("scores.tone", 'expected an integer or a boolean, got "high"'),
        ("scores.x y", "expected an integer or a boolean, got null"),
        ("scores.y\\u007fz", "the name must not contain control characters"),
    )


async def test_refused_call_leaves_former_scores_alone(client: httpx.AsyncClient) -> None:
    await post(client, "r", {"accuracy": 95, "cited": True})
    before = await read(client, "r")
    response = await client.post("/v1/request/r/score", json={"scores": {"accuracy": 1, "cited": 0.5}})
    assert response.status_code == 400
    assert await read(client, "r") == before


async def test_no_scores_do_nothing(client: httpx.AsyncClient) -> None:
    await post(client, "req_abc123def456", {})
    assert await read(client, "req_abc123def456") is None


@pytest.mark.parametrize(
    "name",
    [
        "accuracy",
        " ",
        " leading and trailing ",
        "a.b",
        "scores.a",
        "__proto__",
        "Ünïcödé",
        "e\u0301",
        "👩‍💻🎯",
        "正確さ",
        '"quoted"',
        "back\\slash",
        "100%_{}[]$1::text",
        "'; DROP TABLE score; --",
        "x" * 255,
        "🎯" * 255,
    ],
)
async def test_name_is_kept_verbatim(client: httpx.AsyncClient, name: str) -> None:
    await post(client, "r", {name: 7})
    assert await scores_of(client, "r") == {name: 7}
    assert await ids(client, {"request_response_rmt": {"scores": {name: {"equals": 7}}}}) == ["r"]


async def test_names_that_look_alike_differ(client: httpx.AsyncClient) -> None:
    scores = {"é": 1, "e\u0301": 2, "É": 3, "é ": 4}
    await post(client, "r", scores)
    assert await scores_of(client, "r") == scores


@pytest.mark.parametrize(
    ("name", "shown", "message"),
    [
        ("", "", "the name must not be empty"),
        ("x" * 256, "x" * 80 + "…", "the name must have at most 255 characters, got 256"),
        ("a\0b", "a\\u0000b", "the name must not contain control characters"),
        ("a\nb", "a\\u000ab", "the name must not contain control characters"),
        ("\x7f", "\\u007f", "the name must not contain control characters"),
        ("\x85", "\\u0085", "the name must not contain control characters"),
    ],
)
async def test_wrong_name_is_refused(client: httpx.AsyncClient, name: str, shown: str, message: str) -> None:
    response = await client.post(PATH, json={"scores": {name: 1}})
    assert (response.status_code, response.json()) == (400, faulty((f"scores.{shown}", message)))
    assert await ids(client) == []


async def test_name_given_twice_takes_the_last_value(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, content='{"scores": {"a": 1, "a": 2}}')
    assert (response.status_code, response.json()) == (200, DONE)
    assert await scores_of(client, "req_abc123def456") == {"a": 2}


@pytest.mark.parametrize(("value", "stored"), [(True, 1), (False, 0), (1, 1), (0, 0)])
async def test_boolean_suffix_is_the_score_without_it(
    client: httpx.AsyncClient,
    connection: Connection,
    organization_id: int,
    value: object,
    stored: int,
) -> None:
    await post(client, "r", {"cited-hcone-bool": value})
    assert await scores_of(client, "r") == {"cited": stored}
    assert await connection.fetchval(IS_BOOLEAN, organization_id) is True
    for name in ("cited", "cited-hcone-bool"):
        assert await ids(client, {"request_response_rmt": {"scores": {name: {"equals": stored}}}}) == ["r"]


@pytest.mark.parametrize(
    ("scores", "path", "message"),
    [
        ({"a-hcone-bool": 2}, "a-hcone-bool", "expected true, false, 1 or 0, got 2"),
        ({"a-hcone-bool": -1}, "a-hcone-bool", "expected true, false, 1 or 0, got -1"),
        ({"a-hcone-bool": 0.5}, "a-hcone-bool", "expected true, false, 1 or 0, got 0.5"),
        ({"-hcone-bool": True}, "-hcone-bool", "the name must not be empty"),
        ({"a": 5, "a-hcone-bool": 1}, "a-hcone-bool", "the same score as a, which is in this call too"),
        ({"helicone-score-feedback": 2}, "helicone-score-feedback", "expected true, false, 1 or 0, got 2"),
    ],
)
async def test_boolean_score_refuses_what_is_none(
    client: httpx.AsyncClient, scores: object, path: str, message: str
) -> None:
    response = await client.post(PATH, json={"scores": scores})
    assert (response.status_code, response.json()) == (400, faulty((f"scores.{path}", message)))
    assert await ids(client) == []


@pytest.mark.parametrize("value", [True, False, 1, 0])
async def test_feedback_score_is_the_rating(client: httpx.AsyncClient, value: object) -> None:
    await post(client, "r", {"helicone-score-feedback": value})
    row = await read(client, "r")
    assert row is not None
    assert (row["feedback_rating"], row["scores"]) == (
        bool(value),
        {"helicone-score-feedback": int(bool(value))},
    )
    assert row["feedback_created_at"] == row["updated_at"]


async def test_256_scores_are_taken(client: httpx.AsyncClient) -> None:
    scores = {f"score {number}": number for number in range(256)}
    await post(client, "r", scores)
    assert await scores_of(client, "r") == scores


async def test_257_scores_are_refused(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, json={"scores": {str(number): number for number in range(257)}})
    assert response.status_code == 400
    assert response.json() == faulty(("scores", "at most 256 in a call, got 257"))
    assert await ids(client) == []


@pytest.mark.parametrize(
    "request_id",
    [
        "req_abc123def456",
        "0196b1f0-7d3e-7c3a-9d0a-0d3f5b6c7d8e",
        "query",
        "query-clickhouse",
        "count",
        "count/query",
        "score",
        "a/score",
        "a/b/c",
        "/",
        "..",
        ".",
        "a b+c",
        "100%",
        "%2F",
        "a?b#c;d=e&f",
        "日本語🎯",
        "'; DROP TABLE request; --",
        "x" * 255,
        "🎯" * 255,
    ],
)
async def test_request_id_is_kept_verbatim(client: httpx.AsyncClient, request_id: str) -> None:
    await post(client, request_id, {"accuracy": 95})
    row = await read(client, request_id)
    assert row is not None
    assert (row["request_id"], row["scores"]) == (request_id, {"accuracy": 95})


@pytest.mark.parametrize("request_id", ["query", "count", "score", "req.1~a-b_c", "(a),'b'!*", "a:b@c$d&e=f"])
async def test_request_id_needs_no_escapes_where_the_url_allows_it(
    client: httpx.AsyncClient, request_id: str
) -> None:
    response = await client.post(f"/v1/request/{request_id}/score", json={"scores": {"accuracy": 95}})
    assert (response.status_code, response.json()) == (200, DONE)
    assert await ids(client) == [request_id]
    response = await client.get(f"/v1/request/{request_id}")
    assert response.json()["data"]["scores"] == {"accuracy": 95}


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ("x" * 256, "must have at most 255 characters, got 256"),
        ("", "must not be empty"),
        ("a%00b", "must not contain control characters"),
        ("a%0Ab", "must not contain control characters"),
        ("a%C2%85b", "must not contain control characters"),
        ("%FF", "must be UTF-8, percent-encoded"),
        ("%ED%A0%80", "must be UTF-8, percent-encoded"),
        ("%C0%AF", "must be UTF-8, percent-encoded"),
    ],
)
async def test_wrong_request_id_is_refused(client: httpx.AsyncClient, sent: str, message: str) -> None:
    response = await client.post(f"/v1/request/{sent}/score", json={"scores": {"accuracy": 95}})
    assert (response.status_code, response.json()) == (400, faulty(("requestId", message)))
    assert await ids(client) == []


async def test_same_name_again_replaces_and_others_stay(client: httpx.AsyncClient) -> None:
    await post(client, "r", {"accuracy": 95, "tone": 3})
    await post(client, "r", {"accuracy": 60, "depth": 4})
    assert await scores_of(client, "r") == {"accuracy": 60, "tone": 3, "depth": 4}


async def test_requests_keep_their_scores_apart(client: httpx.AsyncClient) -> None:
    await post(client, "one", {"accuracy": 1})
    await post(client, "two", {"accuracy": 2})
    await post(client, "ONE", {"accuracy": 3})
    assert [await scores_of(client, id_) for id_ in ("one", "two", "ONE")] == [
        {"accuracy": 1},
        {"accuracy": 2},
        {"accuracy": 3},
    ]


@pytest.mark.parametrize(
    ("first", "second", "stored", "is_boolean"),
    [(True, 5, 5, None), (5, True, 1, True), (1, True, 1, True), (True, 1, 1, None), (False, 0, 0, None)],
)
async def test_newest_type_stands(
    client: httpx.AsyncClient,
    connection: Connection,
    organization_id: int,
    first: object,
    second: object,
    stored: int,
    is_boolean: bool | None,
) -> None:
    await post(client, "r", {"cited": first})
    await post(client, "r", {"cited": second})
    assert await scores_of(client, "r") == {"cited": stored}
    assert await connection.fetchval(IS_BOOLEAN, organization_id) is is_boolean


async def test_request_exists_from_its_first_score_on(client: httpx.AsyncClient) -> None:
    assert await read(client, "r") is None
    await post(client, "r", {"accuracy": 95})
    first = await read(client, "r")
    await asyncio.sleep(0.002)
    await post(client, "r", {"accuracy": 96})
    second = await read(client, "r")
    assert first is not None
    assert second is not None
    assert second["request_created_at"] == first["request_created_at"] == first["updated_at"]
    assert second["updated_at"] > first["updated_at"]


@pytest.mark.parametrize(
    ("scores", "stored"),
    [
        (
            '{"accuracy": 95, "relevance": 87, "helpfulness": 92}',
            {"accuracy": 95, "relevance": 87, "helpfulness": 92},
        ),
        (
            '{"overall_quality": 88, "coherence": 92, "has_citations": true, "is_factual": true,'
            ' "contains_errors": false}',
            {
                "overall_quality": 88,
                "coherence": 92,
                "has_citations": 1,
                "is_factual": 1,
                "contains_errors": 0,
            },
        ),
    ],
)
async def test_documented_example_is_taken(
    client: httpx.AsyncClient, scores: str, stored: dict[str, int]
) -> None:
    response = await client.post(PATH, content=f'{{"scores": {scores}}}')
    assert (response.status_code, response.json()) == (200, DONE)
    assert await scores_of(client, "req_abc123def456") == stored


async def test_documented_bad_example_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, json={"scores": {"accuracy": 95.5, "score": "high"}})
    assert response.status_code == 400
    assert response.json() == faulty(
        (
            "scores.accuracy",
            f"expected an integer or a boolean, got 95.5; {MULTIPLY}",
        ),
        ("scores.score", 'expected an integer or a boolean, got "high"'),
    )


async def test_scores_are_answered_as_json_integers(client: httpx.AsyncClient) -> None:
    await post(client, "r", {"cited": True, "long": MAX})
    response = await client.get("/v1/request/r")
    assert response.headers["content-type"] == "application/json"
    assert f'"scores":{{"long":{MAX},"cited":1}}' in response.text.replace(" ", "")


async def test_score_path_of_several_slashes_at_its_beginning_is_taken(client: httpx.AsyncClient) -> None:
    response = await client.post(
        f"{client.base_url}//v1/request/{encoded('r')}/score", json={"scores": {"a": 1}}
    )
    assert (response.status_code, response.json()) == (200, DONE)
