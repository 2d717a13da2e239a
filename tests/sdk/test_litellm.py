"""PyPI litellm with the callback `helicone`: what it logs is stored, counted and shown. One program makes all
the calls; its models answer themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Service
from tests.sdk.conftest import RunPython
from tests.sdk.reading import (
    ANSWER,
    QUESTION,
    SAID,
    SYSTEM,
    assert_shown,
    fails_today,
    find_rows,
    part,
    read_page,
    read_row,
)

Json = dict[str, Any]

REFUSED = "issue 13, 2: objects in `meta` have the whole log refused"

MESSAGES = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
COUNTS = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
LOGGED = {
    "request_user_id": "alice",
    # Nothing else: neither LiteLLM's own `hidden_params` nor the key that it puts into `meta`.
    "properties": {"Env": "prod", "Attempt": "2"},
    "response_status": 200,
}
CHAT = LOGGED | COUNTS | {"request_body": {"model": "gpt-4o", "messages": MESSAGES}, "model": "gpt-4o"}


@pytest.fixture
async def logged(client: httpx.AsyncClient, run_python: RunPython, litellm_python: Path) -> httpx.AsyncClient:
    """A client of the organization to which the program has logged."""
    await run_python(litellm_python, "litellm_calls.py", address="HELICONE_API_BASE", key="HELICONE_API_KEY")
    return client


@fails_today(REFUSED)
async def test_every_call_is_logged(logged: httpx.AsyncClient, service: Service) -> None:
    names = {row["request_id"] for row in await find_rows(logged)}
    assert names == {"plain", "async", "stream", "tools", "choices", "gemini", "mistral", "embedding"}
    for request_id in ("plain", "async"):
        row = await read_row(logged, request_id)
        assert part(row, CHAT) == CHAT
        assert row["response_body"]["choices"][0]["message"]["content"] == ANSWER
        assert row["provider"] == "OPENAI"
    assert [row["request_id"] for row in await find_rows(logged, response_body={"contains": "call_1"})] == [
        "tools"
    ]
    await assert_shown(service, "plain")


@fails_today(REFUSED)
async def test_stream_is_logged_whole_with_counts_and_cost(
    logged: httpx.AsyncClient, service: Service
) -> None:
    row = await read_row(logged, "stream")
    # LiteLLM counts the tokens itself, and says what they cost.
    expected = CHAT | {"total_tokens": 25, "prompt_tokens": 19, "completion_tokens": 6}
    assert part(row, expected) == expected
    assert row["response_body"]["choices"][0]["message"]["content"] == ANSWER
    assert row["cost"] == row["response_body"]["usage"]["cost"] > 0
    await assert_shown(service, "stream")


@fails_today(REFUSED)
@pytest.mark.usefixtures("logged")
async def test_tool_call_is_the_assistants(service: Service) -> None:
    page = await read_page(service, "tools")
    assert (page.title, [role for role, _ in page.turns]) == (QUESTION, ["system", "user", "assistant"])
    assert "find_room" in page.turns[2][1]
    assert "library" in page.turns[2][1]


@fails_today(REFUSED)
@pytest.mark.usefixtures("logged")
async def test_several_choices_are_turns_each(service: Service) -> None:
    await assert_shown(service, "choices", [*SAID, ("assistant", ANSWER)])


@fails_today(REFUSED)
@pytest.mark.parametrize(
    ("request_id", "expected"),
    [
        ("gemini", {"request_model": "gemini-2.5-flash", "model": "gemini-2.5-flash"}),
        # It names no model but those on its list. The answer does.
        ("mistral", {"request_model": "gpt-3.5-turbo", "model": "mistral-large-latest"}),
    ],
)
async def test_other_models_answer_in_the_shape_of_openai(
    logged: httpx.AsyncClient, service: Service, request_id: str, expected: Json
) -> None:
    row = await read_row(logged, request_id)
    assert part(row, expected | COUNTS) == expected | COUNTS
    await assert_shown(service, request_id)


@fails_today(REFUSED)
async def test_embedding_has_its_model_and_text(logged: httpx.AsyncClient, service: Service) -> None:
    row = await read_row(logged, "embedding")
    assert (row["model"], row["prompt_tokens"]) == ("text-embedding-3-small", 10)
    # It says 0 of a total: nothing is known, or the sum.
    assert row["total_tokens"] in (None, 10)
    assert (await read_page(service, "embedding")).title == "library"
