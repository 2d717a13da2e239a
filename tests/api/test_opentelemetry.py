"""Spans as logged requests: ids, content, metadata, both encodings, and what is refused."""

from __future__ import annotations

import gzip
import json
from typing import Any

import httpx
import pytest
from heliscore.api.http.endpoints import Endpoint
from heliscore.api.opentelemetry.otlp_endpoints import ENDPOINTS
from heliscore.store.connections.pool import Connection

from tests.api.calls import call, name_of
from tests.api.envelope import RMT, ids
from tests.api.otlp import (
    END_NS,
    EVALUATION,
    OWN_ID,
    PROTOBUF,
    SPAN,
    START_NS,
    TRACE,
    Json,
    as_protobuf,
    evaluation,
    event,
    send,
    send_protobuf,
    span,
    traces,
)
from tests.api.test_log import ROW, row_of
from tests.conftest import Service

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
]
CHAT = {
    "gen_ai.provider.name": "openai",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.request.temperature": 0.5,
    "gen_ai.usage.input_tokens": 13,
    "gen_ai.usage.output_tokens": 5,
    "gen_ai.usage.cache_read.input_tokens": 3,
    "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief."}]),
    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]),
    "gen_ai.output.messages": json.dumps(
        [{"role": "assistant", "parts": [{"type": "text", "content": "Hello"}], "finish_reason": "stop"}]
    ),
    "server.address": "api.openai.com",
    "server.port": 443,
}
CHAT_ROW = ROW | {
    "request_id": OWN_ID,
    "request_body": {"model": "gpt-4o", "temperature": 0.5, "messages": MESSAGES},
    "response_id": "chatcmpl-1",
    "response_body": {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4o-2024-08-06",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
        ],
        "usage": {
            "prompt_tokens": 13,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 3},
        },
    },
    "request_path": None,
    "request_model": "gpt-4o",
    "response_model": "gpt-4o-2024-08-06",
    "model": "gpt-4o-2024-08-06",
    "provider": "OPENAI",
    "prompt_tokens": 13,
    "completion_tokens": 5,
    "total_tokens": 18,
    "prompt_cache_read_tokens": 3,
    "target_url": "https://api.openai.com",
}


async def log(client: httpx.AsyncClient, given: Json, **more: Any) -> Json:
    """Send one span, of which nothing may be refused, and return its row."""
    assert await send(client, traces(span(given, **more))) == {}
    return await row_of(client, OWN_ID)


# The whole of it


async def test_span_is_read_whole(client: httpx.AsyncClient) -> None:
    row = await log(client, CHAT)
    assert row.pop("costUSD") == row["cost"] == pytest.approx(10 * 2.5e-6 + 3 * 1.25e-6 + 5 * 1e-5)
    del row["cost"]
    assert row == {key: value for key, value in CHAT_ROW.items() if key not in ("cost", "costUSD")}


async def test_protobuf_comes_to_the_same(client: httpx.AsyncClient, shared: Service) -> None:
    expected = await log(client, CHAT)
    other = await shared.client("the other encoding")
    answer = await send_protobuf(other, traces(span(CHAT)))
    assert (answer.rejected_spans, answer.error_message) == (0, "")
    assert await row_of(other, OWN_ID) == expected


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/trace/log", "/v1/trace/log-python"])
async def test_every_address_takes_gzip_in_both_encodings(client: httpx.AsyncClient, path: str) -> None:
    as_json = json.dumps(traces(span(CHAT))).encode()
    as_bytes = as_protobuf(traces(span(CHAT, spanId="0000000000000002")))
    gzipped = {"Content-Encoding": "gzip"}
    for body, headers in ((as_json, {"Content-Type": "application/json"}), (as_bytes, PROTOBUF)):
        response = await client.post(path, content=gzip.compress(body), headers={**headers, **gzipped})
        assert response.status_code == 200, response.content
    assert sorted(await ids(client)) == [f"{TRACE}-0000000000000002", OWN_ID]


async def test_export_sent_again_changes_nothing(client: httpx.AsyncClient) -> None:
    first = await log(client, CHAT)
    assert await log(client, CHAT) == first
    assert len(await ids(client)) == 1


async def test_empty_export_is_a_success(client: httpx.AsyncClient) -> None:
    assert await send(client, {}, "/v1/traces") == {}
    assert await send(client, {"resourceSpans": [{}], "unknown": 1}) == {}
    response = await client.post("/v1/traces", content=b"", headers=PROTOBUF)
    assert (response.status_code, response.content) == (200, b"")


# Ids


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, OWN_ID),
        ({"helicone.request.id": "r"}, "r"),
        ({"Helicone-Request-Id": "r"}, "r"),
        ({"traceloop.association.properties.Helicone-Request-Id": "r"}, "r"),
    ],
)
async def test_span_names_its_request_or_is_it(client: httpx.AsyncClient, given: Json, expected: str) -> None:
    await send(client, traces(span(given)))
    assert await ids(client) == [expected]


async def test_id_that_no_request_can_have_is_a_warning(client: httpx.AsyncClient) -> None:
    answer = await send(client, traces(span({"helicone.request.id": "a\nb"})))
    message = "Helicone-Request-Id: must not contain control characters"
    assert answer == {"partialSuccess": {"rejectedSpans": "0", "errorMessage": message}}
    assert await ids(client) == [OWN_ID]


async def test_span_without_an_id_is_refused_and_the_others_are_taken(client: httpx.AsyncClient) -> None:
    answer = await send(client, traces(span({}, traceId="00"), span({})))
    message = 'traceId: expected an id in hex that is not all zeros, got "00"'
    assert answer == {"partialSuccess": {"rejectedSpans": "1", "errorMessage": message}}
    partial = await send_protobuf(client, traces(span({}, spanId="00")))
    message = "span_id: expected 8 bytes that are not all zeros, got 1 bytes"
    assert (partial.rejected_spans, partial.error_message) == (1, message)
    assert await ids(client) == [OWN_ID]


async def test_spans_of_agents_and_tools_are_taken_and_no_requests(client: httpx.AsyncClient) -> None:
    others = [
        span({"gen_ai.operation.name": "invoke_agent"}),
        span({"gen_ai.operation.name": "execute_tool"}),
        span({"gen_ai.operation.name": None, "gen_ai.request.model": None}),
    ]
    assert await send(client, traces(*others)) == {}
    assert await ids(client) == []


# Metadata


async def test_metadata_comes_from_attributes_resource_and_headers(client: httpx.AsyncClient) -> None:
    given = {
        "helicone.property.Tier": "gold",
        "Helicone-Property-Env": "prod",
        "traceloop.association.properties.Helicone-Property-Team": "search",
        "traceloop.association.properties.Helicone-Session-Path": "/plan",
        "traceloop.association.properties.chat": 7,
        "metadata": '{"item": "a1"}',
        "session.id": "s1",
        "user.id": "alice",
        "tag.tags": ["nightly"],
    }
    resource = {"service.name": "shop", "Helicone-Property-Env": "of the resource"}
    headers = {"Helicone-Property-Region": "eu", "Helicone-Property-Tier": "of the header"}
    export = json.dumps(traces(span(given), resource=resource))
    response = await client.post("/v1/traces", content=export, headers=headers)
    assert response.json() == {}
    row = await row_of(client, OWN_ID)
    assert row["request_user_id"] == "alice"
    assert row["properties"] == {
        "Env": "prod",
        "Helicone-Session-Id": "s1",
        "Helicone-Session-Path": "/plan",
        "Team": "search",
        "Tier": "gold",
        "chat": "7",
        "item": "a1",
        "region": "eu",
        "service.name": "shop",
        "tier": "of the header",
    }


async def test_bodies_can_be_omitted(client: httpx.AsyncClient) -> None:
    omitted = {"Helicone-Omit-Request": "true", "Helicone-Omit-Response": "true"}
    row = await log(client, {**CHAT, **omitted})
    assert (row["request_body"], row["response_body"]) == (None, None)
    assert row["total_tokens"] == 18


# Outcome and times


@pytest.mark.parametrize(
    ("given", "status", "expected"),
    [
        ({}, {}, 200),
        ({}, {"code": 2, "message": "no"}, 500),
        ({"error.type": "429"}, {"code": 2, "message": "no"}, 429),
        ({"http.response.status_code": 404}, {"code": 2, "message": "no"}, 404),
    ],
)
async def test_status_is_that_of_the_call(
    client: httpx.AsyncClient, given: Json, status: Json, expected: int
) -> None:
    row = await log(client, given, status=status)
    assert row["response_status"] == expected
    error = {"message": "no", **({"type": "429"} if "error.type" in given else {})}
    assert row["response_body"] == ({"error": error} if status else None)


@pytest.mark.parametrize(
    ("given", "events"),
    [
        ({"gen_ai.response.time_to_first_chunk": 0.25}, []),
        ({}, [event("llm.content.completion.chunk", {}, START_NS + 250_000_000), event("chunk", {}, END_NS)]),
    ],
)
async def test_time_to_first_token_is_kept(
    client: httpx.AsyncClient, given: Json, events: list[Json]
) -> None:
    row = await log(client, given, events=events)
    assert (row["time_to_first_token"], row["delay_ms"]) == (250, 1245)


# Finding them


async def test_response_id_is_searched(client: httpx.AsyncClient) -> None:
    await log(client, CHAT)
    for condition, found in (
        ({"equals": "chatcmpl-1"}, 1),
        ({"equals": "chatcmpl-2"}, 0),
        ({"in": ["chatcmpl-1", "x"]}, 1),
        ({"contains": "cmpl"}, 1),
        ({"not-equals": "x"}, 1),
        ({"exists": False}, 0),
    ):
        assert len(await ids(client, {RMT: {"response_id": condition}})) == found, condition


async def test_very_long_response_id_is_logged_and_found(client: httpx.AsyncClient) -> None:
    long = "chatcmpl-" * 2000
    await log(client, {"gen_ai.response.id": long})
    assert len(await ids(client, {RMT: {"response_id": {"equals": long}}})) == 1


# Keys


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
async def test_key_without_the_permission_is_refused(
    shared: Service, client: httpx.AsyncClient, organization: str, endpoint: Endpoint
) -> None:
    reading, nobody = await shared.client(organization, "r"), await shared.client(key="")
    lacking = "the API key has permissions 'r', this needs 'w'"
    for refused, status, code, message in ((reading, 403, 7, lacking), (nobody, 401, 16, None)):
        response = await call(refused, endpoint)
        answer = response.json()
        assert (response.status_code, answer.pop("code")) == (status, code)
        assert answer == {"message": message or answer["message"]}
    assert await ids(client) == []


# What cannot be read


STATUS = "type.googleapis.com/google.rpc.BadRequest"


async def test_what_is_no_export_is_a_status(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/traces", content="[]")
    message = "expected a JSON object, got an array"
    assert (response.status_code, response.json()) == (
        400,
        {
            "code": 3,
            "message": message,
            "details": [{"@type": STATUS, "fieldViolations": [{"field": "", "description": message}]}],
        },
    )
    response = await client.post("/v1/logs", json={"resourceLogs": [1]})
    assert (response.status_code, response.json()["message"]) == (
        400,
        "resourceLogs: expected a list of objects",
    )


async def test_errors_are_in_the_encoding_of_the_request(client: httpx.AsyncClient, shared: Service) -> None:
    message = b"the body is no ExportTraceServiceRequest in protobuf"
    response = await client.post("/v1/traces", content=b"\xff\xff", headers=PROTOBUF)
    assert (response.status_code, response.headers["content-type"]) == (400, "application/x-protobuf")
    assert response.content == b"\x08\x03\x12" + bytes([len(message)]) + message
    nobody = await shared.client(key="")
    response = await nobody.post("/v1/traces", content=b"", headers=PROTOBUF)
    assert (response.status_code, response.content[:3]) == (401, b"\x08\x10\x12")


async def test_too_many_requests_in_one_export_are_refused(client: httpx.AsyncClient) -> None:
    export = traces(*(span({}, spanId=f"{number:016x}") for number in range(1, 5_002)))
    response = await client.post("/v1/traces", content=as_protobuf(export), headers=PROTOBUF)
    assert response.status_code == 400
    assert b"more than 5000 model calls" in response.content
    assert await ids(client) == []


# Evaluations among a span's events


async def test_evaluation_of_a_span_is_its_score(client: httpx.AsyncClient) -> None:
    given = evaluation("relevance", 0.85, evaluation_explanation="To the point.")
    row = await log(client, CHAT, events=[event(EVALUATION, given)])
    assert row["scores"] == {"relevance": 85}


async def test_evaluation_of_a_span_with_an_id_of_its_own_is_that_requests(
    client: httpx.AsyncClient,
) -> None:
    given = evaluation("relevance", 3, response_id="chatcmpl-1")
    await send(client, traces(span({**CHAT, "helicone.request.id": "r"}, events=[event(EVALUATION, given)])))
    assert (await row_of(client, "r"))["scores"] == {"relevance": 3}


async def test_evaluation_that_is_none_is_named_and_the_span_is_taken(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    events = [event(EVALUATION, {"gen_ai.evaluation.name": "relevance"})]
    answer = await send(client, traces(span({}, events=events)))
    message = "relevance: has neither a value nor a label"
    assert answer == {"partialSuccess": {"rejectedSpans": "0", "errorMessage": message}}
    assert await ids(client) == [OWN_ID]
    assert await connection.fetchval("SELECT count(*) FROM request WHERE request_id = $1", SPAN) == 0
