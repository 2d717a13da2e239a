"""Alerts end to end: scores turn bad and good again, and receivers and listeners hear of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
from heliscore.store.connections.pool import Connection
from standardwebhooks import Webhook

from tests.api.envelope import ids, post
from tests.api.event_reading import EventClient, listening
from tests.api.test_event_log import LOG
from tests.conftest import StartService
from tests.jobs.monitors import MINUTE
from tests.outbound.receiver import Receiver

MONITOR = {
    "name": "relevance of answers",
    "score": "relevance",
    "statistic": "average",
    "windowMinutes": 5,
    "everyMinutes": 1,
    "condition": {"below": 70},
    "recoverAt": 80,
    "atLeastScores": 3,
}

MAKE_DUE = """
UPDATE monitor SET
    evaluated_until = date_trunc('minute', now()) - interval '1 minute', next_at = now(),
    claimed_until = NULL, revision = revision + 1
"""
"""As if a minute ended now. What is being evaluated meanwhile is stored no more."""


async def make(client: httpx.AsyncClient, path: str, body: object) -> Any:
    answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def log(client: httpx.AsyncClient, request_id: str, at: datetime, relevance: int) -> None:
    """Log a request that was made then, and score it."""
    seconds = int(at.timestamp())
    body = {
        **LOG,
        "providerRequest": {"json": {"model": "gpt-4o"}, "meta": {"Helicone-Request-Id": request_id}},
        "timing": {key: {"seconds": seconds, "milliseconds": 0} for key in ("startTime", "endTime")},
    }
    assert (await client.post("/custom/v1/log", json=body)).status_code == 200
    await post(client, request_id, {"relevance": relevance})


async def next_alert(receiver: Receiver, listener: EventClient, secret: str, number: int) -> dict[str, Any]:
    """The alert that came to both, which is the same event."""
    await receiver.arrived(number)
    got = receiver.got[number - 1]
    sent = Webhook(secret).verify(got.body, got.headers)
    frame = await listener.next()
    assert frame is not None
    id_ = sent["data"].pop("id")
    assert (frame.event, frame.data) == (sent["type"], {"id": id_, **sent})
    alert: dict[str, Any] = sent["data"]
    return {"type": sent["type"], **alert}


async def test_alert_is_told_and_resolved(start_service: StartService, own: Connection) -> None:
    service = await start_service(outbound_allow="127.0.0.1")
    client = await service.client()
    at = await own.fetchval("SELECT date_trunc('minute', now())") - MINUTE
    async with (
        Receiver().listening() as receiver,
        listening(client, types="alert.firing,alert.resolved") as listener,
    ):
        destination = {
            "kind": "webhook",
            "name": "ours",
            "address": receiver.url,
            "events": ["alert.firing", "alert.resolved"],
        }
        secret = (await make(client, "/v1/destinations", destination))["secret"]
        monitor = await make(client, "/v1/monitors", MONITOR)
        for number, relevance in enumerate((40, 50, 60)):
            await log(client, f"bad {number}", at, relevance)
        await log(client, "long ago", at - 60 * MINUTE, 10)
        await own.execute(MAKE_DUE)
        alert = await next_alert(receiver, listener, secret, 1)
        assert alert["monitor"] == {"id": monitor["id"], "name": "relevance of answers"}
        assert (alert["type"], alert["state"], alert["value"], alert["count"]) == (
            "alert.firing",
            "firing",
            50,
            3,
        )
        assert alert["sentence"].startswith("relevance average 50.0 is below 70: 3 scores, ")
        assert sorted(await ids(client, alert["filter"])) == ["bad 0", "bad 1", "bad 2"]

        for number in range(6):
            await log(client, f"good {number}", at, 95)
        await own.execute(MAKE_DUE)
        alert = await next_alert(receiver, listener, secret, 2)
        assert (alert["type"], alert["previousState"], alert["state"]) == ("alert.resolved", "firing", "ok")
        shown = (await client.get(f"/v1/monitors/{monitor['id']}")).json()["data"]
        assert (shown["state"], shown["states"][0]["value"]) == ("ok", 80)
