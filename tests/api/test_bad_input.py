"""Whatever a client sends: never a 500, always the envelope, and what was wrong named."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from heliscore.api.shared import envelope
from heliscore.endpoint_table import ENDPOINTS
from heliscore.server.http_protocol import MAX_DROPPED_BYTES

from tests.api import raw
from tests.api.envelope import DONE, faulty, ids, post
from tests.conftest import Service, StartService

SCORE = "/v1/request/r/score"
QUERY = "/v1/request/query"
COUNT = "/v1/request/count/query"
RMT = "request_response_rmt"


def error_response(response: httpx.Response | raw.Answer, status: int) -> Any:
    """Check that an answer is a refusal in the envelope and return its body."""
    assert (
        response.status_code == status if isinstance(response, httpx.Response) else response.status == status
    )
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body.keys() == ({"data", "error", "details"} if status == 400 else {"data", "error"})
    assert body["data"] is None
    assert isinstance(body["error"], str)
    assert body["error"].splitlines() == [body["error"]]
    if status == 400:
        assert body == faulty(
            *((field_error["path"], field_error["message"]) for field_error in body["details"])
        )
    return body


# Bodies


@pytest.mark.parametrize("path", [SCORE, QUERY, COUNT])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b" \n", id="blank"),
        pytest.param(b"\0", id="NUL"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"scores", id="bare word"),
        pytest.param(b'{"scores": {"a": 1}} {}', id="two values"),
        pytest.param(b'{"scores": {"a": 1,}}', id="trailing comma"),
        pytest.param(b"{'scores': {}}", id="single quotes"),
        pytest.param(b'{"scores": {"a": 01}}', id="leading zero"),
        pytest.param(b'{"scores": {"a": NaN}}', id="NaN"),
        pytest.param(b'{"scores": {"a": -Infinity}}', id="Infinity"),
        pytest.param(b'{"scores": {"a\nb": 1}}', id="raw control character"),
        pytest.param(b'{"scores": {"\\ud800": 1}}', id="lone high surrogate"),
        pytest.param(b'{"scores": {"\\udc00": 1}}', id="lone low surrogate"),
        pytest.param(b'{"scores": {"\\ud800x": 1}}', id="broken surrogate pair"),
        pytest.param(b'{"scores": {"\\x00": 1}}', id="no escape of JSON"),
        pytest.param(b'{"scores": {"\xff": 1}}', id="invalid UTF-8"),
        pytest.param(b'{"scores": {"\xed\xa0\x80": 1}}', id="surrogate in UTF-8"),
        pytest.param(b'{"scores": {"\xc0\x80": 1}}', id="overlong UTF-8"),
        pytest.param(b"\xff\xfe{\0}\0", id="UTF-16"),
        pytest.param(b'{"scores": {"a": 1e400}}', id="1e400"),
        pytest.param(b'{"scores": {"a": %s}}' % (b"9" * 5000), id="5000 digits"),
        pytest.param(b'{"scores": {"a": -%s}}' % (b"9" * 5000), id="5000 digits, negative"),
        pytest.param(b"9" * 5000, id="5000 digits alone"),
        pytest.param(b"[" * 100_000, id="100,000 open brackets"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="100,000 pairs of brackets"),
        pytest.param(b'{"filter":' * 100_000 + b"1" + b"}" * 100_000, id="100,000 objects"),
        pytest.param(b'{"scores":{"a":' + b"[" * 900 + b"]" * 900 + b"}}", id="900 pairs of brackets"),
        pytest.param(b"[]", id="array"),
        pytest.param(b"null", id="null"),
        pytest.param(b'"scores"', id="string"),
        pytest.param(b"95", id="number"),
        pytest.param(b"true", id="boolean"),
    ],
)
async def test_broken_body_is_refused(client: httpx.AsyncClient, path: str, body: bytes) -> None:
    error_response(await client.post(path, content=body), 400)
    assert await ids(client) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is not valid JSON: the body is empty"),
        (b"[" * 100_000, "the body is not valid JSON: nested too deeply"),
        (b"[]", "expected a JSON object, got an array"),
        (b"null", "expected a JSON object, got null"),
        (b'"x"', 'expected a JSON object, got "x"'),
        (b"1e2", "expected a JSON object, got 100.0"),
        (b"9" * 40, "expected a JSON object, got an integer of more than 64 bits"),
    ],
)
async def test_wrong_top_level_is_explained(client: httpx.AsyncClient, body: bytes, message: str) -> None:
    response = await client.post(SCORE, content=body)
    assert (response.status_code, response.json()) == (400, faulty(("", message)))


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/json; charset=x",
    ],
)
async def test_content_type_does_not_matter(client: httpx.AsyncClient, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    response = await client.post(SCORE, content=b'{"scores": {"a": 1}}', headers=headers)
    assert (response.status_code, response.json()) == (200, DONE)
    response = await client.post(QUERY, content=b'{"filter": "all"}', headers=headers)
    assert [row["scores"] for row in response.json()["data"]] == [{"a": 1}]


@pytest.mark.parametrize("name", ["a\nb", "a\r\nb", "\x85", "\0"])
async def test_error_is_one_line_whatever_the_name(client: httpx.AsyncClient, name: str) -> None:
    response = await client.post(SCORE, json={"scores": {name: 1}})
    assert response.status_code == 400
    assert response.json()["error"].splitlines() == [response.json()["error"]]


TEXTS = {
    "NUL": "a\0b",
    "1 MiB": "x" * 2**20,
    "1 MiB of emoji": "🎯" * 2**18,
    "pattern": "%_\\",
    "quotes": "'\"`$1;--",
    "separators": "\u2028\u202e\ufeff",
    "noncharacter": "\uffff\U0010ffff",
    "cast": "'::int",
    "empty": "",
}

PLACES: dict[str, Callable[[str], object]] = {
    "key": lambda text: {"filter": "all", text: 1},
    "filter": lambda text: {"filter": text},
    "table": lambda text: {"filter": {text: {}}},
    "column": lambda text: {"filter": {RMT: {text: {"equals": 1}}}},
    "operator": lambda text: {"filter": {RMT: {"model": {text: "a"}}}},
    "connective": lambda text: {"filter": {"left": "all", "operator": text, "right": "all"}},
    "text": lambda text: {"filter": {RMT: {"model": {"equals": text}}}},
    "like": lambda text: {"filter": {RMT: {"model": {"like": text}}}},
    "ilike": lambda text: {"filter": {RMT: {"request_body": {"ilike": text}}}},
    "contains": lambda text: {"filter": {RMT: {"model": {"contains": text}}}},
    "not-contains": lambda text: {"filter": {"properties": {"a": {"not-contains": text}}}},
    "in": lambda text: {"filter": {RMT: {"request_id": {"in": ["a", text]}}}},
    "number": lambda text: {"filter": {RMT: {"status": {"equals": text}}}},
    "time": lambda text: {"filter": {RMT: {"updated_at": {"gt": text}}}},
    "boolean": lambda text: {"filter": {RMT: {"cached": {"equals": text}}}},
    "score": lambda text: {"filter": {RMT: {"scores": {"a": {"equals": text}}}}},
    "score name": lambda text: {"filter": {RMT: {"scores": {text: {"gte": 1}}}}},
    "property": lambda text: {"filter": {RMT: {"properties": {text: {"equals": "a"}}}}},
    "property key": lambda text: {"filter": {RMT: {"property_key": {"equals": text}}}},
    "variable": lambda text: {"filter": {"values": {text: {"exists": True}}}},
    "limit": lambda text: {"filter": "all", "limit": text},
    "offset": lambda text: {"filter": "all", "offset": text},
    "sort": lambda text: {"filter": "all", "sort": {text: "asc"}},
    "direction": lambda text: {"filter": "all", "sort": {"cost": text}},
    "sorted score": lambda text: {"filter": "all", "sort": {"scores": {text: "asc"}}},
    "sorted property": lambda text: {"filter": "all", "sort": {"properties": {text: "asc"}}},
    "cursor": lambda text: {"filter": "all", "cursor": text},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", TEXTS)
async def test_odd_text_is_taken_or_refused(client: httpx.AsyncClient, place: str, text: str) -> None:
    await post(client, "r", {"a": 1})
    response = await client.post(QUERY, json=PLACES[place](TEXTS[text]))
    if response.status_code == 200:
        assert response.json().keys() == {"data", "error"}
    else:
        assert response.status_code == 400
        assert response.json().keys() == {"data", "error", "details"}
        assert len(response.content) < 2000


@pytest.mark.parametrize(
    "place", ["text", "like", "ilike", "contains", "in", "score name", "property", "property key", "variable"]
)
async def test_nul_is_refused_where_postgresql_would(client: httpx.AsyncClient, place: str) -> None:
    body = error_response(await client.post(QUERY, json=PLACES[place]("a\0b")), 400)
    assert [field_error["message"] for field_error in body["details"]] == ["must not contain NUL"]


@pytest.mark.parametrize("operator", ["like", "ilike"])
@pytest.mark.parametrize(
    ("pattern", "taken"), [("a\\", False), ("\\\\\\", False), ("a\\\\", True), ("\\a", True)]
)
async def test_pattern_may_not_end_in_a_lone_backslash(
    client: httpx.AsyncClient, operator: str, pattern: str, taken: bool
) -> None:
    await post(client, "r", {"a": 1})
    response = await client.post(QUERY, json={"filter": {RMT: {"request_id": {operator: pattern}}}})
    if taken:
        assert (response.status_code, response.json()) == (200, {"data": [], "error": None})
    else:
        path = f"filter.request_response_rmt.request_id.{operator}"
        assert response.status_code == 400
        assert response.json() == faulty((path, "the pattern ends in a backslash that escapes nothing"))


NUMBERS = ["1e308", "-1e308", "5e-324", "1e-400", "9" * 300, str(10**40), str(-(2**63)), "0.1", "-0.0"]


@pytest.mark.parametrize("column", ["status", "latency", "cost"])
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("quote", ["", '"'])
async def test_any_finite_number_can_be_compared(
    client: httpx.AsyncClient, column: str, number: str, quote: str
) -> None:
    await post(client, "r", {"a": 1})
    filter_ = f'{{"{RMT}": {{"{column}": {{"gte": {quote}{number}{quote}}}}}}}'
    response = await client.post(QUERY, content=f'{{"filter": {filter_}}}')
    assert (response.status_code, response.json()) == (200, {"data": [], "error": None})


@pytest.mark.parametrize(
    "number", ['"1e400"', '"nan"', '"inf"', '"1_000"', '"٣"', f'"{"9" * 500}"', "9" * 500]
)
async def test_number_that_is_none_is_refused(client: httpx.AsyncClient, number: str) -> None:
    filter_ = f'{{"{RMT}": {{"cost": {{"gte": {number}}}}}}}'
    body = error_response(await client.post(QUERY, content=f'{{"filter": {filter_}}}'), 400)
    assert [field_error["path"] for field_error in body["details"]] == [
        "filter.request_response_rmt.cost.gte"
    ]


@pytest.mark.parametrize("value", [str(10**40), f'"{10**19}"', '"1e2"', "95.5", "[]", '"\\uff19"'])
async def test_score_condition_beyond_integers_is_refused(client: httpx.AsyncClient, value: str) -> None:
    filter_ = f'{{"{RMT}": {{"scores": {{"a": {{"gte": {value}}}}}}}}}'
    body = error_response(await client.post(QUERY, content=f'{{"filter": {filter_}}}'), 400)
    assert [field_error["path"] for field_error in body["details"]] == [
        "filter.request_response_rmt.scores.a.gte"
    ]


@pytest.mark.parametrize(
    "moment",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0000-01-01", "10000-01-01", "2026-02-30"],
)
async def test_time_that_is_none_is_refused(client: httpx.AsyncClient, moment: str) -> None:
    response = await client.post(QUERY, json={"filter": {RMT: {"updated_at": {"gt": moment}}}})
    assert response.status_code == 400
    assert response.json() == faulty(
        (
            "filter.request_response_rmt.updated_at.gt",
            f'expected an ISO 8601 date or date-time, got "{moment}"',
        )
    )


@pytest.mark.parametrize(("moment", "found"), [("0001-01-01", ["r"]), ("9999-12-31T23:59:59.999999Z", [])])
async def test_time_at_the_edge_can_be_compared(
    client: httpx.AsyncClient, moment: str, found: list[str]
) -> None:
    await post(client, "r", {"a": 1})
    assert await ids(client, {RMT: {"updated_at": {"gt": moment}}}) == found


async def test_only_the_first_1000_faults_are_listed(client: httpx.AsyncClient) -> None:
    columns: dict[str, object] = {f"bogus {number}": {} for number in range(1200)}
    response = await client.post(QUERY, json={"filter": {RMT: columns}})
    paths = [f"filter.request_response_rmt.bogus {number}" for number in range(1000)]
    assert (response.status_code, response.json()) == (
        400,
        faulty(*((path, "unknown column") for path in paths), found=1200),
    )


# Gigantic queries


def score_conditions(count: int) -> dict[str, object]:
    return {RMT: {"scores": {f"score {number}": {"gte": 0} for number in range(count)}}}


def any_of(filters: list[object]) -> object:
    """A balanced tree of ORs."""
    if len(filters) == 1:
        return filters[0]
    middle = len(filters) // 2
    return {"left": any_of(filters[:middle]), "operator": "or", "right": any_of(filters[middle:])}


@pytest.fixture
async def scored(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client that sees ten requests, each with 500 scores, and one with a single score."""
    values = {f"score {number}": number for number in range(500)}
    halves = [dict(list(values.items())[:250]), dict(list(values.items())[250:])]
    for number in range(10):
        for half in halves:
            await post(client, f"r{number}", half)
    await post(client, "last", {"score 499": 499})
    return client


async def test_500_score_conditions_are_answered_in_seconds(scored: httpx.AsyncClient) -> None:
    begun = time.monotonic()
    found = await ids(scored, score_conditions(500), limit=1000)
    assert found == [f"r{number}" for number in reversed(range(10))]
    assert time.monotonic() - begun < 20


async def test_500_alternatives_are_answered_in_seconds(scored: httpx.AsyncClient) -> None:
    alternatives = any_of([{RMT: {"scores": {f"score {number}": {"lt": 0}}}} for number in range(499)])
    begun = time.monotonic()
    filter_ = {"left": alternatives, "operator": "or", "right": {RMT: {"scores": {"score 499": {"gt": 0}}}}}
    found = await ids(scored, filter_, limit=1000)
    assert found == ["last", *(f"r{number}" for number in reversed(range(10)))]
    assert time.monotonic() - begun < 20


async def test_501_conditions_are_refused(client: httpx.AsyncClient) -> None:
    response = await client.post(QUERY, json={"filter": score_conditions(501)})
    assert response.status_code == 400
    path = "filter.request_response_rmt.scores.score 500.gte"
    assert response.json() == faulty((path, "more than 500 conditions"))


async def test_filter_of_many_empty_parts_is_taken(client: httpx.AsyncClient) -> None:
    await post(client, "r", {"a": 1})
    assert await ids(client, any_of([{RMT: {}}] * 2**11)) == ["r"]


async def test_filter_of_too_many_empty_parts_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/request/query", json={"filter": any_of([{RMT: {}}] * 2**16)})
    assert response.status_code == 400
    [field_error] = response.json()["details"]
    assert field_error["message"] == "more than 5000 nodes"


async def test_list_of_100000_values_is_taken(client: httpx.AsyncClient) -> None:
    await post(client, "r", {"a": 99_999})
    assert await ids(client, {RMT: {"scores": {"a": {"in": list(range(100_000))}}}}) == ["r"]
    assert await ids(client, {"request": {"id": {"in": [*map(str, range(100_000)), "r"]}}}) == ["r"]


# Cursors


def pack(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


async def cursor_parts(client: httpx.AsyncClient, sort: dict[str, object]) -> list[Any]:
    """Post two requests and take apart the cursor between them."""
    for request_id in ("one", "two"):
        await post(client, request_id, {"a": 1})
    response = await client.post(QUERY, json={"filter": "all", "sort": sort, "limit": 1})
    parts: list[Any] = json.loads(base64.urlsafe_b64decode(response.json()["nextCursor"]))
    assert len(parts) == 4
    return parts


TAMPERINGS: dict[str, Callable[[list[Any]], object]] = {
    "cut off": lambda parts: pack(*parts)[:-5],
    "no base64": lambda _: "§",
    "no JSON": lambda _: base64.urlsafe_b64encode(b"\xff{").decode(),
    "deep": lambda _: base64.urlsafe_b64encode(b"[" * 100_000).decode(),
    "empty": lambda _: pack(),
    "object": lambda _: base64.urlsafe_b64encode(b"{}").decode(),
    "too short": lambda parts: pack(*parts[:3]),
    "another order": lambda parts: pack("x", *parts[1:]),
    "no order": lambda parts: pack(None, *parts[1:]),
    "object for a value": lambda parts: pack(parts[0], {}, *parts[2:]),
    "list for a value": lambda parts: pack(parts[0], [1], *parts[2:]),
    "time of another kind": lambda parts: pack(*parts[:2], 5, parts[3]),
    "time without a zone": lambda parts: pack(*parts[:2], "2026-01-01T00:00:00", parts[3]),
    "time before time": lambda parts: pack(*parts[:2], "0001-01-01T00:00:00+14:00", parts[3]),
    "time after time": lambda parts: pack(*parts[:2], "9999-12-31T23:59:59-14:00", parts[3]),
    "number for an id": lambda parts: pack(*parts[:3], 5),
    "NUL in the id": lambda parts: pack(*parts[:3], "a\0b"),
    "surrogate in the id": lambda parts: pack(*parts[:3], "\ud800"),
    "number": lambda _: 5,
    "list": lambda _: [],
    "bytes": lambda _: "b'WzFd'",
}


@pytest.mark.parametrize(
    "sort", [{"created_at": "desc"}, {"cost": "asc"}, {"user_id": "asc"}, {"is_cached": "asc"}], ids=str
)
@pytest.mark.parametrize("tampering", TAMPERINGS)
async def test_tampered_cursor_is_refused(
    client: httpx.AsyncClient, sort: dict[str, object], tampering: str
) -> None:
    cursor = TAMPERINGS[tampering](await cursor_parts(client, sort))
    response = await client.post(QUERY, json={"filter": "all", "sort": sort, "cursor": cursor})
    assert response.status_code == 400
    assert response.json() == faulty(("cursor", "not a cursor of a query with this sort"))


@pytest.mark.parametrize(
    ("sort", "value"),
    [
        ({"cost": "asc"}, "a"),
        ({"user_id": "asc"}, 5),
        ({"user_id": "asc"}, "a\0b"),
        ({"is_cached": "asc"}, 1),
        ({"scores": {"b": "asc"}}, 1.5),
        ({"scores": {"b": "asc"}}, 2**63),
        ({"scores": {"b": "asc"}}, 10**40),
        ({"created_at": "asc"}, "never"),
    ],
)
async def test_cursor_with_a_value_of_another_type_is_refused(
    client: httpx.AsyncClient, sort: dict[str, object], value: object
) -> None:
    parts = await cursor_parts(client, sort)
    cursor = pack(parts[0], value, *parts[2:])
    response = await client.post(QUERY, json={"filter": "all", "sort": sort, "cursor": cursor})
    assert response.status_code == 400
    assert response.json() == faulty(("cursor", "not a cursor of a query with this sort"))


@pytest.mark.parametrize(
    ("sort", "value"),
    [
        ({"cost": "asc"}, 1e308),
        ({"latency": "asc"}, -1e308),
        ({"latency": "desc"}, 5e-324),
        ({"scores": {"b": "asc"}}, 2**63 - 1),
        ({"scores": {"b": "desc"}}, -(2**63)),
        ({"user_id": "asc"}, "'\"\\%"),
        ({"is_cached": "desc"}, True),
    ],
)
async def test_cursor_with_an_extreme_value_is_taken(
    client: httpx.AsyncClient, sort: dict[str, object], value: object
) -> None:
    parts = await cursor_parts(client, sort)
    response = await client.post(
        QUERY, json={"filter": "all", "sort": sort, "cursor": pack(parts[0], value, *parts[2:])}
    )
    assert response.status_code == 200


# Sizes


async def test_announced_large_body_is_refused_before_it_is_sent(start_service: StartService) -> None:
    service = await start_service(max_body_bytes=1024)
    key = await service.make_key()
    answer = await raw.send(service.address, raw.request("POST", SCORE, key, Content_Length="1025"))
    assert error_response(answer, 413)["error"] == "the body is larger than the limit of 1024 bytes"


async def test_chunked_large_body_is_refused_before_its_end(start_service: StartService) -> None:
    service = await start_service(max_body_bytes=1024)
    key = await service.make_key()
    head = raw.request("POST", SCORE, key, Content_Length="", Transfer_Encoding="chunked")
    answer = await raw.send(service.address, head, *(b"200\r\n" + b" " * 512 + b"\r\n" for _ in range(3)))
    assert error_response(answer, 413)["error"] == "the body is larger than the limit of 1024 bytes"


async def test_large_body_is_refused_whichever_way_it_is_sent(start_service: StartService) -> None:
    service = await start_service(max_body_bytes=1024)
    client = await service.client()

    async def chunks() -> Any:
        yield b'{"scores": {"a": 1}}'
        yield b" " * 1024

    for path in (SCORE, QUERY, COUNT):
        error_response(await client.post(path, content=b" " * 1025), 413)
        error_response(await client.post(path, content=chunks()), 413)
    assert await ids(client) == []


async def test_body_of_the_limit_is_taken(start_service: StartService) -> None:
    service = await start_service(max_body_bytes=1024)
    client = await service.client()
    response = await client.post(SCORE, content=b'{"scores": {"a": 1}}'.ljust(1024))
    assert (response.status_code, response.json()) == (200, DONE)


async def test_chunked_body_is_taken(client: httpx.AsyncClient) -> None:
    async def chunks() -> Any:
        for byte in b'{"scores": {"a": 1}}':
            yield bytes([byte])

    response = await client.post(SCORE, content=chunks())
    assert (response.status_code, response.json()) == (200, DONE)


async def test_client_that_leaves_midway_stores_nothing(
    client: httpx.AsyncClient, shared: Service, organization: str
) -> None:
    key = await shared.make_key(organization)
    sent = raw.request("POST", SCORE, key, b'{"scores": {"a": 1}}', Content_Length="21")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(raw.send(shared.address, sent), 0.2)
    assert await ids(client) == []


def post_whole_body(address: str, key: str, size: int, **headers: str) -> tuple[int, str]:
    """Post as http.client does, which sends all of a body before it reads."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    try:
        connection.request("POST", SCORE, b" " * size, {"Authorization": f"Bearer {key}", **headers})
        response = connection.getresponse()
        return response.status, json.loads(response.read())["error"]
    finally:
        connection.close()


async def test_client_that_sends_all_before_it_reads_sees_413(shared: Service, organization: str) -> None:
    key = await shared.make_key(organization)
    for _ in range(5):
        answer = await asyncio.to_thread(post_whole_body, shared.address, key, 20_000_000)
        assert answer == (413, "the body is larger than the limit of 16777216 bytes")


async def test_body_without_end_is_not_read_for_ever(shared: Service, organization: str) -> None:
    key = await shared.make_key(organization)
    with pytest.raises(OSError, match=r"reset|pipe|abort"):
        await asyncio.to_thread(post_whole_body, shared.address, key, MAX_DROPPED_BYTES + 32_000_000)


async def test_error_is_seen_where_the_client_asks_to_close(shared: Service) -> None:
    """As urllib does."""
    for _ in range(5):
        answer = await asyncio.to_thread(
            post_whole_body, shared.address, "none", 8_000_000, Connection="close"
        )
        assert answer[0] == 401


# Paths and methods


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/request",
        "/v2/request/r",
        "/v1/request/r/",
        "/docs/",
        "/%00",
        "/v1/request/r/scored",
    ],
)
async def test_unknown_path_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        body = error_response(await client.request(method, path), 404)
        assert body["error"] == f"no such endpoint: {path}"


def is_endpoint(method: str, path: str) -> bool:
    """Whether the method is right on the path, be it by a pattern that fits the path too."""
    patterns = (
        re.sub(r"{\w+}", "[^/]+", endpoint.path) for endpoint in ENDPOINTS if endpoint.method == method
    )
    return any(re.fullmatch(pattern, path) for pattern in patterns)


PATHS = sorted(
    {re.sub(r"{\w+}", "x", e.path) for e in ENDPOINTS if e.render_error is envelope.render_error}
)  # PromptLayer's have words of their own


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (method, path)
        for method in ("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PROPFIND", "PUT", "TRACE")
        for path in PATHS
        if not is_endpoint(method, path)
    ],
)
async def test_wrong_method_is_refused_with_the_right_ones(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    response = await client.request(method, path)
    right = {e.method for e in ENDPOINTS if re.sub(r"{\w+}", "x", e.path) == path}
    allowed = ", ".join(sorted(right | {"HEAD"} if "GET" in right else right))
    assert error_response(response, 405)["error"] == f"method not allowed here, use {allowed}"
    assert response.headers["allow"] == allowed


@pytest.mark.parametrize(
    "path", ["/v1/request/r", "/healthz", "/readyz", "/healthcheck", "/openapi.json", "/docs"]
)
async def test_head_answers_like_get_without_a_body(client: httpx.AsyncClient, path: str) -> None:
    await post(client, "r", {"a": 1})
    got, head = await client.get(path), await client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == got.headers[name]


async def test_head_of_unknown_request_is_not_found(client: httpx.AsyncClient) -> None:
    head = await client.head("/v1/request/nope")
    assert (head.status_code, head.content) == (404, b"")


@pytest.mark.parametrize("id_", ["%", "%z", "%4", "%4z", "a%%20b", "%u0041"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_malformed_percent_encoding_is_refused(
    shared: Service, organization: str, id_: str, method: str
) -> None:
    key = await shared.make_key(organization)
    path = f"/v1/request/{id_}" + ("/score" if method == "POST" else "")
    answer = await raw.send(shared.address, raw.request(method, path, key, b'{"scores": {"a": 1}}'))
    assert (answer.status, answer.json()) == (400, faulty(("requestId", "malformed percent-encoding")))


async def test_malformed_percent_encoding_behind_the_path_does_not_matter(
    client: httpx.AsyncClient, shared: Service, organization: str
) -> None:
    await post(client, "r", {"a": 1})
    key = await shared.make_key(organization)
    answer = await raw.send(shared.address, raw.request("GET", "/v1/request/r?includeBody=%zz&%&", key))
    assert (answer.status, answer.json()["data"]["scores"]) == (200, {"a": 1})


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("/v1/request/é/score".encode(), id="plain UTF-8"),
        pytest.param(b"/v1/request/\xff/score", id="broken UTF-8"),
        pytest.param(b"/v1/request/r/score?\xff", id="broken UTF-8 behind the path"),
        pytest.param(b"/v1/request/a b/score", id="blank"),
    ],
)
async def test_target_that_http_does_not_allow_is_refused(
    client: httpx.AsyncClient, shared: Service, organization: str, target: bytes
) -> None:
    # By the server's parser, in its own words: such a call never reaches the service.
    key = await shared.make_key(organization)
    answer = await raw.send(shared.address, raw.request("POST", target, key, b'{"scores": {"a": 1}}'))
    assert answer.status == 400
    assert await ids(client) == []


@pytest.mark.parametrize("size", [256, 60_000])
async def test_long_request_id_is_refused(client: httpx.AsyncClient, size: int) -> None:
    response = await client.post(f"/v1/request/{'x' * size}/score", json={"scores": {"a": 1}})
    assert response.status_code == 400
    assert response.json() == faulty(("requestId", f"must have at most 255 characters, got {size}"))


async def test_long_unknown_path_is_shortened(client: httpx.AsyncClient) -> None:
    body = error_response(await client.get("/" + "x" * 60_000), 404)
    assert len(body["error"]) < 500


async def test_whole_address_as_target_is_taken(
    client: httpx.AsyncClient, shared: Service, organization: str
) -> None:
    key = await shared.make_key(organization)
    sent = raw.request("POST", f"{shared.address}{SCORE}", key, b'{"scores": {"a": 1}}')
    assert (await raw.send(shared.address, sent)).json() == DONE
    assert await ids(client) == ["r"]


async def test_asterisk_as_target_is_not_found(shared: Service) -> None:
    answer = await raw.send(shared.address, raw.request("OPTIONS", "*", "none"))
    error_response(answer, 404)
