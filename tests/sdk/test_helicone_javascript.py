"""npm @helicone/helicone, unmodified: its scoring worker and its feedback."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from tests.sdk.conftest import RunHelpers
from tests.sdk.reading import ANSWER, QUESTION, fails_today, find_rows, read_row

Json = dict[str, Any]

REQUEST = {"model": "gpt-4o", "messages": [{"role": "user", "content": QUESTION}]}
RESPONSE = {"model": "gpt-4o", "choices": [{"message": {"role": "assistant", "content": ANSWER}}]}


async def log(client: httpx.AsyncClient, request_id: str) -> None:
    meta = {"Helicone-Request-Id": request_id}
    body = {
        "providerRequest": {"url": "", "json": REQUEST, "meta": meta},
        "providerResponse": {"json": RESPONSE, "status": 200, "headers": {}},
    }
    response = await client.post("/oai/v1/log", json=body)
    assert response.status_code == 200


@fails_today("issue 13, 6: signed_body_url is null, and the worker passes over every request")
async def test_worker_scores_what_is_not_scored_yet(
    client: httpx.AsyncClient, run_helicone: RunHelpers
) -> None:
    for request_id in ("scored", "first", "second"):
        await log(client, request_id)
    await client.post("/v1/request/scored/score", json={"scores": {"length": 1}})
    outcome = await run_helicone("work")
    assert outcome.errors == ""
    seen = msgspec.json.decode(outcome.output.splitlines()[-1])
    assert seen == [{"id": name, "request": REQUEST, "response": RESPONSE} for name in ("second", "first")]
    assert {row["request_id"]: row["scores"] for row in await find_rows(client)} == {
        "first": {"length": 5, "polite": 1},
        "second": {"length": 5, "polite": 1},
        "scored": {"length": 1},
    }


@pytest.mark.parametrize(("rating", "stored"), [("positive", 1), ("negative", 0), ("true", 1)])
async def test_feedback_is_stored(
    client: httpx.AsyncClient, run_helicone: RunHelpers, rating: str, stored: int
) -> None:
    await log(client, "r")
    outcome = await run_helicone(rating)
    assert outcome.errors == ""
    row = await read_row(client, "r")
    assert row["scores"] == {"helicone-score-feedback": stored}
    assert row["feedback_rating"] is bool(stored)
