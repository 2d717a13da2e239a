"""The cases of tests/cases/scores.json, as README.md there reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

Json = dict[str, Any]

FILE = Path(__file__).parents[1] / "cases" / "scores.json"
CASES: list[Json] = json.loads(FILE.read_text())


async def call(client: httpx.AsyncClient, case: Json) -> httpx.Response:
    key = client.headers["Authorization"].removeprefix("Bearer ")
    headers = {name: value.replace("{key}", key) for name, value in case.get("headers", {}).items()}
    text = case.get("body_text") or (json.dumps(case["body"]) if "body" in case else "")
    path = case["path"].replace("{key}", key)
    return await client.request(case["method"], path, content=text.encode(), headers=headers)


def find_unmet(expected: Json, response: httpx.Response, key: str) -> list[str]:
    """The expectations that the answer does not meet."""
    if "any_of" in expected:
        tried = [find_unmet(one, response, key) for one in expected["any_of"]]
        return [] if [] in tried else [", or ".join(map(str, tried))]
    met: dict[str, bool] = {}
    for name, value in expected.items():
        texts = value if isinstance(value, list) else [value]
        match name:
            case "status":
                met[name] = response.status_code == value
            case "error_contains":
                met[name] = all(text.lower() in str(response.json()["error"]).lower() for text in texts)
            case "body":
                met[name] = agrees(value, response.json())
            case "answer_contains":
                met[name] = all(text.replace("{key}", key) in response.text for text in texts)
            case "answer_lacks":
                met[name] = not any(text.replace("{key}", key) in response.text for text in texts)
    assert met.keys() == expected.keys()
    return [f"{name} in {response.text}" for name, is_met in met.items() if not is_met]


def agrees(expected: object, answered: object) -> bool:
    """Whether the answer has the expected keys, and lists of the same length."""
    match expected, answered:
        case dict(), dict():
            return all(key in answered and agrees(value, answered[key]) for key, value in expected.items())
        case list(), list():
            return len(expected) == len(answered) and all(map(agrees, expected, answered))
        case _:
            return type(expected) is type(answered) and expected == answered


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
async def test_case_is_answered_as_it_says(client: httpx.AsyncClient, case: Json) -> None:
    key = client.headers["Authorization"].removeprefix("Bearer ")
    for before in case.get("before", []):
        assert (await call(client, before)).status_code == 200
    for step in (case, *case.get("then", [])):
        assert find_unmet(step["expect"], await call(client, step), key) == []
