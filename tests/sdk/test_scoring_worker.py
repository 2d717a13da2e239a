"""The scoring worker of npm @helicone/helicone, unmodified: it reads bodies at `signed_body_url`."""

from __future__ import annotations

import httpx
import msgspec

from tests.sdk.conftest import RunHelpers
from tests.sdk.reading import ANSWER, QUESTION, find_rows

REQUEST = {"model": "gpt-4o", "messages": [{"role": "user", "content": QUESTION}]}
RESPONSE = {"model": "gpt-4o", "choices": [{"message": {"role": "assistant", "content": ANSWER}}]}


async def log(client: httpx.AsyncClient, request_id: str) -> None:
    body = {
        "providerRequest": {"url": "", "json": REQUEST, "meta": {"Helicone-Request-Id": request_id}},
        "providerResponse": {"json": RESPONSE, "status": 200, "headers": {}},
    }
    assert (await client.post("/oai/v1/log", json=body)).status_code == 200


async def test_worker_reads_and_scores_what_has_no_score(
    client: httpx.AsyncClient, run_helicone: RunHelpers
) -> None:
    for request_id in ("scored", "first", "second"):
        await log(client, request_id)
    await client.post("/v1/request/scored/score", json={"scores": {"length": 1}})
    outcome = await run_helicone("work")
    assert outcome.errors == ""
    assert "Failed" not in outcome.output
    seen = msgspec.json.decode(outcome.output.splitlines()[-1])
    assert seen == [
        {"id": request_id, "request": REQUEST, "response": RESPONSE} for request_id in ("second", "first")
    ]
    assert {row["request_id"]: row["scores"] for row in await find_rows(client)} == {
        "first": {"length": 5, "polite": 1},
        "second": {"length": 5, "polite": 1},
        "scored": {"length": 1},
    }
