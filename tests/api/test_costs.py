"""Costs of logged requests: the logger's or the provider's, else computed from token counts and prices."""

from __future__ import annotations

import json
from typing import Any, Final

import httpx
import pytest

from tests.api.promptlayer import log as log_to_promptlayer
from tests.api.promptlayer import make_client
from tests.conftest import Service, StartService
from tests.unit.providers.cases import CASES

BY_NAME: Final = {case["name"]: case for case in CASES}

COSTS: Final = {
    "litellm-callback": (9 * 2.5 + 4 * 10) / 1e6,
    "openai-stream-lines": (12 * 0.15 + 5 * 0.6) / 1e6,
    "openai-cached-tokens-are-not-added": (48 * 2.5 + 1152 * 1.25 + 2 * 10) / 1e6,
    "anthropic-cache-in-total": (7 * 3 + 4096 * 0.3 + 211 * 3.75 + 31 * 15) / 1e6,
    "bedrock-nova-invoke": (4 * 0.035 + 2 * 0.14) / 1e6,
    "gemini-thoughts-count-as-completion": (13 * 0.3 + 137 * 2.5) / 1e6,
    "promptlayer-anthropic-system-in-kwargs": (11 * 3 + 5 * 15) / 1e6,
    "openrouter-cost": 0.000375,  # its provider said it
    "cost-given-by-the-logger": 0.0025,
    "ollama-chat": None,  # on a machine nearby
    "helicone-alternative-counts": None,  # of an unknown model
    "model-in-body-before-url": None,  # without counts
}


async def log_case(client: httpx.AsyncClient, name: str, key: str, **response: object) -> dict[str, Any]:
    """Make the call of a case, with other values in `providerResponse`; return the request's row."""
    case = BY_NAME[name]
    body = json.loads(json.dumps(case["body"]))
    if response:
        body["providerResponse"] |= response
    headers = {header: value.replace("{key}", key) for header, value in case.get("headers", {}).items()}
    answer = await client.post(case["path"], json=body, headers=headers)
    assert answer.status_code == case["expect"]["status"], answer.text
    request_id = answer.headers.get("helicone-id") or answer.json()["request_id"]
    row: dict[str, Any] = (await client.get(f"/v1/request/{request_id}")).json()["data"]
    return row


@pytest.fixture
async def key(shared: Service, organization: str) -> str:
    return await shared.make_key(organization)


@pytest.fixture
async def client(shared: Service, key: str) -> httpx.AsyncClient:
    return await shared.client(key=key)


@pytest.mark.parametrize(("name", "cost"), COSTS.items(), ids=list(COSTS))
async def test_a_case_has_its_cost(
    client: httpx.AsyncClient, key: str, name: str, cost: float | None
) -> None:
    row = await log_case(client, name, key)
    assert [row["cost"], row["costUSD"]] == [None if cost is None else pytest.approx(cost)] * 2


async def test_a_cost_of_zero_from_a_logger_says_nothing(client: httpx.AsyncClient, key: str) -> None:
    assert (await log_case(client, "litellm-callback", key, cost=0))["cost"] == 6.25e-05
    assert (await log_case(client, "openrouter-cost", key, cost=0))["cost"] == 0.000375
    assert (await log_case(client, "ollama-chat", key, cost=0))["cost"] == 0


async def test_the_model_that_a_header_names_has_the_price(client: httpx.AsyncClient, key: str) -> None:
    client.headers["Helicone-Model-Override"] = "gpt-4o"
    assert (await log_case(client, "helicone-alternative-counts", key))["cost"] == 9.75e-05


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"input_tokens": 1000, "output_tokens": 100}, (0.0035, 1000, 100)),
        ({"input_tokens": 1000, "output_tokens": 100, "price": 0}, (0.0035, 1000, 100)),
        ({"input_tokens": 1000, "output_tokens": 100, "price": 0.5}, (0.5, 1000, 100)),
        ({"input_tokens": 0, "output_tokens": 0, "price": 0.0}, (None, None, None)),
    ],
    ids=["no-price", "price-of-zero", "price", "only-the-defaults"],
)
async def test_promptlayers_zeros_say_nothing(
    shared: Service, key: str, sent: dict[str, float], expected: tuple[float | None, ...]
) -> None:
    client = await make_client(shared, key=key)
    request_id = await log_to_promptlayer(client, **sent)
    row = (await client.get(f"/v1/request/{request_id}")).json()["data"]
    assert (row["cost"], row["prompt_tokens"], row["completion_tokens"]) == expected
    answer = await client.post("/api/public/v2/requests/search", json={})
    [item] = answer.json()["items"]
    assert (item["price"], item["input_tokens"], item["output_tokens"]) == expected


async def test_costs_are_not_computed_where_the_setting_says_so(start_service: StartService) -> None:
    service = await start_service(computed_costs=False)
    key = await service.make_key()
    client = await service.client(key=key)
    assert (await log_case(client, "litellm-callback", key))["cost"] is None
    assert (await log_case(client, "openrouter-cost", key))["cost"] == 0.000375
