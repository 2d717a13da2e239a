"""The API reference: samples that run, and reads that a session may try."""

from __future__ import annotations

import html
import json
import re
import shlex
from contextlib import redirect_stdout
from io import StringIO

import anyio.to_thread
import httpx
import pytest
from heliscore.dashboard.pages import api_reference
from heliscore.dashboard.parts.code_samples import example_body, make_samples
from heliscore.endpoint_table import DOCUMENT, ENDPOINTS

from tests.conftest import Service
from tests.dashboard.conftest import SignIn, csrf_token

OPERATIONS = [
    (method, path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


def sample(operation_id: str, language: str) -> str:
    [(method, path, operation)] = [one for one in OPERATIONS if one[2]["operationId"] == operation_id]
    [code] = [one.code for one in make_samples(method, path, operation) if one.language == language]
    return code


def test_every_sample_has_the_body_of_the_documents_example() -> None:
    for method, path, operation in OPERATIONS:
        shell, python, javascript = (one.code for one in make_samples(method, path, operation))
        compile(python, "sample", "exec")
        words = shlex.split(shell.replace("\\\n", " "))
        body = example_body(operation)
        assert words[0] == "curl"
        assert ("-d" in words) == (body is not None)
        if body is not None:
            assert json.loads(words[words.index("-d") + 1]) == body
            stringified = re.findall(r"JSON\.stringify\((.*)\),\n\}\);", javascript, re.DOTALL)
            assert json.loads(stringified[0]) == body
        assert ("Bearer $KEY" in shell) == ("security" in operation)
        explicit = words[words.index("-X") + 1] if "-X" in words else "GET" if body is None else "POST"
        assert explicit == method.upper()
        assert f"httpx.{'stream' if 'stream(' in python else method}(" in python


async def test_python_samples_run_as_they_are_copied(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELISCORE_URL", service.address)
    monkeypatch.setenv("KEY", await service.make_key())

    def run(code: str) -> str:
        with redirect_stdout(StringIO()) as printed:
            exec(code, {})  # noqa: S102 -- ours
        return printed.getvalue()

    assert (
        await anyio.to_thread.run_sync(run, sample("post_scores", "python"))
        == "{'data': None, 'error': None}\n"
    )
    assert "'accuracy': 95" in await anyio.to_thread.run_sync(run, sample("get_request", "python"))
    assert "req_abc123def456" in await anyio.to_thread.run_sync(run, sample("download_export", "python"))


async def test_reference_is_in_the_frame_of_the_pages(sign_in: SignIn, visitor: httpx.AsyncClient) -> None:
    page = (await (await sign_in()).get("/docs")).text
    assert '<nav class="menu" aria-label="Pages">' in page
    assert 'href="/settings/keys">API keys</a>' in page
    alone = (await visitor.get("/docs")).text
    assert 'href="/sign-in">Sign in</a>' in alone
    assert "csrf-token" not in alone
    for text in (page, alone):
        assert "answers <code>ok</code>" in text or "returns <code>ok</code>" in text
        targets = set(re.findall(r'href="#([^"]+)"', text))
        assert targets <= set(re.findall(r'\bid="([^"]+)"', text))
        prose = re.sub(r"<(pre|code)[ >].*?</\1>|data-try=\"[^\"]*\"", "", text, flags=re.DOTALL)
        assert "`" not in prose
    plain = await visitor.get("/docs", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == alone


async def attempt(client: httpx.AsyncClient, **body: object) -> httpx.Response:
    headers = {"X-CSRF-Token": await csrf_token(client)}
    return await client.post("/docs/try", json=body, headers=headers)


async def test_session_tries_a_read(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in(permissions="r")
    await client.post("/v1/request/a%2Fb/score", json={"scores": {"accuracy": 7}})
    other = await service.client("other")
    await other.post("/v1/request/theirs/score", json={"scores": {"accuracy": 7}})
    tried = (await attempt(visitor, operation="get_request", path={"requestId": "a/b"})).json()
    assert tried["status"] == 200
    assert tried["latency_ms"] > 0
    assert json.loads(tried["text"])["data"]["scores"] == {"accuracy": 7}
    tried = (await attempt(visitor, operation="count_requests", body='{"filter": "all"}')).json()
    assert json.loads(tried["text"]) == {"data": 1, "error": None}
    tried = (await attempt(visitor, operation="count_requests", body="{")).json()
    assert (tried["status"], "filter" in tried["text"] or "JSON" in tried["text"]) == (400, True)
    tried = (await attempt(visitor, operation="get_request", path={"requestId": "theirs"})).json()
    assert tried["status"] == 404
    query = {"limit": "1", "state": ""}
    tried = (await attempt(visitor, operation="list_audit", query=query)).json()
    assert tried["status"] == 200
    tried = (await attempt(visitor, operation="promptlayer_get_request", path={"request_id": "x"})).json()
    assert json.loads(tried["text"])["success"] is False


async def test_session_tries_nothing_that_changes_or_does_not_end(sign_in: SignIn) -> None:
    visitor = await sign_in()
    changing = {
        endpoint.operation or endpoint.handler.__name__
        for endpoint in ENDPOINTS
        if endpoint.permission != "r"
    }
    assert not changing & set(api_reference._TRIED)
    for operation in (
        "post_scores",
        "delete_request",
        "create_api_key",
        "get_events",
        "export_requests",
        "nope",
    ):
        response = await attempt(visitor, operation=operation)
        assert response.status_code == 400, operation
        assert "a call that only reads" in html.unescape(response.json()["error"])
