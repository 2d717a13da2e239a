"""Errors name the way out, and never repeat a key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.api import raw
from tests.conftest import Service

_FILE: Final = Path(__file__).parents[1] / "cases" / "scores.json"
_NAMES: Final = (
    "nan",
    "infinity",
    "nan-among-others",
    "fraction",
    "negative-fraction",
    "whole-number-with-point",
    "one-point-zero",
    "one-and-a-fraction",
    "nan-in-one-line",
    "key-in-an-unknown-path",
    "key-deep-in-an-unknown-path",
)
CASES: Final = {case["name"]: case for case in json.loads(_FILE.read_text()) if case["name"] in _NAMES}


@pytest.mark.parametrize("name", _NAMES)
async def test_case(client: httpx.AsyncClient, name: str) -> None:
    case = CASES[name]
    key = client.headers["Authorization"].removeprefix("Bearer ")
    path = case["path"].replace("{key}", key)
    sent = case["body_text"].encode() if "body_text" in case else json.dumps(case.get("body")).encode()
    headers = {"Content-Type": "application/json", **case.get("headers", {})}
    check(await client.request(case["method"], path, content=sent, headers=headers), case["expect"], key)
    for later in case.get("then", ()):
        check(await client.request(later["method"], later["path"]), later["expect"], key)


def check(response: httpx.Response, expected: dict[str, Any], key: str) -> None:
    assert response.status_code == expected["status"]
    contained = expected.get("error_contains", [])
    for text in [contained] if isinstance(contained, str) else contained:
        assert text.lower() in response.json()["error"].lower()
    for text in expected.get("answer_contains", ()):
        assert text in response.text
    for text in expected.get("answer_lacks", ()):
        assert text.replace("{key}", key) not in response.text
    if "body" in expected:
        check_part(response.json(), expected["body"])


def check_part(found: Any, expected: Any) -> None:
    """Of objects only the keys that are named count, lists have the same length."""
    if isinstance(expected, dict):
        for name, value in expected.items():
            check_part(found[name], value)
    elif isinstance(expected, list):
        for one, value in zip(found, expected, strict=True):
            check_part(one, value)
    else:
        assert found == expected


async def test_byte_order_mark_is_named(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/request/r/score", content='\ufeff{"scores": {"depth": 5}}'.encode())
    reason = "it begins with a byte order mark of UTF-8, send UTF-8 without one"
    assert response.json()["error"] == f"the body is not valid JSON: {reason}"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("/sk-abc/v1/chat", "/…/v1/chat"),
        ("/v1/gateway/sk-helicone-abcdefg-1234567", "/v1/gateway/…"),
        ("/v1/x/SK-Proj-1/y", "/v1/x/…/y"),
        ("/v1/x/s%6B-abc/y", "/v1/x/…/y"),
        ("/v1/x/%73%6b%2dabc/y", "/v1/x/…/y"),
        ("/v1/x/%2573k-abc/y", "/v1/x/…/y"),
        ("/v1/x/Bearer%20sk-abc/y", "/v1/x/…/y"),
        ("/v1/x/a%2Fsk-abc/y", "/v1/x/…/y"),
        ("/v1/x/key=sk_live_abc/y", "/v1/x/…/y"),
        ("/v1/x/pl_0123456789abcdef0123456789abcdef", "/v1/x/…"),
        ("/v1/x/AIzaSyA0000000000000000000000000000", "/v1/x/…"),
        ("/v1/task-list/desk-2/chat-completions", "/v1/task-list/desk-2/chat-completions"),
    ],
)
async def test_unknown_path_is_shown_without_keys(shared: Service, sent: str, shown: str) -> None:
    answer = await raw.send(shared.address, raw.request("GET", sent, "none"))
    error = answer.json()["error"]
    message = error["message"] if sent.startswith("/v1/gateway/") else error
    assert (answer.status, message) == (404, f"no such endpoint: {shown}")


@pytest.mark.parametrize("sent", ["sk-helicone-abcdefg-1234567", "s%6b-abc", "of:sk-abc"])
async def test_request_that_is_not_there_is_named_without_keys(client: httpx.AsyncClient, sent: str) -> None:
    answer = await client.get(f"/v1/request/{sent}")
    before = sent.partition("sk-")[0] if "sk-" in sent else ""
    assert (answer.status_code, answer.json()["error"]) == (404, f"there is no request {before}sk-…")
