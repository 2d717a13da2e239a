"""`/v1/export`: whole files, against what was stored and against what the pages of a query give."""

from __future__ import annotations

import asyncio
import base64
import csv
import gzip
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import pytest
from heliscore.api.shared import export_stream
from heliscore.domain.export_columns import REQUEST_COLUMNS
from heliscore.domain.filter_tree import NEWEST_FIRST, Everything
from heliscore.exports import parquet_file
from heliscore.store import exports
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreNames
from heliscore.store.search import selectivity
from pyarrow import parquet

from tests.api.envelope import RMT, faulty, log, log_dozen, post, scores
from tests.api.test_query_pages import log_ties
from tests.conftest import Service

EXPORT = "/v1/export"
FULL = {
    "response_created_at": datetime(2026, 1, 1, 0, 0, 1, 250_000, UTC),
    "latency_ms": 1250,
    "time_to_first_token_ms": 200,
    "prompt_tokens": 3,
    "completion_tokens": 5,
    "total_tokens": 8,
    "prompt_cache_read_tokens": 1,
    "prompt_cache_write_tokens": 2,
    "reasoning_tokens": 4,
    "prompt_audio_tokens": 6,
    "completion_audio_tokens": 7,
    "cost_usd": 0.00022,
    "cost_is_computed": True,
    "status": 200,
    "outcome": "WARNING",
    "cache_enabled": True,
    "user_id": '=HYPERLINK("http://x")',
    "provider": "OPENAI",
    "request_model": "gpt-4o",
    "response_model": "gpt-4o-2024",
    "model_override": "mine",
    "prompt_id": "greeting",
    "prompt_version": "3",
    "prompt_version_number": 3,
    "prompt_variables": '{"topic": "tea"}',
    "response_id": "-1",
    "request_path": "/v1/chat",
    "target_url": "https://example.com/v1/chat",
    "tags": ["a", 'b "quoted"'],
    "properties": '{"variant": "A,B"}',
    "promptlayer": '{"x": [1, null]}',
    "request_body": '{"messages": ["Hi\\n", "\\u00e9"]}',
    "response_body": '["ok"]',
}
JSON = ("prompt_variables", "properties", "promptlayer", "request_body", "response_body")
AT = "2026-01-01T00:00:07.123456Z"


async def export(client: httpx.AsyncClient, filter_: object = "all", **body: object) -> bytes:
    """The file, of an answer that ended well."""
    response = await client.post(EXPORT, json={"filter": filter_, **body})
    assert response.status_code == 200, response.text
    return response.content


async def rows(client: httpx.AsyncClient, filter_: object = "all", **body: object) -> list[Any]:
    return [json.loads(line) for line in (await export(client, filter_, **body)).splitlines()]


async def table(client: httpx.AsyncClient, **body: object) -> list[list[str]]:
    content = await export(client, format="csv", **body)
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


@pytest.fixture
async def full(client: httpx.AsyncClient, connection: Connection, organization_id: int) -> httpx.AsyncClient:
    """An organization with a request that has everything, and one that has nothing."""
    await log(connection, organization_id, "full", "2026-01-01T00:00:00Z", **FULL)
    await log(connection, organization_id, "empty", "2026-01-02T00:00:00.5Z")
    body = {"requestId": "full", "author": "judge:relevance@2", "scores": {"accuracy": 40}}
    assert (await client.post("/v1/scores", json=body)).is_success
    body |= {"scores": {"accuracy": {"value": 95, "comment": 'so "good"'}, "ok": True}}
    assert (await client.post("/v1/scores", json=body)).is_success
    for name in ("score", "score_comment"):
        await connection.execute(
            f"UPDATE {name} SET scored_at = $2 WHERE organization_id = $1",
            organization_id,
            datetime.fromisoformat(AT),
        )
    await connection.execute(
        "DELETE FROM score_history WHERE organization_id = $1 AND value = 95", organization_id
    )
    for name in ("score_history", "request"):
        column = "scored_at" if name == "score_history" else "updated_at"
        await connection.execute(
            f"UPDATE {name} SET {column} = $2 WHERE organization_id = $1",
            organization_id,
            datetime.fromisoformat("2026-01-01T00:00:05.000001Z"),
        )
    await connection.execute(
        "DELETE FROM score_history WHERE organization_id = $1 AND is_boolean", organization_id
    )
    return client


SHOWN: dict[str, Any] = {
    "request_id": "full",
    "created_at": "2026-01-01T00:00:00.000Z",
    "updated_at": "2026-01-01T00:00:05.000Z",
    **{name: json.loads(str(value)) if name in JSON else value for name, value in FULL.items()},
    "response_created_at": "2026-01-01T00:00:01.250Z",
    "model": "mine",
    "scores": {
        "accuracy": {"value": 95, "at": AT, "author": "judge:relevance@2", "comment": 'so "good"'},
        "ok": {"value": True, "at": AT, "author": "judge:relevance@2"},
    },
}
EMPTY: dict[str, Any] = {
    "request_id": "empty",
    "created_at": "2026-01-02T00:00:00.500Z",
    "updated_at": "2026-01-01T00:00:05.000Z",
    "cost_is_computed": False,
    "cache_enabled": False,
    "properties": {},
    "scores": {},
}
CHANGE = {"value": 40, "at": "2026-01-01T00:00:05.000001Z", "author": "judge:relevance@2", "call": "scores"}


async def test_lines_hold_everything_in_the_order_of_the_columns(full: httpx.AsyncClient) -> None:
    found = await rows(full)
    assert found == [EMPTY, SHOWN]
    assert list(found[1]) == [*REQUEST_COLUMNS, "scores"]


async def test_history_holds_what_was_replaced(full: httpx.AsyncClient) -> None:
    found = await rows(full, history=True)
    assert found == [EMPTY | {"history": {}}, SHOWN | {"history": {"accuracy": [CHANGE]}}]


async def test_removed_and_restored_scores_are_in_the_history_alone(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    body = {"requestId": "r", "author": "judge:j", "scores": {"ok": True}}
    assert (await client.post("/v1/scores", json=body)).is_success
    assert (await client.delete("/v1/request/r/score/ok")).is_success
    [row] = await rows(client, history=True)
    change = await connection.fetchval(
        "SELECT scored_at FROM score_history WHERE organization_id = $1 AND value = 1", organization_id
    )
    number = round(change.timestamp() * 1_000_000)
    assert row["scores"] == {}
    assert [(one["value"], one["author"], one["call"]) for one in row["history"]["ok"]] == [
        (True, "judge:j", "scores"),
        (None, "api:test", "remove"),
    ]
    assert (await client.post("/v1/request/r/score/ok/restore", json={"change": number})).is_success
    assert (await client.post("/v1/scores/revert", json={"author": "judge:j"})).is_success
    [row] = await rows(client, history=True)
    assert {one.get("restored_by") for one in row["history"]["ok"]} >= {None, "api:test"}
    assert any("taken_back_at" in one for one in row["history"]["ok"])


async def test_csv_is_flat_and_no_string_of_it_is_a_formula(full: httpx.AsyncClient) -> None:
    content = await export(full, format="csv", includeBodies=True)
    text = content.decode()
    assert text.endswith("\r\n")
    assert text.count("\r\n") == 3
    header, empty, cells = csv.reader(io.StringIO(text, newline=""))
    assert header == [*REQUEST_COLUMNS, "scores.accuracy", "scores.ok"]
    assert dict(zip(header, empty, strict=True)) == dict.fromkeys(header, "") | {
        "request_id": "empty",
        "created_at": "2026-01-02T00:00:00.500Z",
        "updated_at": "2026-01-01T00:00:05.000Z",
        "cost_is_computed": "false",
        "cache_enabled": "false",
        "properties": "{}",
    }
    assert dict(zip(header, cells, strict=True)) == {
        **{name: str(SHOWN[name]) for name in REQUEST_COLUMNS},
        **{name: FULL[name] for name in JSON},
        "request_body": '{"messages": ["Hi\\n", "é"]}',
        "user_id": '\'=HYPERLINK("http://x")',
        "response_id": "'-1",
        "cost_is_computed": "true",
        "cache_enabled": "true",
        "tags": '["a","b \\"quoted\\""]',
        "scores.accuracy": "95",
        "scores.ok": "1",
    }


async def test_numbers_of_csv_stay_numbers(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await log(connection, organization_id, "-r", "2026-01-01T00:00:00Z", status=-3)
    await post(client, "-r", {"=name": -7})
    found = await table(client, columns=["request_id", "status", "scores", "properties.=x"])
    assert found == [["request_id", "status", "scores.=name", "properties.=x"], ["'-r", "-3", "-7", ""]]


async def test_parquet_is_typed(full: httpx.AsyncClient) -> None:
    content = await export(full, format="parquet", includeBodies=True, history=True)
    read = parquet.read_table(io.BytesIO(content))
    types = {field.name: str(field.type) for field in read.schema}
    assert [*types] == [*REQUEST_COLUMNS, "scores.accuracy", "scores.ok", "history"]
    assert {types[name] for name in ("created_at", "updated_at", "response_created_at")} == {
        "timestamp[ms, tz=UTC]"
    }
    assert {types[name] for name in ("latency_ms", "status", "scores.accuracy", "scores.ok")} == {"int64"}
    assert (types["cost_usd"], types["cost_is_computed"]) == ("double", "bool")
    assert types["tags"] in ("list<item: string>", "list<element: string>")
    assert {types[name] for name in (*JSON, "request_id", "history")} == {"string"}
    empty, row = read.to_pylist()
    assert {name for name, value in empty.items() if value is not None} == {*EMPTY, "history"} - {"scores"}
    row["history"] = json.loads(row["history"])
    assert row == {
        **{name: SHOWN[name] for name in REQUEST_COLUMNS},
        **{name: FULL[name] for name in (*JSON, "response_created_at")},
        "request_body": '{"messages": ["Hi\\n", "é"]}',
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "updated_at": datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC),
        "scores.accuracy": 95,
        "scores.ok": 1,
        "history": {"accuracy": [CHANGE]},
    }


async def test_columns_and_scores_can_be_chosen(full: httpx.AsyncClient) -> None:
    chosen = ["scores", "request_id", "properties.variant", "score_details", "history"]
    found = await table(full, columns=chosen, scores=["ok", "never"], history=True)
    assert found == [
        ["scores.ok", "scores.never", *chosen[1:]],
        ["", "", "empty", "", "{}", "{}"],
        ["1", "", "full", "A,B", f'{{"ok":{{"value":true,"at":"{AT}","author":"judge:relevance@2"}}}}', "{}"],
    ]
    assert await rows(full, columns=["user_id", "scores"], scores=["ok"]) == [
        {"scores": {}},
        {"user_id": FULL["user_id"], "scores": {"ok": SHOWN["scores"]["ok"]}},
    ]


async def test_address_takes_the_fields_of_the_body(full: httpx.AsyncClient) -> None:
    parameters = {
        "filter": json.dumps({RMT: {"request_id": {"equals": "full"}}}),
        "sort": '{"latency": "asc"}',
        "format": "csv",
        "columns": "request_id,scores",
        "scores": "ok",
        "history": "true",
        "includeBodies": "true",
    }
    response = await full.get(EXPORT, params=parameters)
    assert response.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert response.headers["content-disposition"] == 'attachment; filename="requests.csv"'
    [header, cells] = csv.reader(io.StringIO(response.text, newline=""))
    assert header == ["request_id", "scores.ok", "request_body", "response_body", "history"]
    assert cells == ["full", "1", '{"messages": ["Hi\\n", "é"]}', '["ok"]', "{}"]
    head = await full.head(EXPORT, params=parameters)
    assert (head.status_code, head.content) == (200, b"")
    assert len((await full.get(EXPORT)).content.splitlines()) == 2


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        ({"filter": "all", "format": "xml"}, "format", 'expected "jsonl", "csv" or "parquet", got "xml"'),
        (
            {"filter": "all", "columns": ["score_details"]},
            "columns",
            "score_details is a column of CSV and Parquet alone",
        ),
        ({"filter": "all", "cursor": "x"}, "cursor", "not a cursor of a search with this sort"),
        (
            {"filter": "all", "sort": {"random": True}, "columns": ["cursor"]},
            "columns",
            "a random order has no cursor",
        ),
    ],
)
async def test_what_is_wrong_is_an_error_before_the_file(
    client: httpx.AsyncClient, body: object, path: str, message: str
) -> None:
    response = await client.post(EXPORT, json=body)
    assert (response.status_code, response.json()) == (400, faulty((path, message)))


async def test_parquet_without_pyarrow_says_how_to_install_it(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_file, "is_possible", lambda: False)
    response = await client.post(EXPORT, json={"filter": "all", "format": "parquet"})
    message = "the service needs pyarrow for it: pip install 'heliscore[parquet]'"
    assert (response.status_code, response.json()) == (400, faulty(("format", message)))


async def test_more_scores_than_columns_must_be_named(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_stream, "MAX_SCORES", 1)
    await post(client, "r", {"one": 1, "two": 2})
    response = await client.post(EXPORT, json={"filter": "all", "format": "csv"})
    message = "there are more than 1 scores: name those that are to be columns"
    assert (response.status_code, response.json()) == (400, faulty(("scores", message)))
    assert (await table(client, columns=["scores"], scores=["two"])) == [["scores.two"], ["2"]]


# Order, batches and cursors

SORTED: list[Any] = [
    {"created_at": "asc"},
    {"cost": "desc"},
    {"request_prompt": "asc"},
    {"properties": {"env": "desc"}},
    {"scores": {"accuracy": "asc"}},
    {"scores": {"accuracy": "desc"}},
    {"scores": {"never": "asc"}},
]


@pytest.mark.parametrize("sort", SORTED, ids=str)
async def test_rows_come_as_the_pages_of_a_query_and_go_on_from_any_of_them(
    client: httpx.AsyncClient,
    connection: Connection,
    organization_id: int,
    monkeypatch: pytest.MonkeyPatch,
    sort: Any,
) -> None:
    monkeypatch.setattr(exports, "_BATCH", 5)
    await log_ties(client, connection, organization_id)
    response = await client.post("/v1/request/query", json={"filter": "all", "sort": sort, "limit": 1000})
    expected = [(row["request_id"], row["scores"]) for row in response.json()["data"]]
    found = await rows(client, sort=sort, columns=["request_id", "scores", "cursor"])
    ids = [row["request_id"] for row in found]
    values = [{name: int(score["value"]) for name, score in row["scores"].items()} for row in found]
    assert list(zip(ids, values, strict=True)) == expected
    for place in (0, 4, 11, len(found) - 1):
        rest = await rows(client, sort=sort, columns=["request_id"], cursor=found[place]["cursor"])
        assert [row["request_id"] for row in rest] == ids[place + 1 :]


async def test_cursor_of_a_page_goes_on_as_an_export(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    newest_first = await log_dozen(connection, organization_id)
    page = (await client.post("/v1/request/query", json={"filter": "all", "limit": 5})).json()
    rest = await rows(client, columns=["request_id"], cursor=page["nextCursor"])
    assert [row["request_id"] for row in rest] == newest_first[5:]


FILTERED: list[Any] = [
    scores(accuracy={"gte": 50}),
    {
        "left": scores(accuracy={"gte": 50}),
        "operator": "or",
        "right": {RMT: {"request_id": {"equals": "r3"}}},
    },
    scores(accuracy={"gte": 1000}),
    scores(never={"gte": 1}),
]


async def test_filters_find_what_a_query_finds_however_they_are_read(
    client: httpx.AsyncClient,
    connection: Connection,
    organization_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await log_dozen(connection, organization_id)
    items = [
        {"requestId": f"r{number}", "scores": {"accuracy": number * 9, "other": number}}
        for number in range(12)
    ]
    assert (await client.post("/v1/scores/batch", json={"items": items})).is_success
    sorts: list[Any] = [{"created_at": "asc"}, {"user_id": "asc"}, {"scores": {"accuracy": "desc"}}]
    for body in ({"filter": filter_, "sort": sort} for filter_ in FILTERED for sort in sorts):
        query = (await client.post("/v1/request/query", json=body | {"limit": 100})).json()["data"]
        for threshold in (20_000, 1):  # begin at few scores, join by hash
            monkeypatch.setattr(selectivity, "MIN_THRESHOLD", threshold)
            monkeypatch.setattr(selectivity, "MAX_THRESHOLD", threshold)
            found = await client.post(EXPORT, json=body | {"columns": ["request_id"]})
            assert [json.loads(line)["request_id"] for line in found.text.splitlines()] == [
                row["request_id"] for row in query
            ]


async def test_large_bodies_come_in_batches_of_a_bounded_size(
    client: httpx.AsyncClient,
    connection: Connection,
    organization_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exports, "_MAX_BATCH_BYTES", 3000)
    monkeypatch.setattr(parquet_file, "_GROUP_BYTES", 6000)
    bodies = [json.dumps(base64.b85encode(bytes(range(256)) * number).decode()) for number in range(12)]
    for number, body in enumerate(bodies):
        await log(
            connection, organization_id, f"r{number}", f"2026-01-01T00:{number:02}:00Z", request_body=body
        )
    found = await rows(client, columns=["request_body"])
    assert [json.dumps(row["request_body"]) for row in found] == bodies[::-1]
    content = await export(client, format="parquet", columns=["request_body"])
    file = parquet.ParquetFile(io.BytesIO(content))
    assert file.num_row_groups > 1
    assert file.read().column("request_body").to_pylist() == bodies[::-1]


async def test_long_histories_come_in_batches_of_few_requests(
    connection: Connection, organization_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "_FIRST_BATCH", 4)
    monkeypatch.setattr(exports, "_MAX_CHANGES", 20)
    await log_dozen(connection, organization_id)
    await connection.execute(
        "INSERT INTO score_history (value, request_no, scored_at, organization_id, name_id) "
        "SELECT n, request_no, now() + n * interval '1 s', $1, 0 "
        "FROM request CROSS JOIN generate_series(1, 10) AS n WHERE organization_id = $1",
        organization_id,
    )
    await connection.execute(
        "SET TIME ZONE 'Asia/Tokyo'"
    )  # as a server may, where PgBouncer stands before it
    selection = exports.Selection(
        organization_id=organization_id,
        tree=Everything(),
        sort=NEWEST_FIRST,
        columns=("request_id", "created_at", "history"),
        as_lines=True,
    )
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        batches = [batch async for batch in exports.Export(connection, ScoreNames(), selection).read()]
    assert [len(batch.numbers) for batch in batches] == [4, 2, 2, 2, 2]
    assert batches[0].requests[0] == ('"request_id":"r11","created_at":"2026-01-01T00:11:00.000Z"',)
    at = await connection.fetchval(
        "SELECT min(scored_at) FROM score_history WHERE organization_id = $1", organization_id
    )
    first = min(time for one in batches[0].history.values() for time in one.times)
    assert datetime.fromisoformat(first) == at


async def test_nothing_found_is_a_file_without_rows(client: httpx.AsyncClient) -> None:
    assert await export(client) == b""
    assert await export(client, format="csv", columns=["request_id", "scores"]) == b"request_id\r\n"
    content = await export(client, format="parquet", columns=["request_id"])
    assert parquet.read_table(io.BytesIO(content)).to_pylist() == []


# The answer


async def test_answer_is_compressed_where_the_client_takes_gzip(full: httpx.AsyncClient) -> None:
    plain = await full.post(EXPORT, json={"filter": "all"}, headers={"Accept-Encoding": "identity, gzip;q=0"})
    assert "content-encoding" not in plain.headers
    async with full.stream(
        "POST", EXPORT, json={"filter": "all"}, headers={"Accept-Encoding": "br, gzip"}
    ) as zipped:
        assert zipped.headers["content-encoding"] == "gzip"
        content = b"".join([piece async for piece in zipped.aiter_raw()])
    assert gzip.decompress(content) == plain.content


async def make_many(connection: Connection, organization_id: int, count: int = 6000) -> None:
    await connection.execute(
        "INSERT INTO request (organization_id, request_id, created_at, updated_at, request_body) "
        "SELECT $1, 'r' || n, now(), now(), to_jsonb(repeat(md5(n::text), 100)) "
        "FROM generate_series(1, $2) AS n",
        organization_id,
        count,
    )


@asynccontextmanager
async def begun(client: httpx.AsyncClient) -> AsyncIterator[AsyncIterator[bytes]]:
    """The rest of an export whose first piece was read; no buffer holds all of it."""
    body = {"filter": "all", "columns": ["request_id", "request_body"]}
    headers = {"Accept-Encoding": "identity"}
    async with client.stream("POST", EXPORT, json=body, headers=headers) as response:
        pieces = response.aiter_raw()
        await anext(pieces)
        yield pieces


async def read_all(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


IN_TRANSACTION = """
SELECT {} FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
"""


async def test_client_that_goes_away_gives_its_connection_back(
    service: Service, own: asyncpg.Connection[asyncpg.Record]
) -> None:
    client = await service.client()
    organization_id = await own.fetchval("SELECT min(id) FROM organization")
    await make_many(own, organization_id)
    for _ in range(4):  # more than there are connections
        async with begun(client):
            pass
    assert len(await rows(client, columns=["request_id"])) == 6000


async def test_others_export_while_one_organization_has_all_it_may(
    service: Service, own: asyncpg.Connection[asyncpg.Record]
) -> None:
    client, other = await service.client(), await service.client("other")
    await make_many(own, await own.fetchval("SELECT id FROM organization WHERE name = 'default'"))
    await post(other, "theirs", {"accuracy": 1})
    async with begun(client), begun(client):
        assert [row["request_id"] for row in await rows(other)] == ["theirs"]


async def test_death_of_the_database_amid_an_export_is_no_end(
    service: Service, own: asyncpg.Connection[asyncpg.Record]
) -> None:
    client = await service.client()
    await make_many(own, await own.fetchval("SELECT min(id) FROM organization"))
    async with begun(client) as rest:
        await own.execute(IN_TRANSACTION.format("pg_terminate_backend(pid)"))
        with pytest.raises(httpx.RemoteProtocolError):
            await read_all(rest)


async def test_client_that_takes_nothing_is_cut_off(
    service: Service, own: asyncpg.Connection[asyncpg.Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_stream, "_STALL_S", 0.2)
    client = await service.client()
    await make_many(own, await own.fetchval("SELECT min(id) FROM organization"))
    async with begun(client) as rest:
        while await own.fetchval(IN_TRANSACTION.format("count(*)")):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        with pytest.raises(httpx.RemoteProtocolError):
            await read_all(rest)


async def test_export_that_takes_too_long_is_no_whole_one(
    full: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_stream, "_LONGEST_S", 0)
    with pytest.raises(httpx.RemoteProtocolError):
        await export(full)


async def test_all_rows_are_of_one_moment(service: Service, own: asyncpg.Connection[asyncpg.Record]) -> None:
    client = await service.client()
    await make_many(own, await own.fetchval("SELECT min(id) FROM organization"))
    async with begun(client) as rest:
        await own.execute("DELETE FROM request")
        assert (await read_all(rest)).count(b"\n") > 5900
