"""The cases of tests/cases/logs.json through the log calls: what is answered, stored and found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conftest import Service

CASES: Final[list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "cases" / "logs.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
async def test_log_is_taken_and_read(shared: Service, organization: str, case: dict[str, Any]) -> None:
    key = await shared.make_key(organization)
    client = await shared.client(key=key)
    for call in (*case.get("before", ()), case):
        answer = await client.post(call["path"], content=_body_of(call), headers=_headers_of(call, key))
    expected = case["expect"]
    assert answer.status_code == expected["status"], answer.text
    if answer.status_code >= 400:
        return
    request_id = answer.headers.get("helicone-id") or str(answer.json().get("request_id"))
    row = (await client.get(f"/v1/request/{request_id}")).json()["data"]
    assert {name: row[name] for name in expected.get("row", {})} == expected.get("row", {})
    for text in expected.get("found_by", ()):
        found = [await _find(client, body, text) for body in ("request_body", "response_body")]
        assert request_id in found[0] + found[1], text


async def _find(client: Any, body: str, text: str) -> list[str]:
    filter_ = {"request_response_rmt": {body: {"contains": text}}}
    answer = await client.post("/v1/request/query", json={"filter": filter_})
    return [row["request_id"] for row in answer.json()["data"]]


def _headers_of(call: dict[str, Any], key: str) -> dict[str, str]:
    return {name: value.replace("{key}", key) for name, value in call.get("headers", {}).items()}


def _body_of(call: dict[str, Any]) -> str:
    text: str = call["body_text"] if "body_text" in call else json.dumps(call["body"])
    return text.replace("{fill}", "x" * call.get("fill_bytes", 0))
