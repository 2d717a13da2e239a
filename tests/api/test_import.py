"""`POST /v1/import`: what an export wrote comes in as it was, and what is stored stays."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any, Final

import httpx
from heliscore.store.connections.pool import Connection

from tests.api.envelope import faulty, post, read, scores_of
from tests.conftest import Service

PATH: Final = "/v1/import"
LINES: Final = {"Content-Type": "application/x-ndjson"}
JUDGE: Final = "judge:relevance@2"
ANN: Final = "human:ann@example.com"

REQUEST: Final[dict[str, Any]] = {
    "request_id": "req_1",
    "created_at": "2026-01-01T10:00:00.000Z",
    "updated_at": "2026-01-01T10:00:07.123Z",
    "response_created_at": "2026-01-01T10:00:01.250Z",
    "latency_ms": 1250,
    "time_to_first_token_ms": 90,
    "prompt_tokens": 3,
    "completion_tokens": 5,
    "total_tokens": 8,
    "prompt_cache_read_tokens": 1,
    "prompt_cache_write_tokens": 2,
    "reasoning_tokens": 4,
    "prompt_audio_tokens": 6,
    "completion_audio_tokens": 7,
    "cost_usd": 0.000125,
    "cost_is_computed": False,
    "status": 200,
    "outcome": "SUCCESS",
    "cache_enabled": True,
    "user_id": "ada",
    "provider": "OPENAI",
    "request_model": "gpt-4o",
    "response_model": "gpt-4o-2024-08-06",
    "model_override": None,
    "model": "gpt-4o-2024-08-06",
    "prompt_id": "greeting",
    "prompt_version": "3",
    "prompt_version_number": 3,
    "prompt_variables": {"name": "Ada"},
    "response_id": "chatcmpl-1",
    "request_path": "/v1/chat/completions",
    "target_url": "https://example.com/v1/chat/completions",
    "tags": ["batch"],
    "properties": {"variant": "A", "Helicone-Session-Id": "s1"},
    "promptlayer": {"function_name": "f"},
    "request_body": {"messages": [{"role": "user", "content": "Hi"}], "temperature": 0.10},
    "response_body": {"id": "chatcmpl-1"},
}


def score(value: object, at: str | None, author: str | None = JUDGE, **more: object) -> dict[str, object]:
    given = {"value": value, "at": at, "author": author, **more}
    return {key: value for key, value in given.items() if value is not None or key == "value"}


def clock(second: int) -> str:
    return f"2026-01-01T10:00:{second:02}.000001Z"


async def send(client: httpx.AsyncClient, *lines: object, **more: Any) -> dict[str, Any]:
    """Import lines that are read, and return the answer's data."""
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    response = await client.post(PATH, content=body, headers=LINES | more.pop("headers", {}), **more)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer.pop("error") is None
    data: dict[str, Any] = answer.pop("data")
    return data


def done(accepted: int, unchanged: int = 0, **more: object) -> dict[str, Any]:
    return {"accepted": accepted, "unchanged": unchanged, "rejected": 0, "errors": []} | more


def rejected(*errors: tuple[int, str | None, str], accepted: int = 0) -> dict[str, Any]:
    listed = [{"index": index, "requestId": id_, "message": message} for index, id_, message in errors]
    return done(accepted, rejected=len(errors), errors=listed)


async def history(client: httpx.AsyncClient, request_id: str) -> dict[str, list[tuple[Any, ...]]]:
    """By name: value, author, time and the rest of each change, newest first."""
    response = await client.get(f"/v1/request/{request_id}/scores")
    assert response.status_code == 200, response.text
    return {
        name: [
            (change["value"], change["author"], change["at"], change["action"], change["isAside"])
            for change in shown["history"]
        ]
        for name, shown in response.json()["data"]["scores"].items()
    }


async def test_a_line_is_stored_as_it_was(client: httpx.AsyncClient) -> None:
    scores = {
        "accuracy": score(95, clock(7), comment="all"),
        "has_citations": score(True, clock(5), "api:production"),
    }
    past = {"accuracy": [score(40, clock(5), "api:production", call="score")]}
    assert await send(client, {**REQUEST, "scores": scores, "history": past}) == done(1)
    row = await read(client, "req_1")
    assert row is not None
    assert row == {
        **dict.fromkeys(row),
        "response_id": "chatcmpl-1",
        "response_created_at": "2026-01-01T10:00:01.250Z",
        "response_body": {"id": "chatcmpl-1"},
        "response_status": 200,
        "response_model": "gpt-4o-2024-08-06",
        "request_id": "req_1",
        "request_created_at": "2026-01-01T10:00:00.000Z",
        "request_body": {"messages": [{"role": "user", "content": "Hi"}], "temperature": 0.10},
        "request_path": "/v1/chat/completions",
        "request_user_id": "ada",
        "helicone_user": "ada",
        "request_properties": {"variant": "A", "Helicone-Session-Id": "s1"},
        "properties": {"variant": "A", "Helicone-Session-Id": "s1"},
        "request_model": "gpt-4o",
        "model": "gpt-4o-2024-08-06",
        "provider": "OPENAI",
        "delay_ms": 1250,
        "time_to_first_token": 90,
        "total_tokens": 8,
        "prompt_tokens": 3,
        "completion_tokens": 5,
        "prompt_cache_read_tokens": 1,
        "prompt_cache_write_tokens": 2,
        "reasoning_tokens": 4,
        "prompt_audio_tokens": 6,
        "completion_audio_tokens": 7,
        "cost": 0.000125,
        "costUSD": 0.000125,
        "prompt_id": "greeting",
        "prompt_version": "3",
        "scores": {"accuracy": 95, "has_citations": 1},
        "asset_ids": [],
        "assets": [],
        "cache_enabled": True,
        "target_url": "https://example.com/v1/chat/completions",
        "updated_at": "2026-01-01T10:00:07.123Z",
    }
    assert await history(client, "req_1") == {
        "accuracy": [
            (95, JUDGE, clock(7), "replaced", False),
            (40, "api:production", clock(5), "set", False),
        ],
        "has_citations": [(1, "api:production", clock(5), "set", False)],
    }


async def test_the_same_import_again_changes_nothing(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    lines = [
        {**REQUEST, "scores": {"a": score(1, clock(1)), "b": score(2, None)}},
        {"request_id": "req_2", "scores": {"a": score(3, clock(2))}},
        {**REQUEST, "request_id": "req_3", "history": {"a": [score(1, clock(1)), score(None, clock(2))]}},
    ]
    tables = "request", "score", "score_history", "score_comment"
    assert await send(client, *lines) == done(3)
    before = [await rows(connection, organization_id, table) for table in tables]
    assert await send(client, *lines) == done(3, 3)
    assert [await rows(connection, organization_id, table) for table in tables] == before


async def rows(connection: Connection, organization_id: int, table: str) -> list[str]:
    statement = f"SELECT t::text FROM {table} AS t WHERE organization_id = $1 ORDER BY 1"
    return [text for (text,) in await connection.fetch(statement, organization_id)]


async def test_what_is_stored_and_newer_stays(client: httpx.AsyncClient) -> None:
    await post(client, "req_1", {"a": 9})
    assert await send(
        client, {**REQUEST, "scores": {"a": score(1, clock(1)), "b": score(2, clock(1))}}
    ) == done(1)
    row = await read(client, "req_1")
    assert row is not None
    assert (row["scores"], row["provider"]) == ({"a": 9, "b": 2}, "OPENAI")
    assert row["request_created_at"] == REQUEST["created_at"]
    newest, oldest = (await history(client, "req_1"))["a"]
    assert (newest[0], oldest) == (9, (1, JUDGE, clock(1), "set", False))


async def test_a_request_is_replaced_by_a_later_one_only(client: httpx.AsyncClient) -> None:
    later = {**REQUEST, "updated_at": "2026-01-01T10:00:08.000Z", "user_id": "bob"}
    assert await send(client, later) == done(1)
    assert await send(client, REQUEST) == done(1, 1)
    assert (await read(client, "req_1") or {})["request_user_id"] == "bob"
    assert await send(client, {**later, "updated_at": "2026-01-01T10:00:09.000Z", "user_id": "cy"}) == done(1)
    assert (await read(client, "req_1") or {})["request_user_id"] == "cy"


async def test_a_newer_change_becomes_the_score_and_keeps_the_one_before(client: httpx.AsyncClient) -> None:
    assert await send(client, {"request_id": "r", "scores": {"a": score(1, clock(1))}}) == done(1)
    assert await send(client, {"request_id": "r", "scores": {"a": score(2, clock(3))}}) == done(1)
    past = {"a": [score(3, clock(2), taken_back_at=clock(9)), score(None, clock(4))]}
    assert await send(client, {"request_id": "r", "history": past}) == done(1)
    assert await scores_of(client, "r") == {}
    assert [change[:3] for change in (await history(client, "r"))["a"]] == [
        (None, JUDGE, clock(4)),
        (2, JUDGE, clock(3)),
        (3, JUDGE, clock(2)),
        (1, JUDGE, clock(1)),
    ]


async def test_taking_back_that_came_later_is_taken(client: httpx.AsyncClient) -> None:
    await send(client, {"request_id": "r", "scores": {"a": score(1, clock(1))}})
    past = {"a": [score(1, clock(1), taken_back_at=clock(9))]}
    line = {"request_id": "r", "scores": {"a": score(5, clock(2), ANN)}, "history": past}
    assert await send(client, line) == done(1)
    response = await client.get("/v1/request/r/scores")
    changes = response.json()["data"]["scores"]["a"]["history"]
    assert [(change["value"], change["takenBackAt"]) for change in changes] == [(5, None), (1, clock(9))]
    assert await send(client, line) == done(1, 1)


async def test_another_value_of_the_same_time_stays_out_with_a_warning(client: httpx.AsyncClient) -> None:
    await send(client, {"request_id": "r", "scores": {"a": score(1, clock(1))}})
    message = "scores.a: another value of that author and time is stored, and stays"
    assert await send(client, {"request_id": "r", "scores": {"a": score(2, clock(1))}}) == done(
        1, 1, warnings=[{"index": 0, "requestId": "r", "message": message}]
    )
    assert await scores_of(client, "r") == {"a": 1}


async def test_authors_of_the_same_time_are_all_kept(client: httpx.AsyncClient) -> None:
    lines = [
        {"request_id": "r", "scores": {"a": score(value, clock(1), author)}}
        for value, author in ((1, JUDGE), (2, ANN), (3, "code:checks"))
    ]
    assert await send(client, *lines) == done(3)
    assert await send(client, *lines) == done(3, 3)
    assert [change[:2] for change in (await history(client, "r"))["a"]] == [
        (3, "code:checks"),
        (2, ANN),
        (1, JUDGE),
    ]


async def test_a_score_without_a_time_says_nothing_new_where_it_was_that_value(
    client: httpx.AsyncClient,
) -> None:
    await send(client, {**REQUEST, "scores": {"a": score(1, clock(1))}})
    timeless = {**REQUEST, "scores": {"a": score(1, None, None)}}
    assert await send(client, timeless) == done(1, 1)
    assert await send(client, {**REQUEST, "scores": {"a": score(2, None, None)}}) == done(1)
    message = "scores.a: another value of that author and time is stored, and stays"
    assert await send(client, timeless, {**REQUEST, "scores": {"a": score(2, None, None)}}) == done(
        2, 2, warnings=[{"index": 0, "requestId": "req_1", "message": message}]
    )
    assert [change[:3] for change in (await history(client, "req_1"))["a"]] == [
        (2, None, "2026-01-01T10:00:07.123000Z"),
        (1, JUDGE, clock(1)),
    ]


async def test_what_cannot_be_stored_is_listed_and_the_rest_is_stored(client: httpx.AsyncClient) -> None:
    body = b"""{"request_id": "r1", "scores": {"a": {"value": 1, "at": "2026-01-01T10:00:00Z"}}}
no json
{"request_id": "r3", "created_at": "2026-01-01", "extra": 1, "latency_ms": "12"}
{"request_id": "r4", "scores": {"a": {"value": 0.5, "at": "2126-01-01"}}}
{"request_id": "r5"}
{"request_id": "r6", "created_at": "2026-01-01", "request_body": [1e-20000]}
{"request_id": "r7", "history": {"a": [{"value": 1, "at": "2026-01-01", "taken_back_at": "2026-01-02"}]}}
{"request_id": "r8", "scores": {"a": {"value": null, "at": "2026-01-01"}}}
"""
    response = await client.post(PATH, content=body, headers=LINES)
    known = ", ".join(sorted(field for field in {*REQUEST, "scores", "history", "cursor"}))
    assert response.json()["data"] == rejected(
        (1, None, "the line is not valid JSON: JSON is malformed: invalid character (byte 4)"),
        (
            2,
            "r3",
            f"extra: unknown key; known are {known}; "
            f'latency_ms: expected an integer from {-(2**63)} to {2**63 - 1}, got "12"',
        ),
        (
            3,
            "r4",
            "scores.a.at: must not be in the future; "
            "scores.a.value: expected an integer or a boolean, got 0.5; "
            "send whole numbers: multiply fractions, e.g. by 100, and round",
        ),
        (4, "r5", "created_at: missing, and no score has a time"),
        (5, "r6", "value overflows numeric format"),
        (6, "r7", "history.a: what came after the last, which was taken back, is missing"),
        (7, "r8", "scores.a.value: must not be null: a removal belongs into the history"),
        accepted=1,
    )
    assert await scores_of(client, "r1") == {"a": 1}


async def test_definitions_hold_for_the_newest_value(client: httpx.AsyncClient) -> None:
    for name, enforce in (("hard", "on"), ("soft", "warn")):
        definition = {"type": "integer", "max": 100, "enforce": enforce}
        response = await client.put(f"/v1/score-definitions/{name}", json=definition)
        assert response.status_code == 200, response.text
    past = {"hard": [score(140, clock(1))]}
    lines = [
        {"request_id": "r1", "scores": {"hard": score(90, clock(2))}, "history": past},
        {"request_id": "r2", "scores": {"hard": score(140, clock(2))}},
        {"request_id": "r3", "scores": {"soft": score(140, clock(2))}},
    ]
    errors = [{"index": 1, "requestId": "r2", "message": "scores.hard: must be at most 100, got 140"}]
    warnings = [{"index": 2, "requestId": "r3", "message": "scores.soft: must be at most 100, got 140"}]
    assert await send(client, *lines) == done(2, rejected=1, errors=errors, warnings=warnings)
    assert await read(client, "r2") is None


async def test_a_judge_is_kept_aside_where_a_humans_value_stays(client: httpx.AsyncClient) -> None:
    definition = {"type": "integer", "precedence": "human"}
    assert (await client.put("/v1/score-definitions/a", json=definition)).status_code == 200
    await send(client, {"request_id": "r", "scores": {"a": score(80, clock(1), ANN)}})
    line = {"request_id": "r", "scores": {"a": score(20, clock(2))}}
    assert await send(client, line) == done(1)
    assert await send(client, line) == done(1, 1)
    assert await scores_of(client, "r") == {"a": 80}
    assert await history(client, "r") == {
        "a": [(20, JUDGE, clock(2), "replaced", True), (80, ANN, clock(1), "set", False)]
    }


async def test_scores_that_name_no_author_have_the_headers(client: httpx.AsyncClient) -> None:
    line = {"request_id": "r", "scores": {"a": score(1, clock(1), None)}}
    assert await send(client, line, headers={"Heliscore-Author": "code:import@1"}) == done(1)
    assert [change[1] for change in (await history(client, "r"))["a"]] == ["code:import@1"]


async def test_a_line_with_too_many_changes_is_rejected(client: httpx.AsyncClient) -> None:
    many = [score(1, f"2026-01-01T10:00:00.{number:06}Z") for number in range(10_001)]
    message = "history: at most 10000 changes of scores in a line, got 10001"
    assert await send(client, {"request_id": "r", "history": {"a": many}}) == rejected((0, "r", message))


async def test_json_and_gzip_are_taken_too(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, json={"items": [REQUEST]})
    assert response.json()["data"] == done(1)
    body = gzip.compress(json.dumps(REQUEST).encode())
    response = await client.post(PATH, content=body, headers=LINES | {"Content-Encoding": "gzip"})
    assert response.json()["data"] == done(1, 1)
    response = await client.post(PATH, json={"items": 1})
    assert (response.status_code, response.json()) == (400, faulty(("items", "expected a list, got 1")))


async def test_a_call_with_a_key_is_one_transaction_and_carried_out_once(client: httpx.AsyncClient) -> None:
    lines = [{**REQUEST, "request_id": f"req_{number}"} for number in range(700)]
    headers = {"Idempotency-Key": "one"}
    assert await send(client, *lines, headers=headers) == done(700)
    assert await send(client, *lines, headers=headers) == done(700)
    assert await send(client, *lines) == done(700, 700)


async def test_imports_at_once_and_posts_between_lose_nothing(client: httpx.AsyncClient) -> None:
    def line(number: int, second: int) -> dict[str, Any]:
        return {"request_id": f"r{number}", "scores": {"a": score(second, clock(second))}}

    await asyncio.gather(
        *(send(client, *(line(number, second) for number in range(40))) for second in (3, 1, 2)),
        *(post(client, f"r{number}", {"b": number}) for number in range(40)),
    )
    for number in (0, 39):
        assert await scores_of(client, f"r{number}") == {"a": 3, "b": number}
        assert [change[0] for change in (await history(client, f"r{number}"))["a"]] == [3, 2, 1]


async def test_scores_of_requests_that_do_not_exist_are_rejected_where_the_setting_says_so(
    start_service: Any,
) -> None:
    service = await start_service(unknown_requests="reject")
    client = await service.client()
    lines = [{"request_id": "r", "scores": {"a": score(1, clock(1))}}, {**REQUEST}]
    assert await send(client, *lines) == rejected((0, "r", "there is no request r"), accepted=1)


async def test_another_organizations_requests_stay(client: httpx.AsyncClient, shared: Service) -> None:
    other = await shared.client("other organization of imports")
    line = {**REQUEST, "scores": {"a": score(1, clock(1))}}
    assert await send(client, line) == done(1)
    theirs = {**line, "user_id": "eve", "updated_at": "2026-02-01", "scores": {"a": score(2, clock(9))}}
    await send(other, theirs)
    assert await scores_of(client, "req_1") == {"a": 1}
    assert (await read(client, "req_1") or {})["request_user_id"] == "ada"
