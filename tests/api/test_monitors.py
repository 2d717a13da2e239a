"""Monitors over HTTP: made, changed, looked at and run over the past."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from heliscore.api.native.monitor_fields import EXAMPLE
from heliscore.store import monitors as store
from heliscore.store.connections.pool import Connection

from tests.api.envelope import COUNT, RMT, faulty, ids
from tests.jobs.monitors import HOUR, MINUTE, NOON, put_scores

MONITORS = "/v1/monitors"
PREVIEW = f"{MONITORS}/preview"
TIMEOUT_S = 30

Json = dict[str, Any]

AVERAGE: Json = {
    "name": "relevance",
    "score": "relevance",
    "statistic": "average",
    "condition": {"below": 70},
}
PAUSED: Json = {**AVERAGE, "paused": True}
DEFAULTS: Json = {
    "filter": "all",
    "groupBy": None,
    "windowMinutes": 60,
    "everyMinutes": 5,
    "delayMinutes": 0,
    "atLeastScores": 1,
    "noData": "no_data",
    "forPeriods": 1,
    "recoverAt": None,
    "recoverForPeriods": 1,
    "renotifyMinutes": None,
    "destinations": None,
    "paused": False,
}


async def ask(client: httpx.AsyncClient, method: str, path: str, body: object = None) -> Any:
    content = None if body is None else json.dumps(body)
    answer = await client.request(method, path, content=content)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def alerts_of(connection: Connection, organization_id: int) -> list[tuple[str, str]]:
    rows = await connection.fetch(
        "SELECT type, body->>'sentence' FROM event WHERE organization_id = $1 ORDER BY id", organization_id
    )
    return [(kind, sentence) for kind, sentence in rows]


async def make_firing(connection: Connection, organization_id: int) -> None:
    """As if a period had shown that the monitors of the organization fire."""
    state = {"state": "firing", "since": NOON.isoformat(), "at": NOON.isoformat(), "value": 61.2, "count": 9}
    await connection.execute(
        "UPDATE monitor SET stand = $2::text::jsonb WHERE organization_id = $1",
        organization_id,
        json.dumps({"states": [state]}),
    )


# Made, changed, removed


async def test_monitor_says_within_seconds_how_things_stand(client: httpx.AsyncClient) -> None:
    made = await ask(client, "POST", MONITORS, AVERAGE)
    assert made["state"] == "ok"
    assert made["states"] == []
    path = f"{MONITORS}/{made['id']}"
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            shown = await ask(client, "GET", path)
            if shown["states"]:
                break
            await asyncio.sleep(0.05)
    assert await ask(client, "GET", MONITORS) == [shown]
    at = shown["evaluatedUntil"]
    assert shown == {
        **DEFAULTS,
        **AVERAGE,
        "id": made["id"],
        "state": "no_data",
        "states": [
            {
                "group": None,
                "state": "no_data",
                "since": at,
                "value": None,
                "baseValue": None,
                "count": 0,
                "at": at,
            }
        ],
        "groupsLeftOut": 0,
        "error": None,
        "evaluatedUntil": at,
        "nextAt": shown["nextAt"],
        "createdAt": made["createdAt"],
        "updatedAt": made["createdAt"],
    }
    until, next_at = map(datetime.fromisoformat, (at, shown["nextAt"]))
    assert next_at - until == 5 * MINUTE
    assert until <= datetime.now(UTC)
    [change] = await ask(client, "GET", f"{path}/history")
    start = until - HOUR
    assert change.pop("number").isdigit()
    assert change == {
        "at": at,
        "group": None,
        "previousState": "ok",
        "state": "no_data",
        "value": None,
        "baseValue": None,
        "count": 0,
        "reason": change["reason"],
    }
    assert change["reason"].startswith("relevance average has too little data: 0 scores, ")
    if start.date() == until.date():
        assert change["reason"].endswith(f"{start:%H:%M} to {until:%H:%M} UTC")


async def test_every_field_comes_back(client: httpx.AsyncClient) -> None:
    body = {
        **EXAMPLE,
        "filter": {
            "left": {RMT: {"model": {"equals": "m"}}},
            "operator": "or",
            "right": {RMT: {"status": {"gte": 2**70}}},
        },
        "groupBy": {"property": "a \u00e9 \U0001f600"},
        "condition": {"worseThan": "week", "margin": 0.5, "confidence": 0.99},
        "recoverAt": None,
        "paused": True,
    }
    made = await ask(client, "POST", MONITORS, body)
    body["filter"]["right"][RMT]["status"]["gte"] = str(2**70)
    assert {key: made[key] for key in body} == body
    assert made["nextAt"] is None
    for condition in ({"below": 70.5}, {"above": 0}):
        made = await ask(client, "PUT", f"{MONITORS}/{made['id']}", {**body, "condition": condition})
        assert made["condition"] == condition


async def test_monitor_is_replaced_as_a_whole(client: httpx.AsyncClient) -> None:
    made = await ask(client, "POST", MONITORS, {**EXAMPLE, "paused": True})
    replaced = await ask(client, "PUT", f"{MONITORS}/{made['id']}", PAUSED)
    shown = {key: replaced[key] for key in (*DEFAULTS, *AVERAGE)}
    assert shown == {**DEFAULTS, **PAUSED}
    assert (replaced["id"], replaced["createdAt"]) == (made["id"], made["createdAt"])


async def test_states_stay_unless_something_else_is_measured(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    made = await ask(client, "POST", MONITORS, PAUSED)
    path = f"{MONITORS}/{made['id']}"
    await make_firing(connection, organization_id)
    until = await connection.fetchval(
        """UPDATE monitor SET evaluated_until = evaluated_until + interval '5 minutes'
        WHERE organization_id = $1 RETURNING evaluated_until""",
        organization_id,
    )
    kept = await ask(client, "PUT", path, {**PAUSED, "name": "other", "forPeriods": 3})
    assert (kept["state"], kept["states"][0]["value"]) == ("firing", 61.2)
    assert datetime.fromisoformat(kept["evaluatedUntil"]) >= until
    assert await alerts_of(connection, organization_id) == []
    dropped = await ask(client, "PUT", path, {**PAUSED, "condition": {"below": 50}})
    assert (dropped["state"], dropped["states"]) == ("ok", [])
    # The last period is looked at again, in the new way.
    last = datetime.fromisoformat(dropped["evaluatedUntil"]) + 5 * MINUTE
    assert timedelta(0) <= datetime.now(UTC) - last < 5 * MINUTE + timedelta(seconds=TIMEOUT_S)
    assert await alerts_of(connection, organization_id) == [("alert.resolved", "the monitor was changed")]


async def test_removed_monitor_resolves_its_alerts(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    made = await ask(client, "POST", MONITORS, PAUSED)
    await make_firing(connection, organization_id)
    path = f"{MONITORS}/{made['id']}"
    assert await ask(client, "DELETE", path) is None
    assert await alerts_of(connection, organization_id) == [("alert.resolved", "the monitor was removed")]
    for method, where in (("GET", path), ("DELETE", path), ("GET", f"{path}/history")):
        answer = await client.request(method, where)
        assert (answer.status_code, answer.json()["error"]) == (404, f"there is no monitor {made['id']}")
    assert await ask(client, "GET", MONITORS) == []


@pytest.mark.parametrize("id_", ["x", "1", "744e248c-5524-4b98-9974-70eaac3ab3a7"])
async def test_unknown_monitor_is_not_there(client: httpx.AsyncClient, id_: str) -> None:
    for method, body in (("GET", None), ("PUT", PAUSED), ("DELETE", None)):
        answer = await client.request(method, f"{MONITORS}/{id_}", content=json.dumps(body) if body else None)
        assert (answer.status_code, answer.json()["error"]) == (404, f"there is no monitor {id_}")


async def test_names_are_unique(client: httpx.AsyncClient) -> None:
    first = await ask(client, "POST", MONITORS, PAUSED)
    second = await ask(client, "POST", MONITORS, {**PAUSED, "name": "second"})
    taken = faulty(("name", "there is a monitor of that name"))
    for method, path in (("POST", MONITORS), ("PUT", f"{MONITORS}/{second['id']}")):
        answer = await client.request(method, path, json=PAUSED)
        assert (answer.status_code, answer.json()) == (400, taken)
    assert [one["id"] for one in await ask(client, "GET", MONITORS)] == [first["id"], second["id"]]


async def test_number_of_monitors_is_limited(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_MONITORS", 1)
    await ask(client, "POST", MONITORS, PAUSED)
    answer = await client.post(MONITORS, json={**PAUSED, "name": "second"})
    assert (answer.status_code, answer.json()) == (400, faulty(("", "there may be at most 1 monitors")))


async def test_destinations_are_the_organizations_own(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    async def make(owner: int) -> str:
        return str(
            await connection.fetchval(
                """INSERT INTO destination (organization_id, kind, name, address, events)
                VALUES ($1, 'webhook', 'w', 'https://example.com', '{alert.firing}') RETURNING id""",
                owner,
            )
        )

    other = await connection.fetchval(
        "INSERT INTO organization (name) VALUES ($1) RETURNING id", f"{uuid4()}"
    )
    ours, theirs = await make(organization_id), await make(other)
    made = await ask(client, "POST", MONITORS, {**PAUSED, "destinations": [ours.upper(), ours]})
    assert made["destinations"] == [ours]
    made = await ask(client, "PUT", f"{MONITORS}/{made['id']}", {**PAUSED, "destinations": []})
    assert made["destinations"] == []
    unknown = "there is no such destination"
    for destinations, *places in (([ours, theirs], 1), ([str(uuid4())], 0), (["x", ours, "y"], 0, 2)):
        answer = await client.post(MONITORS, json={**PAUSED, "name": "n", "destinations": destinations})
        assert answer.json() == faulty(*((f"destinations[{place}]", unknown) for place in places))


async def test_history_comes_in_pages(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    made = await ask(client, "POST", MONITORS, PAUSED)
    await connection.executemany(
        """INSERT INTO monitor_change (organization_id, monitor_id, happened_at, count, reason)
        VALUES ($1, $2::text::uuid, $3, 0, $4)""",
        [(organization_id, made["id"], NOON, str(number)) for number in range(5)],
    )
    path = f"{MONITORS}/{made['id']}/history"
    seen: list[str] = []
    page = await ask(client, "GET", f"{path}?limit=2")
    while page:
        seen += [change["reason"] for change in page]
        page = await ask(client, "GET", f"{path}?limit=2&before={page[-1]['number']}")
    assert seen == ["4", "3", "2", "1", "0"]
    for query, error in (
        ("limit=1001", ("limit", "expected an integer from 0 to 1000, got 1001")),
        ("before=x", ("before", 'expected the number of a change, got "x"')),
        ("before=1&before=2", ("before", "expected the number of a change, got an array")),
    ):
        assert (await client.get(f"{path}?{query}")).json() == faulty(error)


# What is wrong is said, each error with its place


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"name": 5}, [("name", "expected a string, got 5")]),
        ({"statistic": "mean"}, [("statistic", None)]),
        ({"score": None}, [("score", "missing; without one there is only the count, of requests")]),
        ({"score": "-hcone-bool"}, [("score", None)]),
        ({"windowMinutes": 4}, [("windowMinutes", "expected an integer from 5 to 43200, got 4")]),
        ({"windowMinutes": 43201}, [("windowMinutes", "expected an integer from 5 to 43200, got 43201")]),
        ({"everyMinutes": 0}, [("everyMinutes", "expected an integer from 1 to 1440, got 0")]),
        ({"delayMinutes": -1}, [("delayMinutes", "expected an integer from 0 to 43200, got -1")]),
        ({"condition": {}}, [("condition", "expected one of below, above and worseThan")]),
        (
            {"condition": {"below": 1, "above": 2}},
            [("condition", "expected one of below, above and worseThan")],
        ),
        ({"condition": {"below": True}}, [("condition.below", "expected a number, got true")]),
        (
            {"condition": {"worseThan": "year"}},
            [("condition.worseThan", 'expected "previous" or "week", got "year"')],
        ),
        ({"condition": {"worseThan": "week", "margin": -1}}, [("condition.margin", "must not be below 0")]),
        (
            {"condition": {"worseThan": "week", "confidence": 1}},
            [("condition.confidence", "expected a number above 0.5 and below 0.999999, got 1")],
        ),
        (
            {"statistic": "p90", "condition": {"worseThan": "week"}},
            [("condition", "worseThan is only of average and share")],
        ),
        (
            {"statistic": "share", "condition": {"below": 70}, "recoverAt": 80},
            [("condition.below", "a share is from 0 to 1"), ("recoverAt", "a share is from 0 to 1")],
        ),
        ({"recoverAt": 69.9}, [("recoverAt", "must not be below the limit")]),
        ({"condition": {"above": 5}, "recoverAt": 6}, [("recoverAt", "must not be above the limit")]),
        ({"condition": {"worseThan": "week"}, "recoverAt": 6}, [("recoverAt", "only with below or above")]),
        (
            {"statistic": "count", "atLeastScores": 2},
            [("atLeastScores", "not with count: a count of nothing is data")],
        ),
        ({"noData": "maybe"}, [("noData", 'expected "ok", "keep", "no_data" or "firing", got "maybe"')]),
        ({"groupBy": {"author": "relevance"}}, [("groupBy", None)]),
        ({"filter": {RMT: {"bogus": {"equals": 1}}}}, [(f"filter.{RMT}.bogus", None)]),
        ({"filter": {RMT: {"model": {"equals": "\0"}}}}, [(f"filter.{RMT}.model.equals", None)]),
        (
            {"forPeriods": 0, "recoverForPeriods": 0, "renotifyMinutes": 0},
            [("forPeriods", None), ("recoverForPeriods", None), ("renotifyMinutes", None)],
        ),
        ({"destinations": "all"}, [("destinations", 'expected a list of destinations, got "all"')]),
        ({"destinations": [1]}, [("destinations[0]", "expected a string, got 1")]),
        ({"paused": "no"}, [("paused", 'expected true or false, got "no"')]),
        ({"window": 5}, [("window", None)]),
        (
            {"filter": {RMT: {"model": {"equals": "m" * 17_000}}}},
            [("", "a monitor has at most 16384 bytes of JSON")],
        ),
    ],
    ids=str,
)
async def test_error_names_its_field(
    client: httpx.AsyncClient, fields: Json, errors: list[tuple[str, str | None]]
) -> None:
    body = json.dumps({**PAUSED, **fields})
    for method, path, rest in (
        ("POST", MONITORS, {}),
        ("PUT", f"{MONITORS}/x", {}),
        ("POST", PREVIEW, {"timeFilter": {"start": "2026-11-28", "end": "2026-11-29"}}),
    ):
        answer = await client.request(method, path, content=json.dumps({**json.loads(body), **rest}))
        assert answer.status_code == 400, answer.text
        found = [(one["path"], one["message"]) for one in answer.json()["details"]]
        assert [place for place, _ in found] == [place for place, _ in errors]
        for (_, message), (_, expected) in zip(found, errors, strict=True):
            assert expected in (None, message)
    assert await ask(client, "GET", MONITORS) == []


# The past


def minutes(body: Json, start: datetime, end: datetime) -> Json:
    return {**body, "timeFilter": {"start": start.isoformat(), "end": end.isoformat()}}


async def test_preview_says_when_it_would_have_fired(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    for hour, value in enumerate([80, 60, 62, 71, 75, None, 50]):
        if value is not None:
            scores: list[dict[str, int | bool]] = [{"relevance": value}] * 2
            await put_scores(connection, organization_id, NOON + hour * HOUR, scores, "m")
    body = {**AVERAGE, "everyMinutes": 60, "recoverAt": 72, "groupBy": "model"}
    found = await ask(client, "POST", PREVIEW, minutes(body, NOON, NOON + 7 * HOUR))

    def at(hour: int) -> str:
        return f"2026-11-28T{12 + hour}:00:00.000Z"

    def sentence(value: int, hour: int) -> str:
        window = f"{11 + hour}:00 to {12 + hour}:00 UTC"
        return f"relevance average {value}.0 is below 70 with model m: 2 scores, {window}"

    assert found == {
        "periods": 7,
        "groupsLeftOut": 0,
        "groups": [
            {
                "group": "m",
                "firings": [
                    {"firedAt": at(2), "resolvedAt": at(5), "sentence": sentence(60, 2)},
                    {"firedAt": at(7), "resolvedAt": None, "sentence": sentence(50, 7)},
                ],
                "noData": 1,
                "at": [at(hour) for hour in range(1, 8)],
                "values": [80, 60, 62, 71, 75, None, 50],
                "baseValues": [None] * 7,
                "counts": [2, 2, 2, 2, 2, 0, 2],
            }
        ],
    }
    assert await ask(client, "GET", MONITORS) == []
    assert await alerts_of(connection, organization_id) == []


async def test_preview_has_a_limited_number_of_periods(client: httpx.AsyncClient) -> None:
    body = {**AVERAGE, "everyMinutes": 1, "windowMinutes": 5}
    answer = await client.post(PREVIEW, json=minutes(body, NOON, NOON + 1001 * MINUTE))
    message = "at most 1000 periods, got 1001: 2 or more would fit that time"
    assert (answer.status_code, answer.json()) == (400, faulty(("everyMinutes", message)))
    wider = {**body, "everyMinutes": 2}
    found = await ask(client, "POST", PREVIEW, minutes(wider, NOON, NOON + 1001 * MINUTE))
    assert found["periods"] == 500
    assert found["groups"][0]["noData"] == 500


async def test_preview_ends_now(client: httpx.AsyncClient) -> None:
    begun = datetime.now(UTC)
    body = {**AVERAGE, "everyMinutes": 60}
    found = await ask(client, "POST", PREVIEW, minutes(body, begun - 3 * HOUR, begun + 900 * HOUR))
    assert found["periods"] in (3, 4)
    assert (await ask(client, "POST", PREVIEW, minutes(body, begun + HOUR, begun + 2 * HOUR)))["groups"] == []


async def test_preview_of_a_share_of_other_values_says_so(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await put_scores(connection, organization_id, NOON, [{"relevance": 7}])
    body = {**AVERAGE, "statistic": "share", "condition": {"below": 0.5}}
    answer = await client.post(PREVIEW, json=minutes(body, NOON, NOON + HOUR))
    message = "relevance has values other than 0 and 1, and so no share of true"
    assert (answer.status_code, answer.json()) == (400, faulty(("statistic", message)))


async def test_filter_of_an_alert_finds_the_requests(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    """Those of the group and the window, and no others: in a service that evaluates by itself."""
    now = await connection.fetchval("SELECT date_trunc('minute', now())")
    for model, value in (("a", 60), ("b", 80)):
        scores: list[dict[str, int | bool]] = [{"relevance": value}] * 3
        await put_scores(connection, organization_id, now - 10 * MINUTE, scores, model)
        await put_scores(connection, organization_id, now - 100 * MINUTE, scores, model)
    await ask(client, "POST", MONITORS, {**AVERAGE, "groupBy": "model", "everyMinutes": 1})
    query = "SELECT body::text FROM event WHERE organization_id = $1"
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            sent = await connection.fetchval(query, organization_id)
            if sent is not None:
                break
            await asyncio.sleep(0.05)
    body = json.loads(sent)
    assert (body["group"], body["state"], body["count"]) == ("a", "firing", 3)
    assert (await client.post(COUNT, json={"filter": body["filter"]})).json()["data"] == 3
    assert {id_.split()[-2] for id_ in await ids(client, body["filter"])} == {"a"}
