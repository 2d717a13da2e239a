"""Streams of npm openai and @anthropic-ai/sdk, from a model's API that streams what the real ones do, logged
by npm @helicone/helpers: stored as the whole message, counted and shown like any other."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.conftest import Service
from tests.sdk.conftest import RunHelpers
from tests.sdk.reading import (
    ANSWER,
    QUESTION,
    assert_shown,
    find_rows,
    part,
    read_page,
    read_row,
)

Json = dict[str, Any]


COUNTS = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8, "prompt_cache_read_tokens": 2}
CHAT = COUNTS | {
    "request_model": "gpt-4o",
    "response_model": "gpt-4o-2024-08-06",
    "response_id": "chatcmpl-1",
    "response_status": 200,
    "provider": "CUSTOM",  # the helpers send every stream to /custom/v1/log, without a provider
}
RESPONSES = CHAT | {
    "request_model": "gpt-5",
    "response_model": "gpt-5-2025-08-07",
    "response_id": "resp_1",
    "reasoning_tokens": 1,
}
MESSAGES = {
    "request_model": "claude-sonnet-4-5",
    "response_model": "claude-sonnet-4-5-20250929",
    "response_id": "msg_1",
    "response_status": 200,
    "provider": "CUSTOM",
    "prompt_tokens": 3,
    "completion_tokens": 5,
    "prompt_cache_read_tokens": 10,
    "total_tokens": 18,
}

WAYS = ["logStream", "logSingleStream", "logBuilder", "bytes"]


async def test_stream_is_logged_with_what_was_asked(
    client: httpx.AsyncClient, run_streams: RunHelpers
) -> None:
    outcome = await run_streams("chat", "logBuilder")
    assert (outcome.output, outcome.errors) == ("", "")
    row = await read_row(client, "r")
    assert row["request_body"]["messages"][1] == {"role": "user", "content": QUESTION}
    assert 0 < row["time_to_first_token"] <= row["delay_ms"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("shape", "expected"), [("chat", CHAT), ("responses", RESPONSES), ("messages", MESSAGES)]
)
async def test_stream_is_put_together(
    client: httpx.AsyncClient,
    service: Service,
    run_streams: RunHelpers,
    shape: str,
    expected: Json,
    way: str,
) -> None:
    await run_streams(shape, way)
    row = await read_row(client, "r")
    assert part(row, expected) == expected
    assert said_in(row["response_body"]) == ("stop" if shape == "chat" else None, ANSWER)
    assert len(await find_rows(client, response_body={"contains": ANSWER})) == 1
    page = await read_page(service, "r")
    if shape == "messages":
        assert page.title == QUESTION
        assert ANSWER in page.turns[-1][1]
        assert "content_block_delta" not in page.turns[-1][1]
    else:
        await assert_shown(service, "r")


def said_in(body: Json) -> tuple[str | None, str]:
    """The reason of a chat's end, and the text of an answer in its provider's own shape."""
    match body:
        case {"object": "chat.completion", "choices": [{"message": message, "finish_reason": reason}]}:
            return reason, message["content"]
        case {"object": "response", "status": "completed", "output": [{"content": [{"text": text}]}]}:
            return None, text
        case {
            "type": "message",
            "stop_reason": "end_turn",
            "content": [{"type": "thinking", "thinking": "I have a map."}, {"type": "text", "text": text}],
        }:
            return None, text
        case _:
            raise AssertionError(body)


@pytest.mark.parametrize("way", WAYS)
async def test_tool_call_in_pieces_is_one(
    client: httpx.AsyncClient, service: Service, run_streams: RunHelpers, way: str
) -> None:
    await run_streams("tools", way)
    row = await read_row(client, "r")
    assert part(row, CHAT) == CHAT
    [choice] = row["response_body"]["choices"]
    assert choice["finish_reason"] == "tool_calls"
    [call] = choice["message"]["tool_calls"]
    expected = {"name": "find_room", "arguments": '{"name": "library"}'}
    assert (call["id"], call["type"], call["function"]) == ("call_1", "function", expected)
    page = await read_page(service, "r")
    assert page.title == QUESTION
    role, shown = page.turns[-1]
    assert role == "assistant"
    assert "find_room" in shown
    assert "library" in shown
    assert "chat.completion.chunk" not in shown


async def test_stream_that_broke_off_keeps_what_came_and_the_error(
    client: httpx.AsyncClient, service: Service, run_streams: RunHelpers
) -> None:
    await run_streams("broken", "logBuilder")
    row = await read_row(client, "r")
    expected = {"response_status": 500, "response_model": "gpt-4o-2024-08-06", "request_model": "gpt-4o"}
    assert part(row, expected) == expected
    for text in (ANSWER, "terminated"):
        assert len(await find_rows(client, response_body={"contains": text})) == 1
    page = await read_page(service, "r")
    assert page.title == QUESTION
    assert any(role == "assistant" and ANSWER in shown for role, shown in page.turns)
    assert any("terminated" in shown for _, shown in page.turns)
    assert not any("chat.completion.chunk" in shown for _, shown in page.turns)
