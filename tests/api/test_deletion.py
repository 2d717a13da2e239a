"""Requests that a filter finds, and a score everywhere, are deleted, and nothing else, once confirmed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from heliscore.api.native import timed_work
from heliscore.store import events, request_deletion, request_steps, score_deletion
from heliscore.store.connections.pool import Connection

from tests.api import promptlayer
from tests.api.calls import DESTINATION, make_destination
from tests.api.envelope import RMT, encoded, faulty, ids, post, read, scores, scores_of
from tests.conftest import Service

MARK = "doomed-5f1c"
"""What nothing may hold after the deletion."""

DOOMED = {RMT: {"user_id": {"equals": MARK}}}
DELETE = "/v1/requests/delete"

TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
DELIVERIES = (
    "SELECT body::text FROM delivery WHERE organization_id = $1 AND type <> 'alert.firing' ORDER BY number"
)
LET_SCORES_WAIT = """INSERT INTO waiting_score (
    organization_id, posted_at, response_id, name_id, origin_id, value, is_boolean
)
SELECT DISTINCT ON (name_id) organization_id, scored_at, 'resp-1', name_id, origin_id, value, false
FROM score
WHERE organization_id = $1"""
WAITING_SCORES = """SELECT n.name FROM waiting_score AS w JOIN score_name AS n ON n.id = w.name_id
WHERE w.organization_id = $1 ORDER BY n.name"""
ADD_DELIVERY = "INSERT INTO delivery (organization_id, destination_id, type, body) VALUES ($1, $2, $3, $4)"
WAITING = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple'))"


async def delete(client: httpx.AsyncClient, filter_: object = DOOMED, /, **body: object) -> dict[str, Any]:
    response = await client.post(DELETE, json={"filter": filter_, **body})
    assert response.status_code == 200, response.text
    assert response.json()["error"] is None
    data: dict[str, Any] = response.json()["data"]
    return data


async def delete_score(client: httpx.AsyncClient, name: str, **query: str | int) -> dict[str, Any]:
    response = await client.delete(f"/v1/scores/{encoded(name)}", params=query)
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


def deleted(requests: int, scores: int, changes: int = 0, comments: int = 0) -> dict[str, Any]:
    return {
        "requests": requests,
        "scores": scores,
        "changes": changes,
        "comments": comments,
        "done": True,
        "next": None,
    }


async def dump(connection: Connection) -> dict[str, list[str]]:
    """Every row of every table as text."""
    return {
        table: [row for (row,) in await connection.fetch(f"SELECT t::text FROM {table} AS t ORDER BY 1")]
        for (table,) in await connection.fetch(TABLES)
    }


async def say_everything(client: httpx.AsyncClient, request_id: str, mark: str) -> None:
    """Log a request, and say of it whatever can be said."""
    exchange = {
        "providerRequest": {
            "url": f"https://example.com/{mark}",
            "json": {"model": mark, "messages": [{"role": "user", "content": mark}]},
            "meta": {
                "Helicone-Request-Id": request_id,
                "Helicone-User-Id": mark,
                "Helicone-Property-Env": mark,
                "Helicone-Prompt-Id": mark,
            },
        },
        "providerResponse": {"json": {"id": mark, "choices": []}, "status": 200, "headers": {}},
    }
    assert (await client.post("/custom/v1/log", json=exchange)).status_code == 200
    for value in (1, 2):
        commented = {"a": {"value": value, "comment": f"{mark} {value}"}, "b": True}
        body = {"requestId": request_id, "scores": commented}
        assert (await client.post("/v1/scores", json=body)).status_code == 200
    assert (await client.delete(f"/v1/request/{request_id}/score/b")).status_code == 200
    body = {"key": "set", "value": mark}
    assert (await client.put(f"/v1/request/{request_id}/property", json=body)).status_code == 200


def event_about(request_id: str, name: str = "a") -> dict[str, Any]:
    return {
        "id": "evt_1",
        "type": "score.recorded",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "data": {"requestId": request_id, "name": name, "value": 1, "comment": MARK},
    }


async def add_delivery(connection: Connection, organization_id: int, body: object) -> None:
    arguments = organization_id, DESTINATION, "score.recorded", json.dumps(body)
    await connection.execute(ADD_DELIVERY, *arguments)


def body_of(*told: dict[str, Any]) -> dict[str, Any]:
    return {"type": "score.recorded", "timestamp": "2026-01-01T00:00:00.000Z", "data": {"events": list(told)}}


async def test_nothing_is_left_of_a_deleted_request_and_everything_of_the_others(
    client: httpx.AsyncClient,
    shared: Service,
    organization: str,
    connection: Connection,
    organization_id: int,
) -> None:
    await make_destination(connection, organization_id, "ours")
    await events.set_interest(connection, organization_id, ["score.recorded"], "destination", None)
    await say_everything(client, "kept", "kept")
    await add_delivery(
        connection, organization_id, body_of(event_about("kept") | {"data": {"requestId": "kept"}})
    )
    before = await dump(connection)
    await say_everything(client, MARK, MARK)
    theirs = await promptlayer.make_client(shared, organization)
    logged = await promptlayer.log(
        theirs, user_id=MARK, metadata={"user_id": MARK}, tags=[MARK], prompt_name=MARK, score=50
    )
    await client.put(f"/v1/request/{logged}/property", json={"key": "user", "value": MARK})
    await add_delivery(connection, organization_id, body_of(event_about(MARK)))
    either = {
        "left": DOOMED,
        "operator": "or",
        "right": {RMT: {"properties": {"user": {"equals": MARK}}}},
    }
    assert await delete(client, either, dryRun=True) == {**deleted(2, 2, 3, 2), "done": False, "remaining": 2}
    assert await delete(client, either, expect=2) == {**deleted(2, 2, 3, 2), "remaining": 0}
    after = await dump(connection)
    assert [row for rows in after.values() for row in rows if MARK in row] == []
    noted = set(after.pop("audit_entry")) - set(before.pop("audit_entry"))
    assert len(noted) == 2  # the second key too
    assert len(after.pop("api_key")) == len(before.pop("api_key")) + 1
    # Names are kept, hours are to be counted, and the service goes on with its events.
    for table in ("score_name", "score_origin", "touched_hour", "destination", "event_cursor"):
        del before[table], after[table]
    assert after == before


async def test_deliveries_lose_what_they_say_of_deleted_requests(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await make_destination(connection, organization_id, "ours")
    await post(client, "kept", {"a": 1})
    await post(client, "gone", {"a": 99})
    number = await connection.fetchval(
        "SELECT request_no FROM request WHERE organization_id = $1 AND request_id = 'gone'", organization_id
    )
    kept, gone = event_about("kept"), event_about("gone")
    for body in (body_of(kept), body_of(gone, kept, gone), body_of(gone), {"requestNo": number}):
        await add_delivery(connection, organization_id, body)
    assert (await delete(client, scores(a={"equals": 99}), expect=1))["done"]
    left = [json.loads(body) for (body,) in await connection.fetch(DELIVERIES, organization_id)]
    assert left == [body_of(kept), body_of(kept)]


async def test_another_number_than_expected_deletes_nothing(client: httpx.AsyncClient) -> None:
    for request_id in ("r1", "r2"):
        await post(client, request_id, {"a": 1})
    response = await client.post(DELETE, json={"filter": "all", "expect": 3})
    message = "there are 2 requests that the filter finds now, not 3: nothing was deleted, count again"
    assert (response.status_code, response.json()) == (409, {"data": None, "error": message})
    assert sorted(await ids(client)) == ["r1", "r2"]
    assert await delete(client, "all", expect=2) == {**deleted(2, 2), "remaining": 0}
    assert await delete(client, "all", expect=0) == {**deleted(0, 0), "remaining": 0}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"expect": 1}, ("filter", "missing")),
        ({"filter": "all"}, ("", "expected either dryRun, to count, or expect with that number, or next")),
        (
            {"filter": "all", "dryRun": True, "expect": 1},
            ("", "expected either dryRun, to count, or expect with that number, or next"),
        ),
        ({"filter": "all", "next": "eA=="}, ("next", "expected what the call before answered as next")),
        ({"filter": "all", "expect": -1}, ("expect", "expected an integer from 0 to 999999999, got -1")),
    ],
)
async def test_deletion_that_was_not_confirmed_is_refused(
    client: httpx.AsyncClient, body: dict[str, Any], error: tuple[str, str]
) -> None:
    await post(client, "r", {"a": 1})
    response = await client.post(DELETE, json=body)
    assert (response.status_code, response.json()) == (400, faulty(error))
    assert await ids(client) == ["r"]


@pytest.mark.parametrize("permission", ["r", "w"])
async def test_deletion_needs_a_key_that_reads_and_writes(
    shared: Service, organization: str, permission: Any
) -> None:
    client = await shared.client(organization, permission)
    response = await client.post(DELETE, json={"filter": "all", "dryRun": True})
    assert response.status_code == 403


async def test_long_deletion_goes_on_at_what_remains_and_needs_confirmation_of_what_came(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed_work, "_WORK_S", 0)
    monkeypatch.setattr(request_deletion, "BATCH", 2)
    for number in range(5):
        await post(client, f"r{number}", {"a": number})
    part = await delete(client, "all", expect=5)
    assert part == {**deleted(2, 2), "remaining": 3, "done": False}
    await post(client, "new", {"a": 1})
    response = await client.post(DELETE, json={"filter": "all", "expect": 3})
    assert response.status_code == 409
    part = await delete(client, {RMT: {"request_id": {"not-equals": "new"}}}, expect=3)
    assert (part["requests"], part["remaining"]) == (2, 1)
    part = await delete(client, {RMT: {"request_id": {"not-equals": "new"}}}, expect=1)
    while not part["done"]:  # deliveries, of all tests
        part = await delete(client, {RMT: {"request_id": {"not-equals": "new"}}}, next=part["next"])
    assert await ids(client) == ["new"]


async def wait_for_a_lock(connection: Connection) -> None:
    async with asyncio.timeout(10):
        while not await connection.fetchval(WAITING):  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_request_that_matches_no_longer_stays(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    for request_id in ("r1", "r2"):
        await post(client, request_id, {"a": 1})
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(
        "UPDATE request SET user_id = 'other' WHERE organization_id = $1 AND request_id = 'r2'",
        organization_id,
    )
    everyone = {RMT: {"user_id": {"exists": False}}}
    deleting = asyncio.create_task(delete(client, everyone, expect=2))
    await wait_for_a_lock(connection)
    await transaction.commit()
    assert await deleting == {**deleted(1, 1), "remaining": 0}
    assert await ids(client) == ["r2"]


async def test_call_ends_early_at_a_request_that_is_locked(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_deletion, "BATCH", 1)
    monkeypatch.setitem(request_steps._SQL, "limit_wait", "SET LOCAL lock_timeout = '50ms'")
    for request_id in ("free", "locked"):
        await post(client, request_id, {"a": 1})
    async with connection.transaction():
        await connection.execute(
            "SELECT FROM request WHERE organization_id = $1 AND request_id = 'locked' FOR UPDATE",
            organization_id,
        )
        part = await delete(client, "all", expect=2)
        assert part == {**deleted(1, 1), "remaining": 1, "done": False}
        response = await client.post(DELETE, json={"filter": "all", "expect": 1})
        assert response.status_code == 503
    assert await delete(client, "all", expect=1) == {**deleted(1, 1), "remaining": 0}


async def test_scores_that_are_posted_meanwhile_begin_their_requests_anew(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_deletion, "BATCH", 5)
    names = [f"r{number}" for number in range(60)]
    items = [{"requestId": name, "scores": {"old": 1}} for name in names]
    assert (await client.post("/v1/scores/batch", json={"items": items})).status_code == 200
    async with asyncio.TaskGroup() as group:
        for name in names[30:]:
            group.create_task(post(client, name, {"new": 2}))
        deleting = group.create_task(delete(client, scores(old={"equals": 1}), expect=60))
    part = deleting.result()
    assert (part["requests"], part["scores"] >= 60, part["done"]) == (60, True, True)
    # Posted before its request was deleted, a score went with it; after that, it stands alone.
    assert {name: await scores_of(client, name) for name in await ids(client, limit=100)}.items() <= {
        name: {"new": 2} for name in names[30:]
    }.items()


# A score everywhere


async def test_score_is_deleted_everywhere_and_the_others_stay(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await make_destination(connection, organization_id, "ours")
    definition = {"type": "boolean", "description": "stays"}
    assert (await client.put("/v1/score-definitions/b", json=definition)).is_success
    for request_id in ("r1", "r2"):
        await say_everything(client, request_id, "some")
    await post(client, "r2", {"b": False})
    await post(client, "r3", {"c": 1})
    kept, gone = event_about("r1", "a"), event_about("r1", "b")
    await add_delivery(connection, organization_id, body_of(gone, kept))
    await connection.execute(LET_SCORES_WAIT, organization_id)
    before = [await read(client, request_id) for request_id in ("r1", "r2", "r3")]
    assert await delete_score(client, "b-hcone-bool", dryRun="true") == {
        "requests": 1,
        "scores": 1,
        "changes": None,
        "comments": None,
        "done": False,
        "next": None,
    }
    response = await client.delete("/v1/scores/b?expect=2")
    message = "there are 1 scores b now, not 2: nothing was deleted, count again"
    assert (response.status_code, response.json()) == (409, {"data": None, "error": message})
    assert await delete_score(client, "b", expect=1) == deleted(2, 1, 4)
    after = [await read(client, request_id) for request_id in ("r1", "r2", "r3")]
    assert after[2] == before[2]
    assert [row and row["scores"] for row in after] == [{"a": 2}, {"a": 2}, {"c": 1}]
    assert [row and row["updated_at"] for row in after] > [row and row["updated_at"] for row in before]
    history = (await client.get("/v1/request/r2/scores")).json()["data"]["scores"]
    assert {name: len(score["history"]) for name, score in history.items()} == {"a": 2}
    assert (await client.get("/v1/evals/scores")).json()["data"] == ["a", "c"]
    assert (await client.get("/v1/score-definitions/b")).json()["data"]["description"] == "stays"
    [(body,)] = await connection.fetch(DELIVERIES, organization_id)
    assert json.loads(body) == body_of(kept)
    assert [name for (name,) in await connection.fetch(WAITING_SCORES, organization_id)] == ["a", "c"]
    assert await delete_score(client, "b", expect=0) == deleted(0, 0)


@pytest.mark.parametrize(
    ("address", "status", "error"),
    [
        ("/v1/scores/none?expect=1", 404, "there is no score none"),
        ("/v1/scores/a", 400, "expected either dryRun, to count, or expect with that number, or next"),
        ("/v1/scores/a?dryRun=yes", 400, 'dryRun: expected "true", got "yes"'),
    ],
)
async def test_score_that_cannot_be_deleted_says_why(
    client: httpx.AsyncClient, address: str, status: int, error: str
) -> None:
    await post(client, "r", {"a": 1})
    response = await client.delete(address)
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert await scores_of(client, "r") == {"a": 1}


async def test_long_deletion_of_a_score_goes_on_at_next(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed_work, "_WORK_S", 0)
    monkeypatch.setattr(score_deletion, "BATCH", 2)
    for number in range(5):
        await post(client, f"r{number}", {"a": number, "b": 1})
    part = await delete_score(client, "a", expect=5)
    total = part["scores"]
    while not part["done"]:
        part = await delete_score(client, "a", next=part["next"])
        assert part["scores"] in (0, 1, 2)
        total += part["scores"]
    assert total == 5
    assert [await scores_of(client, f"r{number}") for number in range(5)] == [{"b": 1}] * 5
