"""Providers' own SDKs through the gateway: what they return, which errors they raise, and what is logged.

One program makes all calls of PyPI's, one those of npm, one those of the public documentation of scores.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.calls import logged
from tests.conftest import Service, StartService
from tests.provider import ANSWER, SCORES, SERVER_KEY, Provider
from tests.sdk.conftest import RunHelpers, RunPython

Json = dict[str, Any]

PROVIDER_KEY = "sk-proj-of-the-caller-4711"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.fixture
async def service(start_service: StartService, provider: Provider) -> Service:
    """A service that forwards to the provider, and has a key for it."""
    return await start_service(
        gateway_targets=provider.address, gateway_keys=f"{provider.address}={SERVER_KEY}"
    )


@pytest.fixture
async def environment(service: Service) -> dict[str, str]:
    return {"ADDRESS": service.address, "KEY": await service.make_key(), "PROVIDER_KEY": PROVIDER_KEY}


async def read_rows(client: httpx.AsyncClient) -> dict[str, Json]:
    """Every row, by its id."""
    await logged(client)
    response = await client.post("/v1/request/query", json={"filter": "all", "limit": 100})
    return {row["request_id"]: row for row in response.json()["data"]}


def content_of(row: Json) -> str:
    text: str = row["response_body"]["choices"][0]["message"]["content"]
    return text


async def test_python(
    client: httpx.AsyncClient,
    run_python: RunPython,
    frameworks_python: Path,
    provider: Provider,
) -> None:
    outcome = await run_python(
        frameworks_python,
        "gateway_calls.py",
        address="ADDRESS",
        key="KEY",
        PROVIDER_KEY=PROVIDER_KEY,
        OPENAI_API_KEY="x",
    )  # LlamaIndex's client of the gateway wants OPENAI_API_KEY, and does not send it
    assert json.loads(outcome.output) == {
        "openai": ["openai", "req_of_the_provider", ANSWER],
        "stream": ["", "Qubits hold ", "[1] several states.", None],
        "errors": [
            ["BadRequestError", "req_of_the_provider", None, "Error code: 400 - no such model"],
            ["RateLimitError", "req_of_the_provider", "7", "Error code: 429 - no such model"],
            ["AuthenticationError", "Error code: 401 - the API key is not valid"],
        ],
        "models": ["gpt-4"],
        "embedding": [0.5, 0.25],
        "anthropic": ANSWER,
        "anthropicStream": ANSWER,
        "llamaindex": ANSWER,
    }
    rows = await read_rows(client)
    assert {
        id_: (row["provider"], row["response_status"], row["total_tokens"]) for id_, row in rows.items()
    } == {
        "openai": ("OPENAI", 200, 21),
        "openai-stream": ("OPENAI", 200, None),
        "bad": ("OPENAI", 400, None),
        "busy": ("OPENAI", 429, None),
        "models": ("OPENAI", 200, None),
        "embedding": ("OPENAI", 200, 3),
        "anthropic": ("ANTHROPIC", 200, 21),
        "anthropic-stream": ("ANTHROPIC", 200, 21),
        "llamaindex": ("OPENAI", 200, 21),
    }
    assert content_of(rows["openai-stream"]) == ANSWER
    assert rows["llamaindex"]["properties"] == {"env": "prod"}
    assert provider.last.headers["authorization"] == f"Bearer {SERVER_KEY}"


async def test_javascript(
    client: httpx.AsyncClient, run_node: RunHelpers, environment: dict[str, str], provider: Provider
) -> None:
    outcome = await run_node("gateway.mjs", **environment)
    assert json.loads(outcome.output) == {
        "openai": ["", "Qubits hold ", "[1] several states.", None],
        "errors": [
            ["BadRequestError", 400, "req_of_the_provider", "no such model"],
            ["RateLimitError", 429, "req_of_the_provider", "no such model"],
            ["BadRequestError", 400, "400 Helicone-Fallbacks: not served here: the call was not forwarded"],
        ],
        "anthropic": ANSWER,
        "aiSdk": ANSWER,
        "aiSdkStream": ANSWER,
    }
    rows = await read_rows(client)
    assert content_of(rows["openai-stream"]) == ANSWER
    assert rows["anthropic-stream"]["response_body"]["content"] == [{"type": "text", "text": ANSWER}]
    vercel = [row for row in rows.values() if row["request_user_id"] == "alice"]
    assert [content_of(row) for row in vercel] == [ANSWER, ANSWER]
    for row in vercel:
        assert row["properties"] == {"env": "prod", "tag-a": "true", "Helicone-Session-Id": "s1"}
    assert provider.last.headers["authorization"] == f"Bearer {SERVER_KEY}"


async def test_samples_of_the_documentation(
    client: httpx.AsyncClient, run_node: RunHelpers, service: Service
) -> None:
    key = await service.make_key()
    outcome = await run_node(
        "samples.mjs", ADDRESS=service.address, HELICONE_API_KEY=key, OPENAI_API_KEY=PROVIDER_KEY
    )
    used = json.loads(outcome.output)
    rows = await read_rows(client)
    scores = {name: rows[used[name]]["scores"] for name in ("judged", "person", "checks", "rag", "framework")}
    assert scores == {
        "judged": SCORES,
        "person": {
            "accuracy": 1,
            "relevance": 2,
            "helpfulness": 3,
            "tone": 4,
            "followed_instructions": 1,
            "contained_errors": 0,
        },
        "checks": {
            "word_count": 5,
            "has_citations": 1,
            "has_code_examples": 0,
            "starts_with_greeting": 0,
            "exceeds_min_length": 0,
            "contains_markdown": 0,
        },
        "rag": {
            "answer_relevance": 91,
            "answer_completeness": 92,
            "context_relevance": 93,
            "context_precision": 94,
            "faithfulness": 95,
            "has_hallucinations": 0,
            "uses_all_context": 1,
            "citations_provided": 1,
        },
        "framework": {"accuracy": 0, "clarity": 0, "completeness": 0, "tone": 0},
    }
    assert used["found"] == [used["judged"]]
    assert len(rows) == 8  # the judge's call too
    variants = [row for row in rows.values() if "variant" in row["properties"]]
    assert sorted((*row["properties"].values(), row["scores"]["comparable"]) for row in variants) == [
        ("A", "0.7", 50),
        ("B", "0.3", 50),
    ]
    assert content_of(rows[used["judged"]]) == ANSWER
