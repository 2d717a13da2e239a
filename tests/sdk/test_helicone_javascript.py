"""npm @helicone/helicone, unmodified: its feedback."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sdk.conftest import RunHelpers
from tests.sdk.reading import ANSWER, QUESTION, read_row

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
