"""The PromptLayer handlers of LangChain and LlamaIndex, with models that always answer the same: what was
said is stored where it is read, searched and counted."""

from __future__ import annotations

from pathlib import Path

import httpx
import msgspec

from tests.conftest import Service
from tests.sdk.conftest import RunPython
from tests.sdk.reading import (
    ANSWER,
    QUESTION,
    SAID,
    assert_shown,
    find_rows,
    part,
    read_page,
    read_row,
)

COUNTS = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
UNCOUNTED = dict.fromkeys(COUNTS)
PROPERTIES = {"_langchain_run_id", "_langchain_parent_run_id", "_langchain_tags"}
TEXT_SAID = SAID[1:]
VARIABLES = {"address": "URL_API_PROMPTLAYER", "key": "PROMPTLAYER_API_KEY"}


async def test_calls_of_langchain_are_read(
    client: httpx.AsyncClient, service: Service, run_python: RunPython, frameworks_python: Path
) -> None:
    outcome = await run_python(frameworks_python, "langchain_calls.py", **VARIABLES)
    assert "Error in PromptLayerCallbackHandler" not in outcome.errors
    chat, picture, text = map(str, msgspec.json.decode(outcome.output.splitlines()[-1]))
    for id_, expected in (
        (chat, {"model": "gpt-4o"}),
        (picture, {"model": "gpt-4o"}),
        (text, COUNTS | {"model": "gpt-3.5-turbo-instruct"}),
    ):
        row = await read_row(client, id_)
        assert part(row, expected) == expected
        assert (row["provider"], set(row["properties"])) == ("langchain", PROPERTIES)
    [found] = await find_rows(client, request_body={"contains": "Be brief."})
    assert found["request_id"] == chat
    await assert_shown(service, chat)
    await assert_picture_is_beside_its_text(service, picture)
    await assert_shown(service, text, TEXT_SAID)


async def assert_picture_is_beside_its_text(service: Service, id_: str) -> None:
    page = await read_page(service, id_)
    assert page.title == QUESTION
    assert [role for role, _ in page.turns] == ["user", "assistant"]
    assert QUESTION in page.turns[0][1]
    assert "base64" not in page.turns[0][1]


async def test_calls_of_llamaindex_are_read(
    client: httpx.AsyncClient, service: Service, run_python: RunPython, frameworks_python: Path
) -> None:
    await run_python(frameworks_python, "llamaindex_calls.py", **VARIABLES)
    completion, chat = await find_rows(client)
    for row, expected in (
        (chat, COUNTS | {"model": "gpt-4o", "provider": "openai"}),
        # Its handler does not say what a completion counts.
        (completion, UNCOUNTED | {"model": "gpt-4o", "provider": "openai"}),
    ):
        assert part(row, expected) == expected
        assert ANSWER in msgspec.json.encode(row["response_body"]).decode()
    await assert_shown(service, chat["request_id"])
    await assert_shown(service, completion["request_id"], TEXT_SAID)
