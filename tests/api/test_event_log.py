"""Every way to write publishes what it changed, once, where somebody is interested, and nothing elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec
import pytest
from heliscore.domain.event import EVENT_TYPES, Event
from heliscore.store import events
from heliscore.store.connections.pool import Connection

from tests.api import promptlayer
from tests.api.calls import MAKE_DEFINITION
from tests.api.envelope import post
from tests.conftest import Service

HUMAN, JUDGE = "human:ada", "judge:relevance-judge@2026-11"


class Reader:
    """Reads an organization's events, each call those since the one before."""

    def __init__(self, connection: Connection, organization_id: int, snapshot: str) -> None:
        self._connection = connection
        self._organization_id = organization_id
        self._snapshot = snapshot

    async def read(self) -> list[Event]:
        until = await events.take_snapshot(self._connection)
        seen, self._snapshot = self._snapshot, until
        return await events.read_between(
            self._connection, seen, until, organization_ids=[self._organization_id], limit=1000
        )

    async def scores(self) -> list[tuple[str, str, Any]]:
        """Request, name and value of the scores that were recorded."""
        found = await self.read()
        assert {event.type for event in found} <= {"score.recorded"}
        return [(event.data["requestId"], event.data["name"], event.data["value"]) for event in found]


@pytest.fixture
async def reader(connection: Connection, organization_id: int) -> Reader:
    """A reader of an organization in whose events somebody is interested."""
    await events.set_interest(connection, organization_id, EVENT_TYPES, "destination", None)
    return Reader(connection, organization_id, await events.take_snapshot(connection))


async def give(client: httpx.AsyncClient, scores: object, author: str = JUDGE) -> None:
    body = {"requestId": "r", "scores": scores, "author": author}
    response = await client.post("/v1/scores", json=body)
    assert response.status_code == 200, response.text


async def test_post_publishes_what_it_changed(client: httpx.AsyncClient, reader: Reader) -> None:
    await post(client, "r", {"a": 1, "b": True})
    assert sorted(await reader.scores()) == [("r", "a", 1), ("r", "b", True)]
    await post(client, "r", {"a": 1, "b": False})
    assert await reader.scores() == [("r", "b", False)]
    await post(client, "r", {"a": 1, "b": False})
    assert await reader.scores() == []


async def test_event_says_who_and_why(client: httpx.AsyncClient, reader: Reader) -> None:
    await give(client, {"a": {"value": 2, "comment": "curt"}})
    [event] = await reader.read()
    assert event.id == f"evt_{event.number}"
    at = event.data.pop("scoredAt")
    assert at.endswith("Z")
    assert event.data == {
        "requestId": "r",
        "name": "a",
        "value": 2,
        "author": {"kind": "judge", "name": "relevance-judge", "version": "2026-11"},
        "comment": "curt",
    }
    await give(client, {"a": {"value": 2, "comment": "very curt"}})
    assert [event.data["comment"] for event in await reader.read()] == ["very curt"]


@pytest.mark.parametrize("mode", ["atomic", "partial"])
async def test_upload_publishes_the_last_value_of_each_score(
    client: httpx.AsyncClient, reader: Reader, mode: str
) -> None:
    items = [{"requestId": f"r{n % 2}", "scores": {"a": n, "b": 7}} for n in range(6)]
    response = await client.post("/v1/scores/batch", json={"items": items, "mode": mode})
    assert response.status_code == 200, response.text
    found = await reader.scores()
    last = {(request_id, name): value for request_id, name, value in found}
    assert last == {("r0", "a"): 4, ("r0", "b"): 7, ("r1", "a"): 5, ("r1", "b"): 7}
    # What is written by one statement is one change, whatever came before it in the upload.
    assert set(found) <= {(f"r{n % 2}", "a", n) for n in range(6)} | {("r0", "b", 7), ("r1", "b", 7)}
    assert len(set(found)) == len(found)


async def test_promptlayer_s_calls_publish(
    shared: Service, client: httpx.AsyncClient, organization: str, reader: Reader
) -> None:
    layer = await promptlayer.make_client(shared, organization)
    request_id = await promptlayer.log(layer)
    assert (await promptlayer.track(layer, "score", request_id=request_id, name="a", score=11)).is_success
    found = [(event.type, event.data["requestId"]) for event in await reader.read()]
    assert found == [("request.logged", str(request_id)), ("score.recorded", str(request_id))]
    await client.post(f"/v1/request/{request_id}/feedback", json={"rating": False})
    assert await reader.scores() == [(str(request_id), "helicone-score-feedback", False)]


async def test_removing_restoring_and_reverting(client: httpx.AsyncClient, reader: Reader) -> None:
    await give(client, {"a": 1}, HUMAN)
    await give(client, {"a": 2, "b": 3})
    assert len(await reader.scores()) == 3
    await client.delete("/v1/request/r/score/b")
    assert await reader.scores() == []
    changes = (await client.get("/v1/request/r/scores")).json()["data"]["scores"]["b"]["history"]
    response = await client.post("/v1/request/r/score/b/restore", json={"change": changes[-1]["change"]})
    assert response.status_code == 200, response.text
    assert await reader.scores() == [("r", "b", 3)]
    response = await client.post("/v1/scores/revert", json={"author": JUDGE, "names": ["a"]})
    assert response.status_code == 200, response.text
    assert await reader.scores() == [("r", "a", 1)]


async def test_value_that_a_human_s_keeps_out_is_not_published(
    client: httpx.AsyncClient, reader: Reader
) -> None:
    body = {"type": "integer", "precedence": "human", "enforce": "off"}
    assert (await client.put("/v1/score-definitions/a", json=body)).is_success
    await give(client, {"a": 80}, HUMAN)
    assert await reader.scores() == [("r", "a", 80)]
    await give(client, {"a": 20, "b": 20}, JUDGE)
    assert await reader.scores() == [("r", "b", 20)]


async def test_value_that_a_definition_refuses_is_not_published(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, reader: Reader
) -> None:
    await connection.execute(MAKE_DEFINITION, organization_id, "a", "on")
    bound = "UPDATE score_definition SET max_value = 9 WHERE organization_id = $1"
    await connection.execute(bound, organization_id)
    answer = await client.post("/v1/request/r/score", json={"scores": {"a": 10, "b": 1}})
    assert answer.status_code in (200, 400)
    assert ("r", "a", 10) not in await reader.scores()


LOG = {
    "providerRequest": {
        "url": "https://example.com/v1/chat",
        "json": {"model": "gpt-4o"},
        "meta": {
            "Helicone-Request-Id": "r",
            "Helicone-User-Id": "u",
            "Helicone-Property-Env": "prod",
            "Helicone-Prompt-Id": "support",
        },
    },
    "providerResponse": {"json": {"usage": {"prompt_tokens": 3}}, "status": 200, "headers": {}},
    "timing": {
        "startTime": {"seconds": 1767225600, "milliseconds": 0},
        "endTime": {"seconds": 1767225601, "milliseconds": 250},
    },
}


async def test_log_call_publishes_the_request_and_no_score(client: httpx.AsyncClient, reader: Reader) -> None:
    await post(client, "r", {"a": 1})
    assert len(await reader.scores()) == 1
    for _ in range(2):
        response = await client.post("/custom/v1/log", json=LOG)
        assert response.status_code == 200, response.text
        [event] = await reader.read()
        assert event.type == "request.logged"
        cost = event.data.pop("costUsd")
        assert cost is None or isinstance(cost, float)
        assert event.data == {
            "requestId": "r",
            "createdAt": "2026-01-01T00:00:00.000Z",
            "model": "gpt-4o",
            "provider": event.data["provider"],
            "userId": "u",
            "promptId": "support",
            "promptVersion": None,
            "status": 200,
            "latencyMs": 1250,
            "properties": {"Env": "prod", "Helicone-Prompt-Id": "support"},
        }


async def test_log_of_bodies_that_cannot_be_stored_as_json_publishes_once(
    client: httpx.AsyncClient, reader: Reader
) -> None:
    body = msgspec.json.encode(LOG).replace(b'"model":"gpt-4o"', b'"model":"gpt-4o","n":1' + b"0" * 140_000)
    headers = {"Content-Type": "application/json"}
    response = await client.post("/custom/v1/log", content=body, headers=headers)
    assert response.status_code in (200, 400)
    assert len(await reader.read()) == (1 if response.status_code == 200 else 0)


async def test_removed_request_takes_its_events_with_it(client: httpx.AsyncClient, reader: Reader) -> None:
    await post(client, "r", {"a": 1})
    assert (await client.delete("/v1/request/r")).is_success
    assert await reader.read() == []


Write = Callable[[httpx.AsyncClient], Awaitable[object]]


@pytest.mark.parametrize(
    "write",
    [
        lambda client: post(client, "r", {"a": 1}),
        lambda client: client.post("/custom/v1/log", json=LOG),
    ],
    ids=["score", "log"],
)
@pytest.mark.parametrize("until", ["now()", "'-infinity'", None])
async def test_nothing_is_published_without_interest(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, write: Write, until: str | None
) -> None:
    """Neither for an organization that has none, nor for one whose interest has ended."""
    await events.set_interest(connection, organization_id + 1_000_000, EVENT_TYPES, "live", None)
    if until is not None:
        await connection.execute(
            "INSERT INTO event_interest (organization_id, type, source, until)"
            f" SELECT $1, unnest($2::text[]), 'live', {until}",
            organization_id,
            list(EVENT_TYPES),
        )
    await write(client)
    count = "SELECT count(*) FROM event WHERE organization_id = $1"
    assert await connection.fetchval(count, organization_id) == 0
