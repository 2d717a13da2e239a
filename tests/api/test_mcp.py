"""The tools for language models, by the official SDK's client: over HTTP, and over stdio."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import httpx2
import pytest
from heliscore.cli.mcp_command import find_permissions_of_key
from heliscore.domain.api_key import Permissions
from heliscore.endpoint_table import ENDPOINTS
from heliscore.mcp.tool_calls import MAX_ANSWER, shorten
from heliscore.mcp.tools import bind_tools
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from tests.api.envelope import post, scores_of
from tests.conftest import Service
from tests.test_cli import HELISCORE, environment

READING = [
    *("search_requests", "read_request", "read_scores", "list_scores", "list_definitions"),
    *("compare_scores", "measure_agreement", "what_changed"),
]
ALL = [*READING[:5], "score_request", *READING[5:]]
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@asynccontextmanager
async def over_http(service: Service, key: str, mode: str = "auto") -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {key}"}
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=30))
        transport = streamable_http_client(f"{service.address}/mcp", http_client=http)
        yield await stack.enter_async_context(Client(transport, mode=mode))


def text_of(result: Any) -> str:
    assert isinstance(result, CallToolResult)
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text


async def ask(client: Client, name: str, **arguments: object) -> Any:
    result = await client.call_tool(name, arguments)
    text = text_of(result)
    assert not result.is_error, text
    return json.loads(text)


async def use(tools: Client, client: httpx.AsyncClient) -> None:
    """Use the tools for what they are made for."""
    assert [tool.name for tool in (await tools.list_tools()).tools] == ALL
    given = {"accuracy": {"value": 95, "comment": "all sources are named"}, "cited": True}
    scored = await ask(tools, "score_request", requestId="r/1", scores=given, author="judge:j@1")
    assert scored == {"data": None}
    assert await scores_of(client, "r/1") == {"accuracy": 95, "cited": 1}
    assert (await ask(tools, "list_scores"))["data"] == ["accuracy", "cited"]
    filter_ = {"request_response_rmt": {"scores": {"accuracy": {"gte": 90}}}}
    found = await ask(tools, "search_requests", filter=filter_)
    assert [row["request_id"] for row in found["data"]] == ["r/1"]
    assert (await ask(tools, "read_request", requestId="r/1"))["data"] == found["data"][0]
    shown = (await ask(tools, "read_scores", requestId="r/1"))["data"]["scores"]["accuracy"]
    assert (shown["author"], shown["comment"]) == ("judge:j@1", "all sources are named")
    assert (await ask(tools, "list_definitions"))["data"] == []
    compared = await ask(tools, "compare_scores", filter="all", scores=["accuracy"], groupBy="model")
    assert [group["scores"]["accuracy"]["count"] for group in compared["data"]] == [1]
    agreed = await ask(tools, "measure_agreement", filter="all", raters=["accuracy", "cited"])
    assert agreed["data"]
    times = {"start": "2026-01-01", "end": "2026-01-02"}
    assert (await ask(tools, "what_changed", timeFilter=times))["data"]["changes"] == []


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_tools_work_over_http(
    shared: Service, client: httpx.AsyncClient, organization: str, mode: str
) -> None:
    async with over_http(shared, await shared.make_key(organization), mode) as tools:
        await use(tools, client)


async def test_tools_work_over_stdio(shared: Service, client: httpx.AsyncClient, organization: str) -> None:
    key = await shared.make_key(organization)
    settings = environment(URL=shared.address, API_KEY=key)
    server = StdioServerParameters(command=str(HELISCORE), args=["mcp"], env=settings)
    async with Client(server) as tools:
        await use(tools, client)


@pytest.mark.parametrize(("permissions", "names"), [("r", READING), ("w", ["score_request"])])
async def test_key_gets_the_tools_that_it_may_use(
    shared: Service, organization: str, permissions: Permissions, names: list[str]
) -> None:
    async with over_http(shared, await shared.make_key(organization, permissions)) as tools:
        assert [tool.name for tool in (await tools.list_tools()).tools] == names
        other, arguments = "list_scores", dict[str, Any]()
        if permissions == "r":
            other, arguments = "score_request", {"requestId": "r", "scores": {"a": 1}}
        result = await tools.call_tool(other, arguments)
        assert (result.is_error, text_of(result)[:4]) == (True, "403:")


@pytest.mark.parametrize("permissions", ["r", "w", "rw"])
async def test_command_finds_out_what_its_key_may(
    shared: Service, organization: str, permissions: Permissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shared.make_key(organization, "r")
    key = await shared.make_key(organization, permissions)
    monkeypatch.setenv("HELISCORE_API_KEY", key)
    assert await find_permissions_of_key(await shared.client(key=key)) == permissions


async def test_page_is_short_and_says_where_it_goes_on(
    shared: Service, client: httpx.AsyncClient, organization: str
) -> None:
    for number in range(23):
        await post(client, f"r{number:02}", {"a": number})
    meta = {"Helicone-Request-Id": "r22"}
    body = {
        "providerRequest": {"url": "https://example.com", "json": {"text": "x" * 100_000}, "meta": meta},
        "providerResponse": {"json": {}, "status": 200, "headers": {}},
    }
    assert (await client.post("/custom/v1/log", json=body)).status_code == 200
    async with over_http(shared, await shared.make_key(organization)) as tools:
        text = text_of(await tools.call_tool("search_requests", {"filter": "all", "limit": 1000}))
        found = json.loads(text)
        assert (len(found["data"]), len(text) < MAX_ANSWER) == (20, True)
        rest = await ask(tools, "search_requests", filter="all", cursor=found["nextCursor"])
        assert len(rest["data"]) == 3
        whole = await ask(tools, "read_request", requestId="r22")
        assert whole["data"]["request_body"]["text"] == "x" * 20_000 + "… (80000 more characters)"


async def test_error_says_what_to_change(shared: Service, organization: str) -> None:
    async with over_http(shared, await shared.make_key(organization)) as tools:
        said = {}
        for name, arguments in (
            ("search_requests", {"filter": {"no": 1}}),
            ("read_request", {}),
            ("read_request", {"requestId": "r", "more": 1}),
            ("none", {}),
        ):
            result = await tools.call_tool(name, arguments)
            assert result.is_error
            said[name, *arguments] = text_of(result)
    assert said.pop(("search_requests", "filter")).startswith("400: filter.no: unknown table; ")
    assert said == {
        ("read_request",): "expected a string: requestId",
        ("read_request", "requestId", "more"): "unknown arguments: more",
        ("none",): "there is no tool none",
    }


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Authorization": "Bearer sk-helicone-wrong"}, 401),
        ({"Authorization": ""}, 401),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://evil.example:80", "Host": "evil.example:80"}, 403),
    ],
)
async def test_key_and_origin_are_checked_first(
    client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    response = await client.post("/mcp", json=INITIALIZE, headers={**ACCEPT, **headers})
    assert response.status_code == status
    if status != 200:
        assert response.json().keys() == {"data", "error"}


async def test_body_and_method_are_limited(client: httpx.AsyncClient) -> None:
    large = {**INITIALIZE, "params": {"x": "x" * (1 << 20)}}
    assert (await client.post("/mcp", json=large, headers=ACCEPT)).status_code == 413
    response = await client.get("/mcp", headers=ACCEPT)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


def test_schemas_are_small_and_refer_to_nothing() -> None:
    tools = bind_tools(ENDPOINTS)
    assert list(tools) == ALL
    for name, bound in tools.items():
        text = json.dumps(bound.schema)
        assert "$ref" not in text, name
        assert len(text) < 6000, name


def test_answers_are_bounded() -> None:
    assert json.loads(shorten(["x" * 600] * 200, 500))[:2] == ["x" * 500 + "… (100 more characters)"] * 2
    assert json.loads(shorten([1] * 200, 500)) == [*[1] * 100, "… (100 more)"]
    for large in (["x" * 5000] * 100, {str(number): list(range(100)) for number in range(1000)}):
        assert len(shorten(large, 500)) < MAX_ANSWER + 100


def test_sdk_is_imported_where_it_is_used() -> None:
    code = "import sys, heliscore.main; sys.exit('mcp' in sys.modules or 'pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=dict(os.environ), check=False).returncode == 0
