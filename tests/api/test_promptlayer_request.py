"""`GET /api/public/v2/requests/{request_id}`: one request with its input as a blueprint."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.envelope import post
from tests.api.promptlayer import LOG, MESSAGE, error_response, log, make_client
from tests.conftest import Service

SEARCH = "/api/public/v2/requests/search"
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {}}],
}


@pytest.fixture
async def sdk(shared: Service, organization: str) -> httpx.AsyncClient:
    return await make_client(shared, organization)


async def detail(client: httpx.AsyncClient, request_id: object) -> dict[str, Any]:
    response = await client.get(f"/api/public/v2/requests/{request_id}")
    assert response.status_code == 200
    answer: dict[str, Any] = response.json()
    return answer


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


async def test_logged_request_is_shown_whole_and_as_the_search_shows_it(sdk: httpx.AsyncClient) -> None:
    request_id = await log(sdk, price=0.01, input_tokens=10, output_tokens=2, parameters={"temperature": 0.5})
    shown = await detail(sdk, request_id)
    assert shown == {
        "success": True,
        "request_id": request_id,
        "provider": "openai",
        "model": "gpt-4o",
        "prompt_blueprint": {
            "prompt_template": MESSAGE,
            "metadata": {
                "model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0.5}}
            },
            "inference_client_name": None,
        },
        "input_tokens": 10,
        "output_tokens": 2,
        "tokens": 12,
        "price": 0.01,
        "request_start_time": "2026-01-01T00:00:00.000Z",
        "request_end_time": "2026-01-01T00:00:01.250Z",
        "latency_ms": 1250,
        "trace_id": None,
    }
    [item] = (await sdk.post(SEARCH, json={})).json()["items"]
    same = ("price", "input_tokens", "output_tokens", "request_start_time", "request_end_time")
    assert {key: item[key] for key in same} == {key: shown[key] for key in same}
    assert (item["id"], item["engine"], item["provider_type"], item["latency"]) == (
        request_id,
        shown["model"],
        shown["provider"],
        shown["latency_ms"] / 1000,
    )


@pytest.mark.parametrize(
    ("body", "messages", "parameters"),
    [
        (
            {"model": "m", "n": 2, "messages": [{"role": "user", "content": "Hi"}, CALL]},
            [{"role": "user", "content": [text("Hi")]}, CALL | {"content": []}],
            {"n": 2},
        ),
        (
            {"system": "Be brief.", "max_tokens": 5, "messages": [{"role": "user", "content": [IMAGE]}]},
            [{"role": "system", "content": [text("Be brief.")]}, {"role": "user", "content": [IMAGE]}],
            {"max_tokens": 5},
        ),
        (
            {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
            [{"role": "user", "content": [text("Hi")]}],
            {},
        ),
        ("Hi", [{"role": "user", "content": [text("Hi")]}], {}),
    ],
)
async def test_input_of_other_clients_is_made_into_a_blueprint(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient, body: object, messages: object, parameters: object
) -> None:
    logged = {
        "providerRequest": {"json": body, "meta": {"Helicone-Request-Id": "a/b"}},
        "providerResponse": {"json": {}, "status": 200},
    }
    assert (await client.post("/custom/v1/log", json=logged)).status_code == 200
    shown = await detail(sdk, "a%2Fb")
    assert shown["request_id"] == "a/b"
    assert shown["prompt_blueprint"]["prompt_template"] == {"type": "chat", "messages": messages}
    assert shown["prompt_blueprint"]["metadata"]["model"]["parameters"] == parameters


async def test_tracked_arguments_are_parameters(sdk: httpx.AsyncClient) -> None:
    kwargs = {"model": "m", "temperature": 1, "messages": [{"role": "user", "content": "Hi"}]}
    tracked = await sdk.post("/track-request", json={"function_name": "f", "kwargs": kwargs})
    shown = await detail(sdk, tracked.json()["request_id"])
    assert shown["prompt_blueprint"] == {
        "prompt_template": {"type": "chat", "messages": [{"role": "user", "content": [text("Hi")]}]},
        "metadata": {"model": {"provider": None, "name": "m", "parameters": {"temperature": 1}}},
        "inference_client_name": None,
    }


async def test_request_that_was_only_scored_has_an_empty_blueprint(
    sdk: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    await post(client, "7", {"default": 1})
    shown = await detail(sdk, 7)
    assert shown.pop("request_start_time")
    blueprint = shown.pop("prompt_blueprint")
    assert blueprint["prompt_template"] == {"type": "chat", "messages": []}
    assert {key for key, value in shown.items() if value is not None} == {"success", "request_id"}


async def test_unknown_request_and_that_of_another_organization_is_404(
    shared: Service, sdk: httpx.AsyncClient, organization: str
) -> None:
    request_id = await log(await make_client(shared, f"not {organization}"), **LOG)
    for unknown in (request_id, 2**50):
        response = await sdk.get(f"/api/public/v2/requests/{unknown}")
        assert (response.status_code, response.json()) == (
            404,
            error_response(f"there is no request {unknown}"),
        )
