"""PyPI litellm with the callback `helicone`: what it logs is stored, counted and shown. One program makes all
the calls; its models answer themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
from heliscore.store.connections.pool import Connection

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
    read_everything,
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
    # It says 10 tokens of the prompt and 0 in total: the sum is shown.
    LOGGED
    | {
        "request_id": "embedding",
        "model": "text-embedding-3-small",
        "prompt_tokens": 10,
        "total_tokens": 10,
    },
]

SAYING = ("plain", "async", "stream", "gemini", "mistral")
"""The calls in which the question is asked and answered, and nothing else."""


async def test_calls_are_logged_counted_and_shown(
    client: httpx.AsyncClient,
    connection: Connection,
    service: Service,
    run_python: RunPython,
    frameworks_python: Path,
) -> None:
    # LiteLLM takes long to start: it starts once.
    await run_python(
        frameworks_python, "litellm_calls.py", address="HELICONE_API_BASE", key="HELICONE_API_KEY"
    )
    rows = {row["request_id"]: row for row in await find_rows(client)}
    assert rows.keys() == {expected["request_id"] for expected in ROWS}
    assert [part(rows[expected["request_id"]], expected) for expected in ROWS] == ROWS
    assert_bodies_are_kept(rows)
    await assert_calls_are_shown(service)
    await assert_key_is_nowhere(connection)


def assert_bodies_are_kept(rows: Json) -> None:
    for request_id in SAYING:
        body = rows[request_id]["response_body"]
        assert body["choices"][0]["message"]["content"] == ANSWER
        assert rows[request_id]["request_body"]["messages"] == MESSAGES
    # Of a stream it says what it cost.
    assert rows["stream"]["cost"] == rows["stream"]["response_body"]["usage"]["cost"] > 0


async def assert_calls_are_shown(service: Service) -> None:
    for request_id in SAYING:
        await assert_shown(service, request_id)
    await assert_shown(service, "choices", [*SAID, ("assistant", ANSWER)])
    page = await read_page(service, "tools")
    assert (page.title, [role for role, _ in page.turns]) == (QUESTION, ["system", "user", "assistant"])
    assert "find_room" in page.turns[2][1]
    assert "library" in page.turns[2][1]
    assert (await read_page(service, "embedding")).title == "library"


async def assert_key_is_nowhere(connection: Connection) -> None:
    """LiteLLM puts its key into `meta`, as `Helicone-Auth`."""
    everything = await read_everything(connection)
    assert ANSWER in everything
    for secret in ("helicone-auth", "bearer", "sk-helicone"):
        assert secret not in everything.lower()
