"""The pages of monitors, without script."""

from __future__ import annotations

import asyncio
import json
import re
from html import unescape
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
from heliscore.store.connections.pool import Connection

from tests.api.envelope import COUNT
from tests.conftest import Service
from tests.dashboard.conftest import SignIn, csrf_token
from tests.dashboard.reading import read_charts, read_tables, read_text
from tests.jobs.monitors import HOUR, MINUTE, add, put_scores

FORM: Final = "/monitors/form"
API: Final = "/v1/monitors"
TIMEOUT_S: Final = 30

FIELDS: Final = {
    "name": "relevance <each>",
    "score": "relevance",
    "statistic": "average",
    "condition": "below",
    "limit": "70",
    "groupBy": "model",
    "windowMinutes": "60",
    "everyMinutes": "1",
    "atLeastScores": "2",
    "forPeriods": "1",
    "filter": "",
}


async def submit(visitor: httpx.AsyncClient, act: str = "save", **fields: str) -> httpx.Response:
    data = {"csrf": await csrf_token(visitor), **FIELDS, **fields, "act": act}
    return await visitor.post(FORM, data={key: value for key, value in data.items() if value != "absent"})


def errors(page: str) -> dict[str, str]:
    """The messages beside fields."""
    found = re.findall(r'<p id="(\w+)-error" class="error" role="alert">(.*?)</p>', page)
    return {field: read_text(message) for field, message in found}


def entered(page: str) -> dict[str, str]:
    """What stands in the fields of the form, but for empty ones."""
    fields = dict(re.findall(r'<input class="input" id="(\w+)" name="\w+" value="(.*?)"', page))
    fields |= dict(re.findall(r'<textarea [^>]*name="(\w+)"[^>]*>(.*?)</textarea>', page, re.DOTALL))
    for name, options in re.findall(r'<select [^>]*name="(\w+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        fields[name] = (re.findall(r'value="(\w*)" selected', options) or [""])[0]
    return {name: value for name, value in fields.items() if value}


async def score(connection: Connection, minutes_ago: int, model: str, value: int) -> None:
    organization_id = await connection.fetchval("SELECT id FROM organization")
    at = await connection.fetchval("SELECT date_trunc('minute', now())") - minutes_ago * MINUTE
    scores: list[dict[str, int | bool]] = [{"relevance": value}] * 3
    await put_scores(connection, organization_id, at, scores, model)


async def test_monitor_is_made_looked_at_changed_and_removed(
    service: Service, sign_in: SignIn, connection: Connection
) -> None:
    client, visitor = await service.client(), await sign_in()
    assert "No monitors yet" in (await visitor.get("/monitors")).text
    await score(connection, 10, "a", 60)
    await score(connection, 10, "b", 80)

    saved = await submit(visitor)
    assert saved.status_code == 303
    path = saved.headers["location"]
    (monitor,) = (await client.get(API)).json()["data"]
    assert path == f"/monitors/{monitor['id']}"
    async with asyncio.timeout(TIMEOUT_S):
        while not (await client.get(API)).json()["data"][0]["states"]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    (table,) = read_tables((await visitor.get("/monitors")).text)
    assert [row[:4] for row in table] == [
        ["State", "Monitor", "Fires when it is", "Window"],
        [
            "firing a",
            "relevance <each> average of relevance, each model",
            "below 70",
            "1 hour, every 1 minute",
        ],
    ]
    page = (await visitor.get(path)).text
    groups, history = read_tables(page)
    assert [row[:2] + row[3:] for row in groups] == [
        ["Group", "State", "Value", "Before", "Count", "Requests"],
        ["a", "firing", "60", "", "3", "Requests"],
        ["b", "ok", "80", "", "3", "Requests"],
    ]
    assert [row[1] for row in history] == ["State", "firing"]
    assert history[1][2].startswith("relevance average 60.0 is below 70 with model a: 3 scores, ")
    href = re.findall(r'<td><a href="([^"]+)">Requests</a>', page)[0].replace("&amp;", "&")
    tree = json.loads(parse_qs(urlsplit(href).query)["filter"][0])
    assert (await client.post(COUNT, json={"filter": tree})).json()["data"] == 3
    value, number = re.findall(r'<td class="num"><a href="(/requests\?[^"]+)">', page)[:2]
    because = re.findall(r'<td><a href="(/requests\?[^"]+)">relevance average', page)[0]
    for link in (value, number, because):
        query = parse_qs(urlsplit(unescape(link)).query)
        found = json.loads(query["filter"][0])
        leaf = found["request_response_rmt"]
        assert (leaf["scores"], leaf["model"]) == ({"relevance": {"exists": True}}, {"in": ["a"]})
        assert (await client.post(COUNT, json={"filter": found})).json()["data"] == 3

    form = (await visitor.get(f"{FORM}?id={monitor['id']}")).text
    kept = {key: value for key, value in FIELDS.items() if value and key != "name"}
    assert entered(form).items() >= kept.items()
    changed = await submit(visitor, id=monitor["id"], condition="week", limit="2.5", paused="on")
    assert changed.headers["location"] == path
    (monitor,) = (await client.get(API)).json()["data"]
    assert monitor["condition"] == {"worseThan": "week", "margin": 2.5, "confidence": 0.95}
    assert monitor["paused"] is True
    assert "worse than a week before by more than 2.5" in (await visitor.get(path)).text

    removed = await visitor.post(path, data={"csrf": await csrf_token(visitor)})
    assert (removed.status_code, removed.headers["location"]) == (303, "/monitors")
    assert (await client.get(API)).json()["data"] == []
    assert (await visitor.get(path)).status_code == 404


async def test_list_of_many_shows_those_that_stand_worst(sign_in: SignIn, connection: Connection) -> None:
    visitor = await sign_in()
    organization_id = await connection.fetchval("SELECT id FROM organization")
    for number in range(203):
        id_ = await add(connection, organization_id, name=f"monitor {number:03}", paused=True)
    failed = "UPDATE monitor SET failures = 9, error = 'no', failing_since = now() WHERE id = $1::text::uuid"
    await connection.execute(failed, id_)
    page = (await visitor.get("/monitors")).text
    (table,) = read_tables(page)
    assert [row[:2] for row in table[1:3]] == [
        ["error paused", "monitor 202 average of relevance"],
        ["ok paused", "monitor 000 average of relevance"],
    ]
    assert len(table) == 201
    assert "3 more are left out" in page


async def test_form_runs_a_monitor_over_the_past(
    service: Service, sign_in: SignIn, connection: Connection
) -> None:
    visitor = await sign_in()
    at = await connection.fetchval("SELECT date_trunc('hour', now())")
    organization_id = await connection.fetchval("SELECT id FROM organization")
    for hours, value in ((4, 80), (3, 60), (2, 75)):
        scores: list[dict[str, int | bool]] = [{"relevance": value}] * 3
        await put_scores(connection, organization_id, at - hours * HOUR, scores, "a")
    page = (await submit(visitor, "preview", everyMinutes="60", groupBy="")).text
    assert "It would have fired 1 time in the last 300 hours" in page
    (table,) = read_tables(page)
    fired, over = at - 2 * HOUR, at - HOUR
    assert [row[:2] for row in table[1:]] == [[f"{time:%d %b, %H:%M}" for time in (fired, over)]]
    assert table[1][2].startswith("relevance average 60.0 is below 70: 3 scores, ")
    (chart,) = read_charts(page)
    assert [text for text in chart if "no data" not in text] == [
        f"{at - 3 * HOUR:%d %b, %H:%M} UTC 80, 3 scores",
        f"{fired:%d %b, %H:%M} UTC 60, 3 scores fires",
        f"{over:%d %b, %H:%M} UTC 75, 3 scores",
    ]
    points = re.findall(r'<a href="(/requests\?[^"]+)" tabindex="-1" target="_blank"><rect', page)
    client = await service.client()
    for href in points:
        tree = json.loads(parse_qs(urlsplit(unescape(href)).query)["filter"][0])
        assert (await client.post(COUNT, json={"filter": tree})).json()["data"] == 3
    assert len(points) == 3
    assert (await client.get(API)).json()["data"] == []


async def test_form_says_what_is_wrong_beside_the_field(sign_in: SignIn) -> None:
    visitor = await sign_in()
    answer = await submit(
        visitor, name="", limit="low", windowMinutes="1", groupBy="tall", forPeriods="0", condition="above"
    )
    assert answer.status_code == 400
    found = errors(answer.text)
    assert {*found} == {"name", "limit", "windowMinutes", "groupBy", "forPeriods"}
    assert found["windowMinutes"] == "expected an integer from 5 to 43200, got 1"
    assert entered(answer.text)["limit"] == "low"
    wrong_filter = await submit(visitor, filter="{")
    assert {*errors(wrong_filter.text)} == {"filter"}
    assert (await submit(visitor)).status_code == 303
    assert errors((await submit(visitor)).text) == {"name": "there is a monitor of that name"}


async def test_form_of_a_new_monitor_takes_what_the_address_says(sign_in: SignIn) -> None:
    page = (await (await sign_in()).get(f"{FORM}?score=accuracy&statistic=p10&filter=%7B%7D")).text
    shown = entered(page)
    assert (shown["score"], shown["statistic"], shown["filter"]) == ("accuracy", "p10", "{}")


async def test_alerts_go_where_the_form_says(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    assert "Nowhere yet" in (await visitor.get("/monitors")).text
    ids = {}
    for name, events in (("pager", ["alert.firing"]), ("archive", ["score.recorded"])):
        body = {"kind": "webhook", "name": name, "address": "https://1.1.1.1/hook?key=1", "events": events}
        ids[name] = (await client.post("/v1/destinations", json=body)).json()["data"]["id"]
    (table,) = read_tables((await visitor.get("/monitors")).text)
    assert table == [
        ["Destination", "Kind", "State"],
        ["pager https://1.1.1.1/hook?…", "webhook", "ok"],
        ["archive https://1.1.1.1/hook?…", "webhook", "ok"],
    ]
    form = (await visitor.get(FORM)).text
    assert re.findall(r'<input type="checkbox" name="to-([^"]+)"', form) == [ids["pager"]]
    saved = await submit(visitor, **{f"to-{ids['pager']}": "on"})
    (monitor,) = (await client.get(API)).json()["data"]
    assert monitor["destinations"] == [ids["pager"]]
    again = (await visitor.get(f"{FORM}?id={monitor['id']}")).text
    assert f'name="to-{ids["pager"]}" checked' in again
    assert saved.status_code == 303


async def test_key_that_reads_cannot_change_monitors(service: Service, sign_in: SignIn) -> None:
    client, reader = await service.client(), await sign_in(permissions="r")
    body: dict[str, Any] = {
        "name": "m",
        "score": "relevance",
        "statistic": "average",
        "condition": {"below": 7},
    }
    id_ = (await client.post(API, json=body)).json()["data"]["id"]
    assert "Change" not in (await reader.get(f"/monitors/{id_}")).text
    assert "can view monitors, not change them" in (await reader.get(FORM)).text
    assert (await submit(reader)).status_code == 403
    csrf = await csrf_token(reader)
    assert (await reader.post(f"/monitors/{id_}", data={"csrf": csrf})).status_code == 403
    other = await sign_in("other")
    assert (await other.get(f"/monitors/{id_}")).status_code == 404
    assert (await other.get(f"{FORM}?id={id_}")).status_code == 404
    assert (await other.get("/monitors/none")).status_code == 404
