"""The service counts the scores of hours that have ended."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest
from heliscore.jobs import counting
from heliscore.store import score_counts
from heliscore.store.connections.pool import Connection

from tests.api.envelope import post
from tests.conftest import StartService

LOG = {
    "providerRequest": {"json": {"model": "m"}, "meta": {"Helicone-Request-Id": "old"}},
    "providerResponse": {"json": {}, "status": 200, "headers": {}},
    "timing": {
        "startTime": {"seconds": 1767225600, "milliseconds": 0},
        "endTime": {"seconds": 1767225601, "milliseconds": 0},
    },
}


async def test_service_counts_an_hour_that_has_ended_and_not_the_present_one(
    start_service: StartService, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "_PAUSE_S", 0.01)
    monkeypatch.setattr(score_counts, "_SETTLING", timedelta(0))
    service = await start_service()
    client: httpx.AsyncClient = await service.client()
    await post(client, "old", {"accuracy": 95})
    await post(client, "new", {"accuracy": 5})
    logged = await client.post("/v1/trace/custom/v1/log", json=LOG)
    assert logged.status_code == 200
    async with asyncio.timeout(30):
        while not await connection.fetchval("SELECT count(*) FROM score_hour"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    found = await connection.fetch("SELECT begins_at::text, count, sum FROM score_hour")
    assert [tuple(row) for row in found] == [("2026-01-01 00:00:00+00", 1, 95)]
    assert await connection.fetchval("SELECT count(*) FROM touched_hour") == 1
