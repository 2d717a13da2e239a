"""npm @helicone/helpers, unmodified: what it logs is found by query."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from heliscore.domain.api_key import mint_key

from tests.sdk.conftest import RunHelpers

Json = dict[str, Any]

REQUEST = {"model": "asked-for", "messages": [{"role": "user", "content": "Hi"}]}
ANSWER = {
    "id": "answer-1",
    "model": "answered",
    "choices": [{"message": {"content": "Hello"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
}
PROPERTIES = {"env": "prod", "Helicone-Session-Id": "s"}

LOGGED = {
    "request_id": "r",
    "request_body": REQUEST,
    "request_user_id": "alice",
    "properties": PROPERTIES,
    "target_url": "custom-model-nopath",
    "provider": "CUSTOM",
    "request_model": "asked-for",
    "response_status": 200,
}
ANSWERED = LOGGED | {
    "response_body": ANSWER,
    "response_id": "answer-1",
    "response_model": "answered",
    "model": "answered",
    "prompt_tokens": 3,
    "completion_tokens": 5,
    "total_tokens": 8,
}
STREAMED = '{"text":"Hel"}\n{"text":"lo"}\n'
UNCOUNTED = {
    "response_id": None,
    "response_model": None,
    "model": "asked-for",
    "prompt_tokens": None,
    "completion_tokens": None,
    "total_tokens": None,
}


async def find(client: httpx.AsyncClient) -> Json:
    """The one request, found by the model, user and property that were logged."""
    condition = {
        "request_response_rmt": {
            "user_id": {"equals": "alice"},
            "properties": {"env": {"equals": "prod"}},
        }
    }
    response = await client.post("/v1/request/query", json={"filter": condition})
    assert response.status_code == 200
    [row] = response.json()["data"]
    found: Json = row
    return found


def part(row: Json, expected: Json) -> Json:
    return {key: row[key] for key in expected}


async def test_request_is_logged_with_model_tokens_and_properties(
    client: httpx.AsyncClient, run_helpers: RunHelpers
) -> None:
    outcome = await run_helpers("request")
    assert (outcome.output, outcome.errors) == ("the operation's result\n", "")
    assert part(await find(client), ANSWERED) == ANSWERED


async def test_request_is_logged_with_its_times(client: httpx.AsyncClient, run_helpers: RunHelpers) -> None:
    before = datetime.now(UTC)
    await run_helpers("request")
    after = datetime.now(UTC)
    row = await find(client)
    began, ended = (datetime.fromisoformat(row[f"{what}_created_at"]) for what in ("request", "response"))
    assert before < began < ended < after
    assert row["delay_ms"] == (ended - began) // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("sent", "provider"),
    [("openai", "OPENAI"), ("ANTHROPIC", "ANTHROPIC"), ("google", "GOOGLE"), ("mistral", "CUSTOM")],
)
async def test_provider_chooses_the_path(
    client: httpx.AsyncClient, run_helpers: RunHelpers, sent: str, provider: str
) -> None:
    await run_helpers("provider", sent)
    expected = ANSWERED | {"provider": provider}
    assert part(await find(client), expected) == expected


async def test_tool_call_is_logged_without_a_model(
    client: httpx.AsyncClient, run_helpers: RunHelpers
) -> None:
    await run_helpers("tool")
    expected = (
        LOGGED
        | UNCOUNTED
        | {
            "request_body": {"_type": "tool", "toolName": "search", "input": {"query": "Faust"}},
            "response_body": {"found": 1, "_type": "tool", "toolName": "search"},
            "request_model": None,
            "model": None,
        }
    )
    assert part(await find(client), expected) == expected


async def test_single_request_of_json_text_is_read_like_a_response(
    client: httpx.AsyncClient, run_helpers: RunHelpers
) -> None:
    await run_helpers("single")
    expected = ANSWERED | {"delay_ms": 1500}
    assert part(await find(client), expected) == expected


@pytest.mark.parametrize(
    ("scenario", "body"),
    [
        ("text", "Hello"),
        ("singleStream", "Hello"),
        ("stream", "Hello"),
        ("builder", STREAMED),
        ("attached", STREAMED),
    ],
)
async def test_text_and_streams_are_logged_as_they_came(
    client: httpx.AsyncClient, run_helpers: RunHelpers, scenario: str, body: str
) -> None:
    outcome = await run_helpers(scenario)
    assert outcome.errors == ""
    expected = LOGGED | UNCOUNTED | {"response_body": body}
    assert part(await find(client), expected) == expected


@pytest.mark.parametrize("scenario", ["builder", "attached"])
async def test_builder_counts_the_time_to_the_first_token(
    client: httpx.AsyncClient, run_helpers: RunHelpers, scenario: str
) -> None:
    await run_helpers(scenario)
    row = await find(client)
    assert 15 <= row["time_to_first_token"] <= row["delay_ms"]


async def test_error_is_logged_with_status_500_and_its_text(
    client: httpx.AsyncClient, run_helpers: RunHelpers
) -> None:
    await run_helpers("error")
    row = await find(client)
    assert row["response_status"] == 500
    assert row["response_body"].startswith("Error: the model is away\n    at ")


async def test_cancelled_stream_is_logged_with_status_minus_3(
    client: httpx.AsyncClient, run_helpers: RunHelpers
) -> None:
    await run_helpers("cancel")
    expected = LOGGED | {"response_status": -3, "response_body": {"text": "Hel"}}
    assert part(await find(client), expected) == expected
    cancelled = {"request_response_rmt": {"status": {"equals": -3}}}
    response = await client.post("/v1/request/count/query", json={"filter": cancelled})
    assert response.json() == {"data": 1, "error": None}


async def test_failed_operation_is_not_logged(client: httpx.AsyncClient, run_helpers: RunHelpers) -> None:
    outcome = await run_helpers("failure")
    assert "the model is away" in outcome.errors
    response = await client.post("/v1/request/count/query", json={"filter": "all"})
    assert response.json() == {"data": 0, "error": None}


async def test_refusal_is_told_by_the_package(client: httpx.AsyncClient, run_helpers: RunHelpers) -> None:
    outcome = await run_helpers("text", key=mint_key())
    assert outcome.errors == "Error making request to Helicone log endpoint: Unauthorized\n"
    response = await client.post("/v1/request/count/query", json={"filter": "all"})
    assert response.json() == {"data": 0, "error": None}


async def test_logged_request_is_scored_by_its_id(client: httpx.AsyncClient, run_helpers: RunHelpers) -> None:
    await client.post("/v1/request/r/score", json={"scores": {"accuracy": 95}})
    await run_helpers("request")
    await client.post("/v1/request/r/score", json={"scores": {"cited": True}})
    expected = ANSWERED | {"scores": {"accuracy": 95, "cited": 1}}
    assert part(await find(client), expected) == expected
