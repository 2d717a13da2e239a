from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from html import unescape
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
import httpx
import pytest
from heliscore.domain.score import FEEDBACK

from tests.conftest import Service, StartService
from tests.dashboard.conftest import SignIn

LOW = {"request_response_rmt": {"scores": {"accuracy": {"lt": 50}}}}
MODEL = {"request_response_rmt": {"model": {"equals": "m-1"}}}
HOSTILE = """</td><script>alert('1')</script>"&amp;"""


async def post(client: httpx.AsyncClient, **scores: Mapping[str, object]) -> None:
    for request_id, given in scores.items():
        response = await client.post(f"/v1/request/{request_id}/score", json={"scores": given})
        assert response.status_code == 200, response.text


async def log(client: httpx.AsyncClient, request_id: str, text: str = "Hi", **meta: str) -> None:
    sent = {
        "providerRequest": {
            "url": "https://a.example/v1/chat",
            "json": {"model": "m-1", "messages": [{"role": "user", "content": text}]},
            "meta": {"Helicone-Request-Id": request_id, **meta},
        },
        "providerResponse": {"status": 200, "json": {"choices": [{"message": {"content": "Hello"}}]}},
        "timing": {
            "startTime": {"seconds": 1767225600, "milliseconds": 0},
            "endTime": {"seconds": 1767225602, "milliseconds": 310},
        },
    }
    (await client.post("/custom/v1/log", json=sent)).raise_for_status()


def address(**params: object) -> httpx.URL:
    texts = {
        key: value if isinstance(value, str | list) else json.dumps(value) for key, value in params.items()
    }
    return httpx.URL("/requests", params=texts)


def links(page: str) -> list[str]:
    """The addresses of the requests of a page, in order."""
    found = re.findall(r'<th scope="row" class="what"><a href="([^"]+)"', page)
    return [unescape(link) for link in found]


def ids(page: str) -> list[str]:
    return [urlsplit(link).path.removeprefix("/requests/") for link in links(page)]


def columns(page: str) -> list[str]:
    return [unescape(name) for name in re.findall(r'<th scope="col"[^>]* data-score="([^"]*)"', page)]


def cells(page: str, name: str) -> list[str]:
    found = re.findall(rf'data-score="{name}">(.*?)</td>', page)
    return [re.sub("<[^>]+>", "", cell).strip() for cell in found]


async def queried(client: httpx.AsyncClient, **body: Any) -> list[str]:
    answer = (await client.post("/v1/request/query", json={"filter": "all", "limit": 50} | body)).json()
    return [row["request_id"] for row in answer["data"]]


SEARCHES: tuple[dict[str, Any], ...] = (
    {},
    {"filter": LOW},
    {"filter": {"left": LOW, "operator": "or", "right": {"properties": {"env": {"equals": "prod"}}}}},
    {"filter": {"not": LOW}, "sort": {"scores": {"accuracy": "asc"}}},
    {"sort": {"scores": {"accuracy": "desc"}}},
    {"sort": {"created_at": "asc"}},
    {"filter": {"request_response_rmt": {"scores": {FEEDBACK: {"equals": True}}}}},
    {"filter": {"request_response_rmt": {"model": {"contains": "M-"}}}, "sort": {"latency": "desc"}},
)


async def test_a_search_finds_what_the_api_finds(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    await log(client, "a", **{"Helicone-Property-env": "prod"})
    await log(client, "b")
    await post(
        client,
        a={"accuracy": 40, FEEDBACK: True},
        c={"accuracy": 95, FEEDBACK: False},
        d={"accuracy": 5},
        e={"cited": True},
    )
    for search in SEARCHES:
        found = ids((await visitor.get(address(**search))).text)
        assert found, search
        assert found == await queried(client, **search), search


async def test_pages_follow_each_other_without_gaps(service: Service, sign_in: SignIn) -> None:
    client = await service.client()
    items = [{"requestId": f"r{n}", "scores": {"accuracy": n % 7}} for n in range(120)]
    (await client.post("/v1/scores/batch", json={"items": items})).raise_for_status()
    visitor = await sign_in()
    for sort in ({}, {"scores": {"accuracy": "asc"}}):
        seen: list[list[str]] = []
        more = str(address(sort=sort))
        while more:
            page = (await visitor.get(more)).text
            seen.append(ids(page))
            found = re.search(r'id="more" rel="next" href="([^"]+)"', page)
            more = unescape(found[1]) if found else ""
        assert [len(part) for part in seen] == [50, 50, 20]
        assert [id_ for part in seen for id_ in part] == await queried(client, sort=sort, limit=1000)
        assert "No more requests." in page


async def test_a_row_shows_what_is_known(service: Service, sign_in: SignIn) -> None:
    client = await service.client()
    await log(
        client,
        "req_1",
        "Where is\nmy parcel?",
        **{"Helicone-User-Id": "eva", "Helicone-Property-env": "prod"},
    )
    await post(client, req_1={"accuracy": -1234, "cited": True, "sure": False, FEEDBACK: False})
    page = (await (await sign_in()).get("/requests")).text
    assert columns(page) == ["accuracy", "cited", "sure", FEEDBACK]
    assert [cells(page, name) for name in columns(page)] == [["-1,234"], ["yes"], ["no"], ["down"]]
    for shown in (
        '<time datetime="2026-01-01T00:00:00.000Z">',
        ">Where is my parcel?</a>",
        'title="Where is my parcel? (req_1)"',
        'title="2026-01-01T00:00:00.000Z"',
        ">Hello</td>",
        ">m-1</td>",
        ">eva</td>",
        ">200</td>",
        ">2.31 s</td>",
        'title="env = prod"',
    ):
        assert shown in page


async def test_columns_are_the_pages_and_the_searchs_unless_chosen(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    await post(client, a={"accuracy": 40, "cited": True}, b={"relevance": 3})
    assert columns((await visitor.get("/requests")).text) == ["accuracy", "cited", "relevance"]
    searched = (await visitor.get(address(filter=LOW, sort={"scores": {"toxicity": "asc"}}))).text
    assert columns(searched) == ["accuracy", "cited", "toxicity"]
    chosen = (await visitor.get(address(column=["relevance", "other"]))).text
    assert columns(chosen) == ["relevance", "other"]
    assert all(parse_qs(urlsplit(link).query)["column"] == ["relevance", "other"] for link in links(chosen))


async def test_addresses_carry_the_search(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    await post(client, a={"accuracy": 40}, b={"accuracy": 30})
    text = json.dumps(LOW)
    page = (await visitor.get(address(filter=text, sort={"scores": {"accuracy": "asc"}}))).text
    assert ids(page) == ["b", "a"]
    carried = {"filter": [text], "sort": ['{"scores": {"accuracy": "asc"}}']}
    places = [parse_qs(urlsplit(link).query) for link in links(page)]
    assert places == [carried | {"n": ["1"]}, carried | {"n": ["2"]}]
    heading = re.search(r'aria-sort="ascending" data-score="accuracy"><a href="([^"]+)"', page)
    assert heading
    flipped = parse_qs(urlsplit(unescape(heading[1])).query)
    assert flipped == {"filter": [text], "sort": ['{"scores":{"accuracy":"desc"}}']}
    by_time = re.search(r'<a href="([^"]+)" title="Sort by Time"', page)
    assert by_time
    assert parse_qs(urlsplit(unescape(by_time[1])).query) == {"filter": [text]}


FAULTY: tuple[dict[str, Any], ...] = (
    {"filter": {"request_response_rmt": {"scores": {"accuracy": {"gte": "high"}}, "nothing": {"equals": 1}}}},
    {"filter": {"left": "all", "operator": "xor", "right": 5}, "sort": {"accuracy": "up"}},
    {"filter": "none"},
    {"filter": LOW, "sort": {"scores": {"accuracy": "sideways"}}},
)


async def test_faults_are_told_in_the_words_of_the_api(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    for body in FAULTY:
        details = (await client.post("/v1/request/query", json=body)).json()["details"]
        response = await visitor.get(address(**{key: json.dumps(value) for key, value in body.items()}))
        assert response.status_code == 400
        given = re.search(r'data-errors="([^"]*)"', response.text)
        assert given
        assert json.loads(unescape(given[1])) == details
        shown = re.findall(r'<li data-path="([^"]*)"><code>.*?</code> (.*?)</li>', response.text)
        assert [{"path": unescape(path), "message": unescape(text)} for path, text in shown] == details
        assert "so it was not run" in response.text
        assert f">{json.dumps(body['filter'])}</textarea>" in unescape(response.text)


async def test_text_that_is_no_json_is_a_fault(sign_in: SignIn) -> None:
    visitor = await sign_in()
    for text in ("{", "{}}", "[" * 5000, "\x00", "all", "\ud83d", HOSTILE):
        encoded = quote(text.encode("utf-8", "surrogatepass"))
        response = await visitor.get(f"/requests?filter={encoded}")
        assert response.status_code == 400
        assert '<li data-path="filter">' in response.text
        assert "<script>alert" not in response.text


async def test_a_cursor_of_another_order_is_a_fault(sign_in: SignIn) -> None:
    response = await (await sign_in()).get("/requests?cursor=abc")
    assert response.status_code == 400
    assert '<li data-path="cursor">' in response.text


async def test_nobody_sees_requests_of_another_organization(service: Service, sign_in: SignIn) -> None:
    other = await service.client("other")
    await log(other, "secret-id", "secret text", **{"Helicone-Property-secret-key": "secret value"})
    await post(other, **{"secret-id": {"secret-name": 7}})
    await post(await service.client("mine"), mine={"accuracy": 1})
    visitor = await sign_in("mine")
    for path in (
        "/requests",
        address(filter=LOW | {"properties": {}}),
        "/request-values",
        address(sort={"scores": {"secret": "asc"}}),
    ):
        assert "secret-" not in (await visitor.get(path)).text
    assert (await visitor.get("/request-count")).json() == {"count": 1}


async def test_hostile_texts_stay_texts(service: Service, sign_in: SignIn) -> None:
    client, visitor = await service.client(), await sign_in()
    request_id = f"../{HOSTILE}?a=1#ü"
    await log(
        client,
        request_id,
        HOSTILE,
        **{"Helicone-User-Id": HOSTILE, f"Helicone-Property-{HOSTILE}": HOSTILE},
        **{"Helicone-Model-Override": HOSTILE},
    )
    path = f"/v1/request/{quote(request_id, safe='')}/score"
    (await client.post(path, json={"scores": {HOSTILE: 1}})).raise_for_status()
    page = (await visitor.get("/requests")).text
    assert "<script>alert" not in page
    assert unescape(page).count(HOSTILE) >= 6
    assert columns(page) == [HOSTILE]
    [link] = links(page)
    one = await visitor.get(link)
    assert one.status_code == 200
    assert "<script>alert" not in one.text
    assert request_id in unescape(one.text)


async def test_an_id_that_no_browser_can_open_has_no_link(service: Service, sign_in: SignIn) -> None:
    items = [{"requestId": request_id, "scores": {"accuracy": 1}} for request_id in (".", "..", "...")]
    (await (await service.client()).post("/v1/scores/batch", json={"items": items})).raise_for_status()
    assert ids((await (await sign_in()).get("/requests")).text) == ["..."]


async def test_count_and_values_are_told_to_scripts(
    service: Service, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "heliscore.dashboard.pages.request_list._COUNT_TIMEOUT_S", 60
    )  # what is late is not told
    client, visitor = await service.client(), await sign_in()
    await log(client, "a", **{"Helicone-Property-env": "prod"})
    await post(client, b={"accuracy": 3}, c={"accuracy": 70})
    count = "/request-count"
    assert (await visitor.get(count)).json() == {"count": 3}
    assert (await visitor.get(f"{count}?{address(filter=LOW).query.decode()}")).json() == {"count": 1}
    field_error = await visitor.get(f"{count}?filter=x")
    assert (field_error.status_code, field_error.json()["error"][:22]) == (400, "filter: not valid JSON")


async def test_the_call_for_a_shell_is_one_argument_of_json(service: Service, sign_in: SignIn) -> None:
    tree = {"request_response_rmt": {"properties": {"it's": {"equals": "$KEY `x` \\ \" 'y'"}}}}
    page = (await (await sign_in()).get(address(filter=tree, sort={"created_at": "asc"}))).text
    found = re.search(r"<pre[^>]* id=\"curl\"[^>]*><code[^>]*>(.*?)</code>", page, re.DOTALL)
    assert found
    words = shlex.split(unescape(found[1]))
    assert words[:2] == ["curl", f"{service.address}/v1/request/query"]
    assert json.loads(words[-1]) == {"filter": tree, "sort": {"created_at": "asc"}, "limit": 50}


async def test_who_has_no_requests_and_who_finds_none_is_told(sign_in: SignIn) -> None:
    visitor = await sign_in()
    assert "No requests yet" in (await visitor.get("/requests")).text
    page = (await visitor.get(address(filter=LOW))).text
    assert "No request matches" in page
    assert 'href="/requests">Show all requests' in page


async def test_a_search_that_takes_too_long_says_so_and_can_be_changed(
    start_service: StartService, dsn: str
) -> None:
    service = await start_service(statement_timeout_ms=2000)
    connection = await asyncpg.connect(dsn)
    async with httpx.AsyncClient(base_url=service.address, timeout=30) as visitor:
        await visitor.post("/sign-in", data={"key": await service.make_key()})
        async with connection.transaction():
            await connection.execute("LOCK TABLE request IN ACCESS EXCLUSIVE MODE")
            response = await visitor.get(address(filter=MODEL))
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert "The search took too long" in response.text
        assert json.dumps(MODEL) in unescape(response.text)
        assert (await visitor.get(address(filter=MODEL))).status_code == 200
    await connection.close()
