"""The overview as a way to the requests behind its numbers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import msgspec

from tests.conftest import Service
from tests.dashboard.conftest import SignIn
from tests.dashboard.entries import Entry, enter
from tests.dashboard.reading import read_cards, read_charts, read_tables, read_text

WEEK = "from=2026-03-02&to=2026-03-08"
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
TABLE = "request_response_rmt"


async def get(client: httpx.AsyncClient, address: str, status: int = 200) -> str:
    response = await client.get(address)
    assert response.status_code == status, response.text
    return response.text


async def define(service: Service, name: str, direction: str) -> None:
    client = await service.client()
    body = {"type": "integer", "direction": direction}
    (await client.put(f"/v1/score-definitions/{name}", json=body)).raise_for_status()


def read_links(piece: str) -> list[tuple[str, dict[str, object], str]]:
    """The links to requests: their text, the conditions on them in the table of requests, and the sort."""
    found = []
    for href, text in re.findall(r'<a href="(/requests\?[^"]*)"[^>]*>(.*?)</a>', piece, re.DOTALL):
        query = parse_qs(urlsplit(unescape(href)).query)
        leaf = msgspec.json.decode(query["filter"][0], type=dict[str, dict[str, object]])[TABLE]
        if {"from", "to"} <= query.keys():
            leaf = {**leaf, "range": (query["from"][0], query["to"][0])}
        found.append((read_text(text), leaf, query.get("sort", [""])[0]))
    return found


async def count(client: httpx.AsyncClient, href: str) -> int:
    found: int = (await client.get(href.replace("/requests?", "/request-count?"))).json()["count"]
    return found


async def test_every_number_leads_to_its_requests(service: Service, sign_in: SignIn) -> None:
    at = (MONDAY + HOUR, MONDAY + 2 * HOUR, MONDAY + 6 * DAY)
    await enter(service.dsn, [Entry(time, {"tone": n}) for time, n in zip(at, (1, 9, 9), strict=True)])
    await define(service, "tone", "lower")
    client = await sign_in()
    page = await get(client, f"/?{WEEK}&model=")
    worst, whole = '{"scores":{"tone":"desc"}}', ("2026-03-02", "2026-03-08")
    has_it = {"exists": True}
    [card] = re.findall(r'<li class="card stat">.*?</li>', page, re.DOTALL)
    assert read_links(card) == [
        ("6.33", {"scores": {"tone": has_it}, "range": whole}, worst),
        ("3 scores", {"scores": {"tone": has_it}, "range": whole}, ""),
        ("1", {"scores": {"tone": {"equals": 1}}, "range": whole}, ""),
        ("9", {"scores": {"tone": {"equals": 9}}, "range": whole}, ""),
    ]
    trend, distribution = re.findall(r"<tbody>(.*?)</tbody>", page, re.DOTALL)
    first, last = (
        {"scores": {"tone": has_it}, "request_created_at": {"gte": f"{begin}Z", "lt": f"{end}Z"}}
        for begin, end in (
            ("2026-03-02T00:00:00", "2026-03-03T00:00:00"), ("2026-03-08T00:00:00", "2026-03-09T00:00:00"),
        )
    )  # fmt: skip
    assert read_links(trend) == [("5", first, worst), ("2", first, ""), ("9", last, worst), ("1", last, "")]
    ones, nines = (
        {"scores": {"tone": {"equals": value}}, "range": ("2026-03-02", "2026-03-08")} for value in (1, 9)
    )
    assert read_links(distribution) == [("1", ones, worst), ("2", nines, worst)]
    plots = re.findall(r'<svg class="targets" aria-hidden="true">(.*?)</svg>', page, re.DOTALL)
    assert [[link[1:] for link in read_links(plot)] for plot in plots] == [
        [(first, worst), (last, worst)], [(ones, worst), (nines, worst)],
    ]  # fmt: skip
    for href in re.findall(r'<a href="(/requests\?[^"]*request_created_at[^"]*)"', trend):
        assert await count(client, unescape(href)) in (1, 2)


async def test_wide_bars_lead_to_the_values_between_their_bounds(service: Service, sign_in: SignIn) -> None:
    await enter(service.dsn, [Entry(MONDAY, {"ms": value}) for value in (0, 99, 2_400)])
    page = await get(await sign_in(), f"/?{WEEK}")
    [_, distribution] = re.findall(r"<tbody>(.*?)</tbody>", page, re.DOTALL)
    assert [(number, leaf["scores"], sort) for number, leaf, sort in read_links(distribution)] == [
        ("2", {"ms": {"gte": 0, "lte": 99}}, ""),
        ("1", {"ms": {"gte": 2_400, "lte": 2_499}}, ""),
    ]


async def test_relative_range_and_filters_go_along(service: Service, sign_in: SignIn) -> None:
    now = datetime.now(UTC)
    await enter(service.dsn, [Entry(now - HOUR, {"s": 1}, {"request_model": "m"})])
    client = await sign_in()
    page = await get(client, "/?range=24h&model=m&zone=Asia%2FTokyo&score=s&step=hour&unknown=x")
    shared = {"range": "24h", "model": "m", "zone": "Asia/Tokyo"}
    menu = re.search(r'<nav class="menu".*?</nav>', page, re.DOTALL)
    assert menu
    links = [urlsplit(unescape(href)) for href in re.findall(r'href="([^"]*)"', menu[0])]
    assert {"/", "/requests", "/compare"} <= {link.path for link in links}
    assert all(dict(parse_qsl(link.query)) == shared for link in links)
    [card] = re.findall(r'<li class="card stat">.*?</li>', page, re.DOTALL)
    query = dict(parse_qsl(urlsplit(unescape(re.findall(r'"(/requests\?[^"]*)"', card)[0])).query))
    assert (query["range"], query["zone"]) == ("24h", "Asia/Tokyo")
    assert msgspec.json.decode(query["filter"]) == {
        "left": {TABLE: {"model": {"in": ["m"]}}},
        "operator": "and",
        "right": {TABLE: {"scores": {"s": {"exists": True}}}},
    }
    for path in ("/requests", "/compare", "/changes", "/monitors"):
        found = await get(client, f"{path}?range=30d&key=env&other=1")
        assert 'href="/?range=30d&amp;key=env"' in found, path
    assert 'href="/"' in await get(client, "/compare")


async def test_clear_changes_are_better_or_worse_where_that_is_known(
    service: Service, sign_in: SignIn
) -> None:
    entries = []
    for number in range(40):
        value = 60 + number % 4
        entries.append(
            Entry(MONDAY - 7 * DAY, {"cost": value, "quality": value, "unknown": value, "still": 5})
        )
        after = {"cost": value - 2, "quality": value - 9, "unknown": value - 1, "still": 5}
        entries.append(Entry(MONDAY, after))
    await enter(service.dsn, entries)
    await define(service, "cost", "lower")
    await define(service, "quality", "higher")
    page = await get(await sign_in(), f"/?{WEEK}")
    week = "in the 7 days before"
    cards = [card.partition(", 95 %")[0].partition(" average")[0] for card in read_cards(page)]
    assert cards == [
        f"quality 52.5 down by 9.00 worse from 61.5 {week}",
        f"cost 59.5 down by 2.00 better from 61.5 {week}",
        f"unknown 60.5 down by 1.00 from 61.5 {week}",
        f"still 5 ±0 the same as {week}",
    ]
    assert re.findall(r'<p class="trend (is-\w+)"', page) == ["is-worse", "is-better"]
    assert re.findall(r'<section class="charted" aria-label="(.*?)">', page) == ["quality"]


async def test_first_uses_are_marked(service: Service, sign_in: SignIn) -> None:
    def uses(day: float, model: str, version: str, env: str) -> Entry:
        columns = {"request_model": model, "prompt_id": "reply", "prompt_version": version}
        return Entry(MONDAY + day * DAY, {"tone": 5}, columns, {"env": env})

    await enter(
        service.dsn,
        [
            uses(-9, "ancient", "0", "old"),
            uses(-2, "a", "1", "prod"),
            uses(0.5, "a", "1", "prod"),
            uses(2.25, "a", "2", "prod"),
            uses(4, "b", "2", "<test>"),
            uses(4.5, "a", "1", "prod"),
        ],
    )
    client = await sign_in()
    page = await get(client, f"/?{WEEK}")
    rows = [row[0] for row in read_tables(page)[0][1:]]
    assert rows == [
        "02 Mar 2026", "03 Mar 2026", "04 Mar 2026 reply 2", "05 Mar 2026", "06 Mar 2026 b", "07 Mar 2026",
        "08 Mar 2026",
    ]  # fmt: skip
    assert read_charts(page)[0][2] == "04 Mar 2026 average 5 1 score first use of reply 2"
    assert re.findall(r'<line class="mark" x1="([^"]+)"', page) == ["32.14%", "57.14%"]
    [chip] = read_links(re.findall(r'<th scope="row">04 Mar 2026.*?</th>', page, re.DOTALL)[0])
    leaf = {
        "prompt_id": {"in": ["reply"]},
        "prompt_version": {"in": ["2"]},
        "range": ("2026-03-02", "2026-03-08"),
    }
    assert chip == ("reply 2", leaf, "")
    # Of a property of choice; and only of requests that match the filters.
    rows = [row[0] for row in read_tables(await get(client, f"/?{WEEK}&mark=env"))[0][1:]]
    assert [row for row in rows if " = " in row] == ["06 Mar 2026 env = <test>"]
    rows = [row[0] for row in read_tables(await get(client, f"/?{WEEK}&model=b"))[0][1:]]
    assert not [row for row in rows if not row.endswith("2026")]


async def test_days_begin_by_the_clock_of_the_zone(service: Service, sign_in: SignIn) -> None:
    late = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
    await enter(
        service.dsn, [Entry(late, {"s": 1}), Entry(late + HOUR, {"s": 2}), Entry(late - DAY, {"s": 3})]
    )
    client = await sign_in()
    address = "/?from=2026-03-02&to=2026-03-03&zone=Europe%2FBerlin"
    page = await get(client, f"{address}&step=day")
    assert read_tables(page)[0] == [
        ["Day", "Average", "Scores"], ["02 Mar 2026", "3", "1"], ["03 Mar 2026", "1.50", "2"],
    ]  # fmt: skip
    assert "and number of scores, Europe/Berlin" in read_text(page)
    assert '<option value="Europe/Berlin" selected>' in page
    [day] = re.findall(r'<a href="(/requests\?[^"]*)">1.50<', page)
    filter_ = parse_qs(urlsplit(unescape(day)).query)["filter"][0]
    times = {"gte": "2026-03-02T23:00:00Z", "lt": "2026-03-03T23:00:00Z"}
    assert msgspec.json.decode(filter_)[TABLE]["request_created_at"] == times
    hours = read_tables(await get(client, f"{address}&step=hour"))[0]
    assert [row for row in hours if row[2] == "1"] == [
        ["02 Mar, 00:00", "3", "1"], ["03 Mar, 00:00", "1", "1"], ["03 Mar, 01:00", "2", "1"],
    ]  # fmt: skip
    for zone in ("CET", "Europe/Nowhere", "../UTC", "a\0b"):
        response = await client.get("/", params={"zone": zone})
        assert response.status_code == 400
        assert "zone expected the name of a time zone, such as Europe/Berlin" in read_text(response.text)


async def test_requests_without_a_score_are_counted(service: Service, sign_in: SignIn) -> None:
    entries = [Entry(MONDAY, {"s": 1}, {"request_model": model}) for model in "aab"]
    silent = [Entry(MONDAY, {}, {"request_model": "a"}), Entry(MONDAY - DAY, {}), Entry(MONDAY, {})]
    await enter(service.dsn, entries + silent)
    client = await sign_in()
    page = await get(client, f"/?{WEEK}&model=a&score=s&step=day")
    [(address, href)] = re.findall(
        r'id="unscored" data-address="([^"]*)"><a href="([^"]*)">Requests without a score</a>', page
    )
    assert (await client.get(unescape(address))).json() == {"requests": 3, "unscored": 1}
    assert await count(client, unescape(href)) == 1
    assert (await client.get(f"/unscored-count?{WEEK}")).json() == {"requests": 5, "unscored": 2}
    response = await client.get("/unscored-count?range=1y")
    assert (response.status_code, "range" in response.json()["error"]) == (400, True)
