"""`log-request` and `track-request`: what is kept of them, and that they may be repeated."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from heliscore.store.connections.pool import Connection

from tests.api.envelope import ids, post, read, scores_of
from tests.api.promptlayer import LOG, MESSAGE, done, error_response, log, make_client, search, track
from tests.api.test_unavailable import COUNT_WAITING, connected
from tests.conftest import Service, StartService
from tests.ways_out import MULTIPLY

ALL = {
    **LOG,
    "request_start_time": "2026-01-01T00:00:00+01:00",
    "request_end_time": "2025-12-31T23:00:01.2509",
    "parameters": {"temperature": 0.5},
    "tags": ["a", "b\0"],
    "metadata": {"user_id": "u1", "n": 1},
    "prompt_name": "my_template",
    "prompt_version_number": 3,
    "prompt_input_variables": {"topic": "dogs"},
    "input_tokens": 10,
    "output_tokens": 20,
    "price": 0.005,
    "function_name": "openai.chat",
    "score": 90,
    "score_name": "tone",
    "prompt_id": 17,
    "api_type": "chat-completions",
    "status": "ERROR",
    "error_type": "PROVIDER_TIMEOUT",
    "error_message": "too slow\0",
    "unknown": 1,
}

TRACK = {
    "function_name": "openai.chat.completions.create",
    "provider_type": "openai",
    "args": [],
    "kwargs": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "n": 1.50},
    "tags": ["a"],
    "request_response": {
        "id": "chatcmpl-1",
        "model": "gpt-4o-2024",
        "usage": {"prompt_tokens": 3, "completion_tokens": 5},
    },
    "request_start_time": 1767225600.0,
    "request_end_time": 1767225601.25,
    "metadata": {"env": "prod"},
    "prompt_id": 17,
    "prompt_version": 2,
    "prompt_input_variables": {"topic": "dogs"},
    "return_prompt_blueprint": True,
    "span_id": "s1",
}


@pytest.fixture
async def sdk(shared: Service, organization: str) -> httpx.AsyncClient:
    """A client of the same organization as `client`, with PromptLayer's header."""
    return await make_client(shared, organization)


async def row_of(client: httpx.AsyncClient, request_id: int) -> dict[str, Any]:
    """What Helicone's calls show of a request, without what they show of every one."""
    row = await read(client, str(request_id))
    assert row
    return {key: value for key, value in row.items() if value not in (None, [], {})}


# log-request


async def test_log_answers_201_and_an_id(sdk: httpx.AsyncClient) -> None:
    response = await sdk.post("/log-request", json=LOG)
    request_id = response.json()["id"]
    assert (response.status_code, response.json()) == (
        201,
        done(
            "the request is logged",
            id=request_id,
            request_id=request_id,
            prompt_version=None,
            status="SUCCESS",
            error_type=None,
            error_message=None,
        ),
    )
    assert isinstance(request_id, int)
    assert 10**12 <= request_id < 2**53


async def test_everything_logged_is_shown_by_helicones_calls(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    response = await sdk.post("/log-request", json=ALL)
    assert response.status_code == 201
    request_id = response.json()["id"]
    told = {key: response.json()[key] for key in ("status", "error_type", "error_message")}
    assert told == {key: ALL[key] for key in told}
    row = await row_of(client, request_id)
    assert row.pop("updated_at")
    assert row == {
        "request_id": str(request_id),
        "request_created_at": "2025-12-31T23:00:00.000Z",
        "response_created_at": "2025-12-31T23:00:01.250Z",
        "delay_ms": 1250,
        "cache_enabled": False,
        "request_model": "gpt-4o",
        "model": "gpt-4o",
        "provider": "openai",
        "request_body": MESSAGE,
        "response_body": MESSAGE,
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "total_tokens": 30,
        "cost": 0.005,
        "costUSD": 0.005,
        "prompt_id": "my_template",
        "prompt_version": "3",
        "properties": {"user_id": "u1", "n": "1"},
        "request_properties": {"user_id": "u1", "n": "1"},
        "scores": {"tone": 90},
    }
    assert await ids(client, {"values": {"topic": {"equals": "dogs"}}}) == [str(request_id)]


async def test_what_has_no_column_is_kept(
    sdk: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await log(sdk, **ALL)
    await log(sdk, function_name="", parameters={}, error_type=None)
    kept = await connection.fetch(
        "SELECT tags, promptlayer FROM request WHERE organization_id = $1 ORDER BY request_no",
        organization_id,
    )
    assert [tuple(row) for row in kept] == [
        (
            ["a", "b\ufffd"],
            '{"api_type": "chat-completions", "prompt_id": 17, "error_type": "PROVIDER_TIMEOUT", '
            '"parameters": {"temperature": 0.5}, "error_message": "too slow\ufffd", '
            '"function_name": "openai.chat"}',
        ),
        (None, None),
    ]


@pytest.mark.parametrize(
    ("sent", "scores"),
    [
        ({"score": 90, "score_name": "tone"}, {"tone": 90}),
        ({"score": 90}, {"default": 90}),
        ({"score": 90, "score_name": None}, {"default": 90}),
        ({"score": 0}, {}),
        ({"score": 0, "score_name": None}, {}),
        ({"score": 0, "score_name": "tone"}, {"tone": 0}),
        ({"score": 0, "score_name": "cited-hcone-bool"}, {"cited": 0}),
        ({"score": None, "score_name": "tone"}, {}),
        ({"score_name": "tone"}, {}),
        ({}, {}),
    ],
)
async def test_default_score_of_the_sdk_is_no_score(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient, sent: dict[str, object], scores: dict[str, int]
) -> None:
    assert await scores_of(client, str(await log(sdk, **sent))) == scores


async def test_prompt_without_a_name_is_known_by_its_id(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    row = await row_of(client, await log(sdk, prompt_id=17, prompt_version_number="4"))
    assert (row["prompt_id"], row["prompt_version"]) == ("17", "4")


@pytest.mark.parametrize("missing", LOG)
async def test_missing_field_is_named(sdk: httpx.AsyncClient, missing: str) -> None:
    body = {key: value for key, value in LOG.items() if key != missing}
    response = await sdk.post("/log-request", json=body)
    assert (response.status_code, response.json()) == (400, error_response(f"{missing}: missing"))


TIME = "expected an ISO 8601 time or seconds since 1970, got"


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"provider": 5}, "provider: expected a string, got 5"),
        ({"model": ""}, "model: expected 1 to 512 characters, got 0"),
        ({"input": "Hi"}, 'input: expected an object, got "Hi"'),
        ({"output": None}, "output: expected an object, got null"),
        ({"request_start_time": True}, f"request_start_time: {TIME} true"),
        ({"request_start_time": "soon"}, f'request_start_time: {TIME} "soon"'),
        ({"request_start_time": None}, f"request_start_time: {TIME} null"),
        ({"request_start_time": 1767225600000}, f"request_start_time: {TIME} 1767225600000"),
        ({"request_start_time": -30610224001}, f"request_start_time: {TIME} -30610224001"),
        (
            {"request_start_time": "0999-12-31T23:59:59Z"},
            f'request_start_time: {TIME} "0999-12-31T23:59:59Z"',
        ),
        ({"request_end_time": 253402300800}, f"request_end_time: {TIME} 253402300800"),
        (
            {"request_end_time": "9999-12-31T23:59:59-01:00"},
            f'request_end_time: {TIME} "9999-12-31T23:59:59-01:00"',
        ),
        ({"parameters": []}, "parameters: expected an object, got an array"),
        ({"tags": "a"}, 'tags: expected a list of strings, got "a"'),
        ({"tags": ["a", 5]}, "tags[1]: expected a string, got 5"),
        ({"tags": ["a\nb"]}, "tags[0]: must not contain control characters"),
        ({"metadata": "a"}, 'metadata: expected an object, got "a"'),
        ({"input_tokens": -1}, f"input_tokens: expected an integer from 0 to {2**62 - 1}, got -1"),
        ({"output_tokens": 1.5}, f"output_tokens: expected an integer from 0 to {2**62 - 1}, got 1.5"),
        ({"price": "free"}, 'price: expected a number, got "free"'),
        ({"score": 101}, "score: expected an integer from 0 to 100, got 101"),
        ({"score": True}, "score: expected an integer from 0 to 100, got true"),
        ({"score": 0.85}, f"score: expected an integer from 0 to 100, got 0.85; {MULTIPLY}"),
        ({"score": 5, "score_name": "a\nb"}, "score_name: must not contain control characters"),
        ({"score": 0, "score_name": "-hcone-bool"}, "score_name: must not be empty"),
        (
            {"score": 90, "score_name": "cited-hcone-bool"},
            "score: expected 0 or 1 under the name cited-hcone-bool, got 90",
        ),
        ({"status": "success"}, 'status: expected SUCCESS, WARNING or ERROR, got "success"'),
        ({"error_message": 5}, "error_message: expected a string, got 5"),
    ],
)
async def test_log_at_fault_is_refused(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient, sent: dict[str, object], message: str
) -> None:
    response = await sdk.post("/log-request", json={**LOG, **sent})
    assert (response.status_code, response.json()) == (400, error_response(message))
    assert await ids(client) == []


async def test_times_are_of_the_years_1000_to_9999(sdk: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    row = await row_of(client, await log(sdk, request_start_time=-30610224000, request_end_time=253402300799))
    assert (row["request_created_at"], row["response_created_at"]) == (
        "1000-01-01T00:00:00.000Z",
        "9999-12-31T23:59:59.000Z",
    )


async def test_number_keeps_its_digits(sdk: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    number = "12345678901234567890.10"
    body = (
        '{"provider": "p", "model": "m", "request_start_time": 1, "request_end_time": 2, '
        f'"input": {{"n": {number}}}, "output": {{}}, "prompt_input_variables": {{"n": {number}}}}}'
    )
    assert (await sdk.post("/log-request", content=body)).status_code == 201
    assert await ids(client, {"values": {"n": {"equals": number}}}) != []
    assert f'{{"n": {number}}}' in (await client.post("/v1/request/query", json={"filter": "all"})).text


# Repetitions


async def test_half_of_a_character_is_replaced(sdk: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    body = json.dumps(LOG | {"output": {"text": "cut \ud83d"}, "metadata": {"a": "\ude00"}})
    response = await sdk.post("/log-request", content=body)
    assert response.status_code == 201
    row = await read(client, str(response.json()["id"]))
    assert row is not None
    assert (row["response_body"], row["properties"]) == ({"text": "cut \ufffd"}, {"a": "\ufffd"})


async def test_log_that_is_resent_gets_the_same_id(sdk: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    first = await log(sdk, score=5)
    assert await log(sdk, score=5) == first
    assert await log(sdk, score=5, api_key="whatever, the header counts") == first
    assert await log(sdk, score=6) != first
    assert len(await ids(client)) == 2


async def test_resent_log_undoes_nothing(sdk: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    request_id = await log(sdk)
    await track(sdk, "prompt", request_id=request_id, prompt_name="a", version=1)
    await track(sdk, "metadata", request_id=request_id, metadata={"a": "b"})
    await post(client, str(request_id), {"default": 7})
    before = await read(client, str(request_id))
    assert await log(sdk) == request_id
    assert await read(client, str(request_id)) == before


async def test_logs_resent_at_once_are_one(sdk: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    logged = await asyncio.gather(*(log(sdk, score=5, score_name="tone") for _ in range(8)))
    assert len(set(logged)) == 1
    assert await ids(client) == [str(logged[0])]
    assert await scores_of(client, str(logged[0])) == {"tone": 5}


async def test_ids_that_are_taken_are_passed_over(sdk: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    first = await log(sdk)
    taken = [str(first + n) for n in (1, 2, 4)]
    for request_id in taken:
        await post(client, request_id, {"mine": 1})
    before = [await read(client, request_id) for request_id in taken]
    assert [await log(sdk, input_tokens=n) for n in range(2)] == [first + 3, first + 5]
    assert (await sdk.post("/track-request", json=TRACK)).json()["request_id"] == first + 6
    assert [await read(client, request_id) for request_id in taken] == before


async def test_id_that_is_being_taken_is_passed_over(
    shared: Service,
    sdk: httpx.AsyncClient,
    client: httpx.AsyncClient,
    connection: Connection,
    organization_id: int,
) -> None:
    first = await log(sdk)
    async with connected(shared.dsn) as other, other.transaction():
        await other.execute(
            "INSERT INTO request (organization_id, request_id, created_at, updated_at, user_id) "
            "VALUES ($1, $2, now(), now(), 'mine')",
            organization_id,
            str(first + 1),
        )
        logging = [asyncio.create_task(log(sdk, input_tokens=n)) for n in range(4)]
        while not await connection.fetchval(COUNT_WAITING):
            pass
    assert sorted(await asyncio.gather(*logging)) == [first + n for n in range(2, 6)]
    row = await row_of(client, first + 1)
    assert (row["helicone_user"], "request_body" in row) == ("mine", False)


async def test_removed_request_is_logged_anew(sdk: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    first = await log(sdk)
    assert (await client.delete(f"/v1/request/{first}")).status_code == 200
    again = await asyncio.gather(*(log(sdk) for _ in range(8)))
    assert (len(set(again)), await ids(client)) == (1, [str(again[0])])
    row = await row_of(client, again[0])
    assert (row["request_body"], row["request_created_at"]) == (MESSAGE, "2026-01-01T00:00:00.000Z")
    assert await log(sdk) == again[0]


async def test_removed_request_that_was_scored_since_is_logged_anew(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    first = await log(sdk)
    assert (await client.delete(f"/v1/request/{first}")).status_code == 200
    await post(client, str(first), {"late": 1})
    again = await log(sdk)
    assert again != first
    assert set(await ids(client)) == {str(first), str(again)}
    assert await log(sdk) == again


async def test_log_of_a_minute_ago_is_another(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    async def grow_old(seconds: int) -> None:
        await connection.execute(
            "UPDATE promptlayer_log SET logged_at = now() - make_interval(secs => $2) "
            "WHERE organization_id = $1",
            organization_id,
            seconds,
        )

    first = await log(sdk)
    await grow_old(45)
    assert await log(sdk) == first
    await grow_old(65)
    second = await log(sdk)
    assert second != first
    assert await log(sdk) == second
    assert set(await ids(client)) == {str(first), str(second)}


async def test_logs_of_long_ago_are_forgotten(
    sdk: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    for number in range(3):
        await log(sdk, input_tokens=number)
    statement = (
        "UPDATE promptlayer_log SET logged_at = logged_at - interval '2 minutes' WHERE organization_id = $1"
    )
    await connection.execute(statement, organization_id)
    for number in range(3, 5):
        await log(sdk, input_tokens=number)
    count = "SELECT count(*) FROM promptlayer_log WHERE organization_id = $1"
    assert await connection.fetchval(count, organization_id) == 2


async def test_same_body_of_another_organization_is_another_request(
    sdk: httpx.AsyncClient, shared: Service, organization: str
) -> None:
    stranger = await make_client(shared, f"not {organization}")
    assert await log(stranger) != await log(sdk)


async def test_resent_log_leaves_a_newer_score(sdk: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    request_id = await log(sdk, score=5)
    await post(client, str(request_id), {"default": 7})
    assert await log(sdk, score=5) == request_id
    assert await scores_of(client, str(request_id)) == {"default": 7}


async def test_resent_log_brings_no_removed_score_back(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    request_id = await log(sdk, score=5)
    assert (await client.delete(f"/v1/request/{request_id}/score/default")).status_code == 200
    assert await log(sdk, score=5) == request_id
    assert await scores_of(client, str(request_id)) == {}


async def test_score_that_cannot_be_written_leaves_no_request(start_service: StartService, dsn: str) -> None:
    service = await start_service()
    sdk, client = await make_client(service), await service.client()
    render_error = "ALTER TABLE score ADD CONSTRAINT none_of_5 CHECK (value <> 5)"
    async with connected(dsn) as connection:
        await connection.execute(render_error)
        assert (await sdk.post("/log-request", json={**LOG, "score": 5})).status_code == 500
        assert await ids(client) == []
        await connection.execute("ALTER TABLE score DROP CONSTRAINT none_of_5")
    request_id = await log(sdk, score=5)
    assert await scores_of(client, str(request_id)) == {"default": 5}


# track-request


@pytest.mark.parametrize("path", ["/rest/track-request", "/track-request"])
async def test_tracked_request_is_shown_by_helicones_calls(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient, path: str
) -> None:
    response = await sdk.post(path, json=TRACK)
    request_id = response.json()["request_id"]
    assert (response.status_code, response.json()) == (
        200,
        done("the request is tracked", request_id=request_id, prompt_blueprint=None),
    )
    row = await row_of(client, request_id)
    assert row.pop("updated_at")
    assert row == {
        "request_id": str(request_id),
        "request_created_at": "2026-01-01T00:00:00.000Z",
        "response_created_at": "2026-01-01T00:00:01.250Z",
        "delay_ms": 1250,
        "cache_enabled": False,
        "response_id": "chatcmpl-1",
        "request_model": "gpt-4o",
        "response_model": "gpt-4o-2024",
        "model": "gpt-4o-2024",
        "provider": "openai",
        "request_body": [{"role": "user", "content": "Hi"}],
        "response_body": TRACK["request_response"],
        "prompt_tokens": 3,
        "completion_tokens": 5,
        "total_tokens": 8,
        "cost": 5.75e-05,
        "costUSD": 5.75e-05,
        "prompt_id": "17",
        "prompt_version": "2",
        "properties": {"env": "prod"},
        "request_properties": {"env": "prod"},
    }
    assert await ids(client, {"values": {"topic": {"equals": "dogs"}}}) == [str(request_id)]


async def test_what_was_sent_beside_the_input_is_kept(
    sdk: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    assert (await sdk.post("/track-request", json=TRACK)).status_code == 200
    kept = await connection.fetchval(
        "SELECT promptlayer FROM request WHERE organization_id = $1", organization_id
    )
    assert kept == (
        '{"kwargs": {"n": 1.5, "model": "gpt-4o"}, "span_id": "s1", '
        '"function_name": "openai.chat.completions.create"}'
    )


@pytest.mark.parametrize(
    ("kwargs", "body"),
    [
        ({"model": "m", "prompt": "Hi"}, {"model": "m", "prompt": "Hi"}),
        ("asst_1", "asst_1"),
        ([1], [1]),
        ({}, {}),
        (None, None),
    ],
)
async def test_input_without_messages_is_all_arguments(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient, kwargs: object, body: object
) -> None:
    response = await sdk.post("/track-request", json={"function_name": "f", "kwargs": kwargs})
    assert response.status_code == 200
    row = await read(client, str(response.json()["request_id"]))
    assert row
    assert row["request_body"] == body


async def test_counts_beside_the_input_stand_in_for_those_of_the_response(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    """LlamaIndex's handler counts in `kwargs`: its responses are messages."""
    usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
    kwargs = {"messages": [], "usage": usage, "model_name": "gpt-4o"}
    messages = [{"role": "assistant", "blocks": [{"block_type": "text", "text": "Hello"}]}]
    counted = {"usage": {"prompt_tokens": 30, "completion_tokens": 50}}
    for response, total in ((messages, 8), (counted, 80)):
        body = {"function_name": "f", "kwargs": kwargs, "request_response": response}
        request_id = (await sdk.post("/track-request", json=body)).json()["request_id"]
        assert (await row_of(client, request_id))["total_tokens"] == total


async def test_tracked_request_is_in_its_group(sdk: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    group_id = (await sdk.post("/create-group", json={})).json()["id"]
    response = await sdk.post("/track-request", json=TRACK | {"group_id": group_id})
    row = await row_of(client, response.json()["request_id"])
    assert row["properties"] == {"env": "prod", "promptlayer_group_id": str(group_id)}
    response = await sdk.post("/track-request", json=TRACK | {"group_id": group_id + 10**9})
    assert (response.status_code, response.json()) == (
        400,
        error_response(f"group_id: there is no group {group_id + 10**9}"),
    )


async def test_tracked_request_that_is_resent_gets_the_same_id(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    first = await sdk.post("/track-request", json=TRACK)
    again = await sdk.post("/rest/track-request", json=TRACK)
    assert first.json() == again.json()
    assert len(await ids(client)) == 1


async def test_removed_request_is_tracked_anew(sdk: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    first = await sdk.post("/track-request", json=TRACK)
    assert (await client.delete(f"/v1/request/{first.json()['request_id']}")).status_code == 200
    again = await asyncio.gather(*(sdk.post("/track-request", json=TRACK) for _ in range(4)))
    assert len({response.json()["request_id"] for response in again}) == 1
    assert await ids(client) == [str(again[0].json()["request_id"])]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"function_name": None}, "function_name: expected a string, got null"),
        ({"args": {}}, "args: expected a list, got an object"),
        ({"args": "Hi"}, 'args: expected a list, got "Hi"'),
        ({"args": 0}, "args: expected a list, got 0"),
    ],
)
async def test_track_at_fault_is_refused(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient, sent: dict[str, object], message: str
) -> None:
    response = await sdk.post("/track-request", json=TRACK | sent)
    assert (response.status_code, response.json()) == (400, error_response(message))
    assert await ids(client) == []


async def test_function_must_be_named(sdk: httpx.AsyncClient) -> None:
    response = await sdk.post("/track-request", json={})
    assert (response.status_code, response.json()) == (400, error_response("function_name: missing"))


async def test_failed_call_is_an_error(sdk: httpx.AsyncClient) -> None:
    failed = {
        "status": "ERROR",
        "error_type": "PROVIDER_ERROR",
        "error_message": "no",
        "request_response": {},
    }
    response = await sdk.post("/track-request", json=TRACK | failed)
    found = await search(sdk, {"field": "status", "operator": "is", "value": "error"})
    assert found == [response.json()["request_id"]]


async def test_log_is_taken_where_scores_of_unknown_requests_are_refused(start_service: StartService) -> None:
    service = await start_service(unknown_requests="reject")
    sdk = await make_client(service)
    request_id = await log(sdk, score=5)
    assert (await track(sdk, "score", request_id=request_id, score=6, name="tone")).status_code == 200
    assert await scores_of(await service.client(), str(request_id)) == {"default": 5, "tone": 6}
