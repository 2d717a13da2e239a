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
    find_rows,
    part,
    read_page,
)

Json = dict[str, Any]


MESSAGES = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
COUNTS = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
LOGGED = {
    "request_user_id": "alice",
    # Nothing else: neither LiteLLM's own `hidden_params` nor the key that it puts into `meta`.
    "properties": {"Env": "prod", "Attempt": "2"},
    "response_status": 200,
    "provider": "OPENAI",
}


@pytest.fixture
async def logged(client: httpx.AsyncClient, run_python: RunPython, litellm_python: Path) -> httpx.AsyncClient:
    """A client of the organization to which the program has logged."""
    await run_python(litellm_python, "litellm_calls.py", address="HELICONE_API_BASE", key="HELICONE_API_KEY")
    return client


def chat(request_id: str, **more: object) -> Json:
    return LOGGED | COUNTS | {"request_id": request_id, "request_model": "gpt-4o", "model": "gpt-4o"} | more


ROWS = [
    chat("plain"),
    chat("async"),
    # LiteLLM counts the tokens of a stream itself.
    chat("stream", prompt_tokens=19, completion_tokens=7, total_tokens=26),
    chat("tools"),
    chat("choices"),
    chat("gemini", request_model="gemini-2.5-flash", model="gemini-2.5-flash", provider="CUSTOM"),
    # It names no model but those on its list. The answer does.
    chat("mistral", request_model="gpt-3.5-turbo", model="mistral-large-latest"),
    LOGGED | {"request_id": "embedding", "model": "text-embedding-3-small", "prompt_tokens": 10},
]


async def test_every_call_is_logged_with_model_counts_and_properties(logged: httpx.AsyncClient) -> None:
    rows = {row["request_id"]: row for row in await find_rows(logged)}
    assert rows.keys() == {expected["request_id"] for expected in ROWS}
    assert [part(rows[expected["request_id"]], expected) for expected in ROWS] == ROWS
    for request_id in ("plain", "async", "stream", "gemini", "mistral"):
        body = rows[request_id]["response_body"]
        assert body["choices"][0]["message"]["content"] == ANSWER
        assert rows[request_id]["request_body"]["messages"] == MESSAGES
    # Of a stream it says what it cost.
    assert rows["stream"]["cost"] == rows["stream"]["response_body"]["usage"]["cost"] > 0


async def test_total_of_an_embedding_is_not_zero(logged: httpx.AsyncClient) -> None:
    rows = {row["request_id"]: row for row in await find_rows(logged)}
    assert "embedding" in rows
    # LiteLLM says 10 of the prompt and 0 of the total: nothing is known, or the sum.
    assert rows["embedding"]["total_tokens"] in (None, 10)


@pytest.mark.usefixtures("logged")
async def test_every_call_is_shown(service: Service) -> None:
    for request_id in ("plain", "async", "stream", "gemini", "mistral"):
        await assert_shown(service, request_id)
    await assert_shown(service, "choices", [*SAID, ("assistant", ANSWER)])
    page = await read_page(service, "tools")
    assert (page.title, [role for role, _ in page.turns]) == (QUESTION, ["system", "user", "assistant"])
    assert "find_room" in page.turns[2][1]
    assert "library" in page.turns[2][1]
    assert (await read_page(service, "embedding")).title == "library"
