"""PyPI helicone-helpers, unmodified: what it logs is found by query. It blocks, so it runs in a thread."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from helicone_helpers import HeliconeManualLogger  # type: ignore[import-untyped]
from heliscore.domain.api_key import mint_key

from tests.conftest import Service

Json = dict[str, Any]

REQUEST = {"model": "asked-for", "messages": [{"role": "user", "content": "Hi"}]}
ANSWER = {
    "id": "answer-1",
    "model": "answered",
    "choices": [{"message": {"content": "Hello"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
}
HEADERS = {"Helicone-Request-Id": "r", "Helicone-User-Id": "alice", "Helicone-Property-Env": "prod"}

LOGGED = {
    "request_id": "r",
    "request_body": REQUEST,
    "request_user_id": "alice",
    "properties": {"env": "prod", "Helicone-Session-Id": "s"},
    "target_url": "custom-model-nopath",
    "provider": "CUSTOM",
    "request_model": "asked-for",
    "response_status": 200,
}
ANSWERED = LOGGED | {
    "response_body": ANSWER | {"_type": "unknown", "toolName": "unknown"},
    "response_id": "answer-1",
    "response_model": "answered",
    "model": "answered",
    "prompt_tokens": 3,
    "completion_tokens": 5,
    "total_tokens": 8,
}


@pytest.fixture
async def logger(service: Service) -> Any:
    """The package's logger with a good key."""
    return make_logger(service, await service.make_key())


def make_logger(service: Service, key: str) -> Any:
    headers = {"Helicone-Session-Id": "s"}
    return HeliconeManualLogger(api_key=key, headers=headers, logging_endpoint=service.address)


def answer(recorder: Any) -> str:
    time.sleep(0.02)
    recorder.append_results(ANSWER)
    return "the operation's result"


async def find(client: httpx.AsyncClient) -> Json:
    """The one request, found by the user and property that were logged."""
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


async def count(client: httpx.AsyncClient) -> Any:
    response = await client.post("/v1/request/count/query", json={"filter": "all"})
    return response.json()["data"]


def part(row: Json, expected: Json) -> Json:
    return {key: row[key] for key in expected}


async def test_request_is_logged_with_model_tokens_and_properties(
    client: httpx.AsyncClient, logger: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    result = await asyncio.to_thread(logger.log_request, REQUEST, answer, HEADERS)
    assert result == "the operation's result"
    assert capsys.readouterr().out == ""
    assert part(await find(client), ANSWERED) == ANSWERED


@pytest.mark.parametrize(
    ("sent", "provider"), [("openai", "OPENAI"), ("anthropic", "ANTHROPIC"), ("mistral", "CUSTOM")]
)
async def test_provider_chooses_the_path(
    client: httpx.AsyncClient, logger: Any, sent: str, provider: str
) -> None:
    await asyncio.to_thread(logger.log_request, REQUEST, answer, HEADERS, sent)
    expected = ANSWERED | {"provider": provider}
    assert part(await find(client), expected) == expected


async def test_request_is_logged_with_its_times(client: httpx.AsyncClient, logger: Any) -> None:
    before = datetime.now(UTC)
    await asyncio.to_thread(logger.log_request, REQUEST, answer, HEADERS)
    after = datetime.now(UTC)
    row = await find(client)
    began, ended = (datetime.fromisoformat(row[f"{what}_created_at"]) for what in ("request", "response"))
    assert before.replace(microsecond=before.microsecond // 1000 * 1000) <= began < ended <= after
    assert row["delay_ms"] >= 19


async def test_given_times_are_kept(client: httpx.AsyncClient, logger: Any) -> None:
    options = {
        "start_time": 1767225600.25,
        "end_time": 1767225601.5,
        "time_to_first_token_ms": 120.4,
        "additional_headers": HEADERS,
    }
    await asyncio.to_thread(logger.send_log, None, REQUEST, ANSWER, options)
    expected = ANSWERED | {
        "request_created_at": "2026-01-01T00:00:00.250Z",
        "response_created_at": "2026-01-01T00:00:01.500Z",
        "delay_ms": 1250,
        "time_to_first_token": 120,
    }
    assert part(await find(client), expected) == expected


async def test_stream_is_logged_chunk_by_chunk(client: httpx.AsyncClient, logger: Any) -> None:
    builder = logger.log_builder(REQUEST, HEADERS)
    builder.add_model("chosen-later")
    for chunk in ({"text": "Hel"}, {"text": "lo"}):
        await asyncio.sleep(0.02)
        builder.add_chunk(chunk)
    await send(builder)
    row = await find(client)
    expected = LOGGED | {
        "request_body": REQUEST | {"model": "chosen-later"},
        "response_body": '{"text": "Hel"}\n{"text": "lo"}',
        "request_model": "chosen-later",
        "model": "chosen-later",
    }
    assert part(row, expected) == expected
    assert 15 <= row["time_to_first_token"] <= row["delay_ms"]


async def send(builder: Any) -> None:
    """`send_log` is a coroutine that blocks all the same: it gets a loop of its own."""
    await asyncio.to_thread(asyncio.run, builder.send_log())


async def test_answer_given_to_the_builder_is_read_like_a_response(
    client: httpx.AsyncClient, logger: Any
) -> None:
    builder = logger.new_builder(REQUEST, HEADERS)
    builder.add_response(ANSWER)
    await send(builder)
    expected = ANSWERED | {"response_body": ANSWER}
    assert part(await find(client), expected) == expected


async def test_error_is_logged_with_its_text(client: httpx.AsyncClient, logger: Any) -> None:
    builder = logger.log_builder(REQUEST, HEADERS)
    builder.set_error(ConnectionError("the model is away"))
    await send(builder)
    # The package knows the status 500, but sends 200.
    expected = LOGGED | {"response_body": "ConnectionError: the model is away\n\n\n"}
    assert part(await find(client), expected) == expected


async def test_failed_operation_is_not_logged(
    client: httpx.AsyncClient, logger: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Any) -> None:
        raise ConnectionError("the model is away")

    with pytest.raises(ConnectionError):
        await asyncio.to_thread(logger.log_request, REQUEST, fail, HEADERS)
    assert capsys.readouterr().out == "Error during operation: the model is away\n"
    assert await count(client) == 0


async def test_refusal_is_printed_by_the_package(
    client: httpx.AsyncClient, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = make_logger(service, mint_key())
    await asyncio.to_thread(stranger.log_request, REQUEST, answer, HEADERS)
    assert capsys.readouterr().out == (
        'Error making request to Helicone log endpoint: {"data":null,"error":"the API key is not valid"}\n'
    )
    assert await count(client) == 0


async def test_logged_request_is_scored_by_its_id(client: httpx.AsyncClient, logger: Any) -> None:
    await client.post("/v1/request/r/score", json={"scores": {"accuracy": 95}})
    await asyncio.to_thread(logger.log_request, REQUEST, answer, HEADERS)
    await client.post("/v1/request/r/score", json={"scores": {"cited": True}})
    expected = ANSWERED | {"scores": {"accuracy": 95, "cited": 1}}
    assert part(await find(client), expected) == expected
