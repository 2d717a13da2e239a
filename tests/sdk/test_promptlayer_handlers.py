"""The PromptLayer handlers of LangChain and LlamaIndex, with models that always answer the same: what was
said is stored where it is read, searched and counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

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

Json = dict[str, Any]

COUNTS = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
TEXT_SAID = SAID[1:]
VARIABLES = {"address": "URL_API_PROMPTLAYER", "key": "PROMPTLAYER_API_KEY"}


async def run_langchain(run_python: RunPython, python: Path) -> list[str]:
    outcome = await run_python(python, "langchain_calls.py", **VARIABLES)
    assert "Error in PromptLayerCallbackHandler" not in outcome.errors
    ids: list[int] = msgspec.json.decode(outcome.output.splitlines()[-1])
    return [str(id_) for id_ in ids]


async def run_llamaindex(run_python: RunPython, python: Path, kind: str, client: httpx.AsyncClient) -> Json:
    await run_python(python, "llamaindex_calls.py", kind, **VARIABLES)
    [row] = await find_rows(client)
    return row


async def test_calls_of_langchain_are_stored(
    client: httpx.AsyncClient, run_python: RunPython, handlers_python: Path
) -> None:
    ids = await run_langchain(run_python, handlers_python)
    assert len(ids) == 3
    for id_ in ids:
        row = await read_row(client, id_)
        assert row["provider"] == "langchain"
        assert set(row["properties"]) == {
            "_langchain_run_id",
            "_langchain_parent_run_id",
            "_langchain_tags",
        }


async def test_chat_of_langchain_is_read(
    client: httpx.AsyncClient, service: Service, run_python: RunPython, handlers_python: Path
) -> None:
    chat, *_ = await run_langchain(run_python, handlers_python)
    row = await read_row(client, chat)
    assert row["model"] == "gpt-4o"
    assert len(await find_rows(client, request_body={"contains": "Be brief."})) == 1
    await assert_shown(service, chat)


async def test_picture_of_langchain_is_beside_its_text(
    service: Service, run_python: RunPython, handlers_python: Path
) -> None:
    _, picture, _ = await run_langchain(run_python, handlers_python)
    page = await read_page(service, picture)
    assert page.title == QUESTION
    assert [role for role, _ in page.turns] == ["user", "assistant"]
    assert QUESTION in page.turns[0][1]
    assert "base64" not in page.turns[0][1]


async def test_text_model_of_langchain_is_read(
    client: httpx.AsyncClient, service: Service, run_python: RunPython, handlers_python: Path
) -> None:
    *_, text = await run_langchain(run_python, handlers_python)
    expected = COUNTS | {"model": "gpt-3.5-turbo-instruct"}
    assert part(await read_row(client, text), expected) == expected
    await assert_shown(service, text, TEXT_SAID)


@pytest.mark.parametrize("kind", ["chat", "completion"])
async def test_calls_of_llamaindex_are_stored(
    client: httpx.AsyncClient, run_python: RunPython, handlers_python: Path, kind: str
) -> None:
    row = await run_llamaindex(run_python, handlers_python, kind, client)
    assert row["provider"] == "openai"
    assert ANSWER in msgspec.json.encode(row["response_body"]).decode()


async def test_chat_of_llamaindex_is_read(
    client: httpx.AsyncClient, service: Service, run_python: RunPython, handlers_python: Path
) -> None:
    row = await run_llamaindex(run_python, handlers_python, "chat", client)
    assert part(row, COUNTS | {"model": "gpt-4o"}) == COUNTS | {"model": "gpt-4o"}
    await assert_shown(service, row["request_id"])


async def test_completion_of_llamaindex_is_read(
    client: httpx.AsyncClient, service: Service, run_python: RunPython, handlers_python: Path
) -> None:
    row = await run_llamaindex(run_python, handlers_python, "completion", client)
    assert row["model"] == "gpt-4o"
    await assert_shown(service, row["request_id"], TEXT_SAID)
