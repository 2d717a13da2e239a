"""The table of requests: ranges of time, columns, saved views, and what is done with many rows."""

from __future__ import annotations

import csv
import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from heliscore.api.native import timed_work
from heliscore.store import properties, request_deletion

from tests.conftest import Service
from tests.dashboard.conftest import SignIn
from tests.dashboard.entries import Entry, enter
from tests.dashboard.reading import read_tables, read_text
from tests.dashboard.test_requests import address, cells, columns, ids, links, post

NOW = datetime.now(UTC)
RANGED = {"range": "7d"}


def headings(page: str) -> list[str]:
    return read_tables(page)[0][0]


def column(page: str, title: str) -> list[str]:
    table = read_tables(page)[0]
    return [row[table[0].index(title)] for row in table[1:]]


def heading_query(page: str, title: str) -> dict[str, list[str]]:
    found = re.search(rf'<a href="([^"]+)" title="Sort by {title}"', page)
    assert found
    return parse_qs(urlsplit(unescape(found[1])).query)


def token(page: str) -> str:
    found = re.search(r'<meta name="csrf-token" content="([^"]+)"', page)
    assert found
    return found[1]


async def send(visitor: httpx.AsyncClient, path: str, fields: dict[str, Any]) -> httpx.Response:
    csrf = token((await visitor.get("/requests")).text)
    return await visitor.post(path, data={"csrf": csrf, **fields})


def entry(days: float, **columns: Any) -> Entry:
    return Entry(
        NOW - timedelta(days=days), {"accuracy": int(days)}, columns, {"env": "prod", "day": str(days)}
    )


async def test_a_range_limits_all_that_the_page_leads_to(service: Service, sign_in: SignIn) -> None:
    await enter(service.dsn, [entry(days) for days in (1, 2, 3, 20, 40)])
    visitor = await sign_in()
    every = {"filter": {"request_response_rmt": {"scores": {"accuracy": {"gte": 2}}}}, **RANGED}
    page = (await visitor.get(address(**every))).text
    found = ids(page)
    assert cells(page, "accuracy") == ["2", "3"]
    assert all(parse_qs(urlsplit(link).query)["range"] == ["7d"] for link in links(page))
    assert heading_query(page, "accuracy")["range"] == ["7d"]
    query = address(**every).query.decode()
    assert (await visitor.get(f"/request-count?{query}")).json() == {"count": 2}
    rows = list(csv.reader((await visitor.get(f"/requests?{query}&download=csv")).text.splitlines()))
    assert [row[1] for row in rows[1:]] == found

    code = re.search(r'id="curl".*?<code[^>]*>(.*?)</code>', page, re.DOTALL)
    assert code
    body = json.loads(shlex.split(unescape(code[1]))[-1])
    answer = (await (await service.client()).post("/v1/request/query", json=body)).json()
    assert [row["request_id"] for row in answer["data"]] == found

    following = await visitor.get(links(page)[1].replace("?", "/next?"))
    assert (following.status_code, "That was the last request" in following.text) == (200, True)
    days = {"from": f"{NOW - timedelta(days=50):%Y-%m-%d}", "to": f"{NOW - timedelta(days=10):%Y-%m-%d}"}
    assert cells((await visitor.get(address(**days))).text, "accuracy") == ["20", "40"]
    assert len(ids((await visitor.get("/requests")).text)) == 5


async def test_errors_of_a_range_are_named(sign_in: SignIn) -> None:
    response = await (await sign_in()).get("/requests?range=1y&filter=all")
    assert response.status_code == 400
    assert re.findall(r'<li data-path="(\w+)">', response.text) == ["filter", "range"]


async def test_columns_are_chosen_in_the_address_and_downloaded(service: Service, sign_in: SignIn) -> None:
    told = {
        "response_model": "m-1",
        "provider": "OPENAI",
        "user_id": "eva",
        "prompt_id": "reply",
        "prompt_version": "5",
    }
    counted = {"total_tokens": 1234, "prompt_tokens": 1200, "cost_usd": 0.00131, "time_to_first_token_ms": 90}
    await enter(service.dsn, [entry(1, **told, **counted, status=503, latency_ms=2310)])
    visitor = await sign_in()
    usual = (await visitor.get("/requests")).text
    assert headings(usual) == [
        *("", "Request", "Answer", "Time↓", "accuracy", "Model", "User", "Prompt", "Status", "Latency"),
        *("Cost", "Properties"),
    ]
    shown = "provider,prompt,tokens,ttft,cost,id,nothing"
    page = (await visitor.get(f"/requests?show={shown}&show=property:env&show=property:x&property=day")).text
    titles = ["Provider", "Prompt", "First token", "Tokens", "Cost", "Id", "env", "x", "day"]
    assert headings(page) == ["", "Request", "accuracy", *titles]
    [request_id] = ids(page)
    values = ["OPENAI", "reply 5", "90 ms", "1,234", "$0.0013", request_id, "prod", "-", "1"]
    assert [column(page, title)[0] for title in titles] == values
    kept = parse_qs(urlsplit(links(page)[0]).query)["show"]
    assert kept == ["provider,prompt,tokens,ttft,cost,id", "property:env", "property:x", "property:day"]
    assert heading_query(page, "env")["sort"] == ['{"properties":{"env":"desc"}}']
    assert heading_query(page, "Tokens")["sort"] == ['{"total_tokens":"desc"}']

    found = await visitor.get("/requests?show=tokens,answer&show=property:env&download=csv")
    header, row = csv.reader(found.text.splitlines())
    assert header == [
        *("created_at", "request_id", "scores.accuracy", "response_body"),
        *("prompt_tokens", "completion_tokens", "total_tokens", "properties.env"),
    ]
    assert row[2:] == ["1", "", "1200", "", "1234", "prod"]
    usual_header = next(csv.reader((await visitor.get("/requests?download=csv")).text.splitlines()))
    assert "response_body" not in usual_header


async def test_the_worst_come_first_where_a_direction_is_known(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    bounds = {"type": "integer", "min": 0, "max": 10}
    await client.put("/v1/score-definitions/toxicity", json={**bounds, "direction": "lower"})
    await client.put("/v1/score-definitions/tone", json={**bounds, "labels": {"2": "curt"}})
    await post(client, a={"toxicity": 9, "plain": 5, "tone": 2}, b={"toxicity": 1, "plain": 15})
    page = (await visitor.get("/requests")).text
    directions = {
        name: json.loads(heading_query(page, name)["sort"][0])["scores"][name] for name in columns(page)
    }
    assert directions == {"toxicity": "desc", "plain": "asc", "tone": "asc"}
    sorted_ = (await visitor.get(address(sort={"scores": {"toxicity": "desc"}}))).text
    assert ids(sorted_) == ["a", "b"]
    assert heading_query(sorted_, "toxicity")["sort"] == ['{"scores":{"toxicity":"asc"}}']
    bars = re.findall(r'data-score="(\w+)"><svg class="level (\w*)" [^>]*><rect width="([^"]+)"', sorted_)
    assert bars == [
        *(("plain", "", "2%"), ("toxicity", "bad", "90%")),
        *(("plain", "", "100%"), ("toxicity", "good", "10%")),
    ]
    assert cells(sorted_, "tone") == ["curt", "\N{EN DASH}"]


async def test_an_answer_is_seen_in_its_row(service: Service, sign_in: SignIn) -> None:
    asked = json.dumps({"messages": [{"role": "user", "content": "Where?"}]})
    call = {"type": "function", "function": {"name": "find_parcel", "arguments": "{}"}}
    answers = (
        ({"choices": [{"message": {"role": "assistant", "content": "At\nyour door"}}]}, "At your door"),
        ({"choices": [{"message": {"role": "assistant", "tool_calls": [call]}}]}, "find_parcel(…)"),
        ({"error": {"message": "Overloaded"}}, "Overloaded"),
        (None, "-"),
    )
    await enter(
        service.dsn,
        [
            entry(days, request_body=asked, response_body=None if body is None else json.dumps(body))
            for days, (body, _) in enumerate(answers, 1)
        ],
    )
    page = (await (await sign_in()).get("/requests?sort=%7B%22created_at%22%3A%22desc%22%7D")).text
    assert column(page, "Answer") == [shown for _, shown in answers]


async def test_a_view_is_saved_shown_renamed_and_removed(service: Service, sign_in: SignIn) -> None:
    await post(await service.client(), a={"accuracy": 1})
    visitor, colleague = await sign_in(), await sign_in()
    search = "filter=%22all%22&range=7d&show=model,cost&column=accuracy&cursor=x"
    saved = await send(visitor, "/saved-views", {"name": " Worst ", "search": search})
    where = saved.headers["location"]
    assert parse_qs(urlsplit(where).query) == {
        "filter": ['"all"'],
        "range": ["7d"],
        "show": ["model,cost"],
        "column": ["accuracy"],
    }
    page = (await colleague.get(where)).text
    views = page.partition("<h1>")[2]
    listed = re.findall(r'<li><a href="([^"]+)"( aria-current="true")?>([^<]+)</a>', views)
    assert [(unescape(link), bool(here), name) for link, here, name in listed] == [(where, True, "Worst")]
    taken = await send(colleague, "/saved-views", {"name": "Worst", "search": ""})
    assert (taken.status_code, "there is a view of that name" in taken.text) == (400, True)
    [view] = (await (await service.client()).get("/v1/views")).json()["data"]
    assert view["columns"] == ["model", "cost"]
    path = f"/saved-views/{view['id']}"
    renamed = await send(colleague, path, {"name": "Low", "search": "range=7d"})
    assert (renamed.status_code, renamed.headers["location"]) == (303, "/requests?range=7d")
    assert ">Low</a>" in (await visitor.get("/requests")).text
    assert (await send(await sign_in("other"), path, {"act": "remove"})).status_code == 404
    assert (await send(visitor, path, {"act": "remove"})).headers["location"] == "/requests"
    assert "Low" not in (await visitor.get("/requests")).text


async def test_a_property_is_set_on_what_was_selected_or_matches(
    service: Service, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, visitor = await service.client(), await sign_in()
    await enter(service.dsn, [entry(days) for days in (1, 2, 3, 20, 40)])
    found = ids((await visitor.get("/requests")).text)

    async def reviewed() -> list[bool]:
        rows = (await client.post("/v1/request/query", json={"filter": "all"})).json()["data"]
        return [row["request_properties"].get("reviewed") == "it's" for row in rows]

    wanted = {"key": "reviewed", "value": "it's"}
    done = await send(visitor, "/request-properties", {**wanted, "id": found[:2], "search": "range=7d"})
    assert done.headers["location"] == "/requests?range=7d&changed=2"
    assert "was set on 2 requests" in read_text((await visitor.get(done.headers["location"])).text)
    assert await reviewed() == [True, True, False, False, False]
    kept = await client.get(f"/v1/request/{found[0]}")
    assert kept.json()["data"]["request_properties"] == {"env": "prod", "day": "1", "reviewed": "it's"}

    # One request a statement, one statement a call: the page goes on from where it came.
    monkeypatch.setattr(properties, "BATCH", 1)
    monkeypatch.setattr(timed_work, "_WORK_S", 0)
    response = await send(visitor, "/request-properties", {**wanted, "which": "all", "search": "range=30d"})
    pages = 0
    while response.status_code == 200:
        assert "Not done yet" in response.text
        fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', response.text)
        going_on = {name: unescape(value) for name, value in fields[-8:]}
        response = await visitor.post("/request-properties", data=going_on)
        pages += 1
    assert (pages, response.headers["location"]) == (3, "/requests?range=30d&changed=4")
    assert await reviewed() == [True, True, True, True, False]

    for sent, said in (
        (wanted, "select at least one request first"),
        ({"id": "a", "key": "", "value": "x"}, "key: must not be empty"),
        ({**wanted, "which": "all", "search": "filter=x"}, "filter: not valid json"),
    ):
        refused = await send(visitor, "/request-properties", sent)
        assert (refused.status_code, said in unescape(refused.text).lower()) == (400, True), said
    assert (await send(await sign_in(permissions="r"), "/request-properties", wanted)).status_code == 403


async def test_requests_are_counted_and_then_deleted(
    service: Service, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor, other = await sign_in(), await sign_in("other")
    await enter(service.dsn, [entry(days) for days in (1, 2, 3, 20, 40)])
    await enter(service.dsn, [entry(1)], "other")
    found = ids((await visitor.get("/requests")).text)
    monkeypatch.setattr(request_deletion, "BATCH", 1)
    monkeypatch.setattr(timed_work, "_WORK_S", 0)

    async def confirm(response: httpx.Response) -> httpx.Response:
        fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', response.text)
        pairs = [(name, unescape(value)) for name, value in fields]
        own = pairs[[name for name, _ in pairs].index("csrf", 1) :]
        data = {name: [value for other, value in own if other == name] for name, _ in own}
        return await visitor.post("/request-deletion", data=data)

    asked = await send(visitor, "/request-deletion", {"id": found[:1], "search": ""})
    assert "Delete 1 request?" in asked.text
    assert "with 1 scores, 0 past values" in asked.text
    assert len(ids((await visitor.get("/requests")).text)) == 5
    done = await confirm(asked)
    while done.status_code == 200:
        done = await confirm(done)
    assert done.headers["location"] == "/requests?deleted=1"
    assert ids((await visitor.get("/requests")).text) == found[1:]

    asked = await send(visitor, "/request-deletion", {"which": "all", "search": "range=30d"})
    assert "Delete 3 requests?" in asked.text
    await enter(service.dsn, [entry(2.5)])
    changed = await confirm(asked)
    assert (changed.status_code, "There are 4 requests" in changed.text) == (409, True)
    done, pages = await confirm(changed), 0
    while done.status_code == 200:
        done, pages = await confirm(done), pages + 1
    assert (pages > 2, done.headers["location"]) == (True, "/requests?range=30d&deleted=4")
    assert len(ids((await visitor.get("/requests")).text)) == 1
    assert len(ids((await other.get("/requests")).text)) == 1
    assert "Nothing to delete" in (await send(visitor, "/request-deletion", {"id": "gone"})).text


async def test_a_key_that_only_reads_selects_nothing(service: Service, sign_in: SignIn) -> None:
    await post(await service.client(), a={"accuracy": 1})
    page = (await (await sign_in(permissions="r")).get("/requests")).text
    assert headings(page)[0] == "Request"
    assert 'id="actions"' not in page
    assert "/saved-views" not in page
