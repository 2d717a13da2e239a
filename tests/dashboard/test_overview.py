from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import asyncpg
import httpx

from tests.conftest import Service, StartService
from tests.dashboard.conftest import SignIn
from tests.dashboard.entries import Entry, enter
from tests.dashboard.reading import read_cards, read_charts, read_panels, read_tables, read_text

WEEK = "from=2026-03-02&to=2026-03-08"
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)

FEW = "in the 7 days before, fewer than 30 scores"
HAS_FEW = "few before no clear change from"

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(2)'>",
    "n" * 255,
    "&lt;b&gt; %41 {{ 7 * 7 }}",
    "ö ​\N{RIGHT-TO-LEFT OVERRIDE}",
)


async def get(client: httpx.AsyncClient, address: str, status: int = 200) -> str:
    response = await client.get(address)
    assert response.status_code == status, response.text
    return response.text


async def test_cards_have_exact_numbers_and_the_trend_against_the_week_before(
    service: Service, sign_in: SignIn
) -> None:
    before = MONDAY - 7 * DAY
    await enter(
        service.dsn,
        [
            Entry(before, {"accuracy": 80, "cited": True, "tone": 5, "flat": 7, "near": 1_000, "kind": 1}),
            Entry(before + DAY, {"accuracy": 81, "cited": True, "tone": 5, "near": 0}),
            Entry(before - timedelta(milliseconds=1), {"accuracy": -5000}),
            Entry(MONDAY, {"accuracy": 90, "cited": True, "tone": 1, "flat": 7, "near": 500, "kind": True}),
            Entry(MONDAY + DAY, {"accuracy": 85, "cited": False, "tone": 2, "new": True}),
            Entry(
                MONDAY + 7 * DAY - timedelta(milliseconds=1), {"accuracy": 87, "cited": False, "near": 501}
            ),
            Entry(MONDAY + 7 * DAY, {"accuracy": 9999, "late": 1}),
        ],
    )
    page = await get(await sign_in(), f"/?{WEEK}")
    assert read_cards(page) == [
        f"accuracy 87.3 {HAS_FEW} 80.5 {FEW} average of 3 scores From 85 - to 90",
        f"cited 33.3% {HAS_FEW} 100% {FEW} true of 3 scores",
        "flat 7 ±0 the same as in the 7 days before average of 1 score From 7 - to 7",
        "kind 100% ±0 the same as in the 7 days before true of 1 score",
        f"near 500.5 {HAS_FEW} 500 {FEW} average of 2 scores From 500 - to 501",
        "new 100% new true of 1 score",
        f"tone 1.50 {HAS_FEW} 5 {FEW} average of 2 scores From 1 - to 2",
    ]
    assert "No scores in this period: late" in read_text(page)


async def test_trend_is_shown_where_it_is_more_than_chance(service: Service, sign_in: SignIn) -> None:
    """In each week 40 scores of a name. Of `cited`, half of the new ones were sent as integers."""
    entries = []
    for number in range(40):
        value, few, many = 60 + number % 4, number < 10, number < 30
        before = {"up": value, "down": value, "noise": value, "cited": few, "checked": int(few)}
        entries.append(Entry(MONDAY - 7 * DAY, {**before, "alike": 50, "scale": 50}))
        now = {"up": value + 2, "down": value - 2, "noise": 60 + number % 5, "checked": int(many)}
        mixed = int(many) if number % 2 else many
        entries.append(Entry(MONDAY, {**now, "cited": mixed, "alike": 70, "scale": many}))
    await enter(service.dsn, entries)
    page = await get(await sign_in(), f"/?{WEEK}")
    week = "in the 7 days before"
    assert read_cards(page) == [
        f"alike 70 up by 20.0 from 50 {week} average of 40 scores From 70 - to 70",
        f"down 59.5 down by 2.00 from 61.5 {week}, 95 % 1.50 to 2.50 average of 40 scores From 58 - to 61",
        f"up 63.5 up by 2.00 from 61.5 {week}, 95 % 1.50 to 2.50 average of 40 scores From 62 - to 65",
        f"checked 0.75 up by 0.50 from 0.25 {week}, 95 % 0.29 to 0.65 average of 40 scores From 0 - to 1",
        f"cited 75% up by 50.0 pts from 25% {week}, 95 % 28.5 to 65.3 true of 40 scores",
        f"noise 62 ± no clear change from 61.5 {week}, 95 % -0.08 to +1.08"
        " average of 40 scores From 60 - to 64",
        "scale 75% true of 40 scores",
    ]
    assert 'title="61.5 in the 7 days before, 95 % 1.50 to 2.50"' in page
    assert "No clear change from 61.5 in the 7 days before: 95 % \N{MINUS SIGN}0.08 to +1.08" in page


async def test_numbers_at_the_ends_of_64_bits_are_exact(service: Service, sign_in: SignIn) -> None:
    high, low = 2**63 - 1, -(2**63)
    entries = [Entry(MONDAY, {"huge": value}) for value in (high, high, low)]
    await enter(service.dsn, entries)
    page = await get(await sign_in(), f"/?{WEEK}")
    average = f"{(2 * high + low) / 3:,.0f}"
    assert read_cards(page) == ["huge 3.07e18 new average of 3 scores From -9.22e18 - to 9.22e18"]
    shown = unescape(page)
    assert f'title="{average}: its requests"' in shown
    assert f'title="\N{MINUS SIGN}{-low:,}"' in shown
    assert f'title="{high:,}"' in shown
    distribution = read_tables(page)[1]
    assert [row[1] for row in distribution[1:] if row[1] != "0"] == ["1", "2"]
    assert len(distribution) <= 26


async def test_charts_have_a_table_with_every_stretch_and_bin(service: Service, sign_in: SignIn) -> None:
    times = (MONDAY, MONDAY + 23 * HOUR, MONDAY + 2 * DAY, MONDAY + 2 * DAY + HOUR)
    await enter(
        service.dsn,
        [
            Entry(at, {"accuracy": value, "cited": value > 90})
            for at, value in zip(times, (90, 91, 95, 90), strict=True)
        ],
    )
    client = await sign_in()
    address = "/?from=2026-03-02&to=2026-03-05"
    page = await get(client, address)
    assert read_charts(page) == [
        [
            "02 Mar 2026 average 90.5 2 scores",
            "03 Mar 2026 no score",
            "04 Mar 2026 average 92.5 2 scores",
            "05 Mar 2026 no score",
        ],
        [
            "90 2 scores, 50%",
            "91 1 score, 25%",
            "92 0 scores, 0%",
            "93 0 scores, 0%",
            "94 0 scores, 0%",
            "95 1 score, 25%",
        ],
        [
            "02 Mar 2026 share of true 50% 2 scores",
            "03 Mar 2026 no score",
            "04 Mar 2026 share of true 50% 2 scores",
            "05 Mar 2026 no score",
        ],
        ["false 2 scores, 50%", "true 2 scores, 50%"],
    ]
    assert read_tables(page) == [
        [
            ["Day", "Average", "Scores"],
            ["02 Mar 2026", "90.5", "2"],
            ["03 Mar 2026", "-", "0"],
            ["04 Mar 2026", "92.5", "2"],
            ["05 Mar 2026", "-", "0"],
        ],
        [["Value", "Scores"], ["90", "2"], ["91", "1"], ["92", "0"], ["93", "0"], ["94", "0"], ["95", "1"]],
        [
            ["Day", "Share of true", "Scores"],
            ["02 Mar 2026", "50%", "2"],
            ["03 Mar 2026", "-", "0"],
            ["04 Mar 2026", "50%", "2"],
            ["05 Mar 2026", "-", "0"],
        ],
        [["Value", "Scores"], ["false", "2"], ["true", "2"]],
    ]
    hours = read_tables(await get(client, f"{address}&step=hour&score=accuracy"))[0]
    assert len(hours) == 1 + 96
    assert [row for row in hours if row[2] != "0"] == [
        ["Hour", "Average", "Scores"],
        ["02 Mar, 00:00", "90", "1"],
        ["02 Mar, 23:00", "91", "1"],
        ["04 Mar, 00:00", "95", "1"],
        ["04 Mar, 01:00", "90", "1"],
    ]
    weeks = read_tables(await get(client, "/?from=2026-03-01&to=2026-03-31&step=week&score=cited"))[0]
    assert [row[0] for row in weeks[1:]] == [
        "23 Feb 2026", "02 Mar 2026", "09 Mar 2026", "16 Mar 2026", "23 Mar 2026", "30 Mar 2026",
    ]  # fmt: skip
    assert [row[2] for row in weeks[1:]] == ["0", "4", "0", "0", "0", "0"]


async def test_wide_values_are_put_into_bins_of_round_numbers(service: Service, sign_in: SignIn) -> None:
    await enter(service.dsn, [Entry(MONDAY, {"ms": value}) for value in (-7, -1, 0, 199, 200, 1_201)])
    distribution = read_tables(await get(await sign_in(), f"/?{WEEK}"))[1]
    assert [row for row in distribution[1:] if row[1] != "0"] == [
        ["-100 - -1", "2"], ["0 - 99", "1"], ["100 - 199", "1"], ["200 - 299", "1"], ["1,200 - 1,299", "1"],
    ]  # fmt: skip
    assert len(distribution) == 1 + 14


COUNTS = {
    "model=gpt-4o": "2",
    "prompt=reply": "3",
    "prompt=reply&version=2": "1",
    "version=2": "2",
    "key=variant": "3",
    "key=variant&value=A": "2",
    "key=variant&value=A&model=gpt-4o": "1",
    "key=Variant": None,
    "model=gpt-4o'%20OR%20true--": None,
    "model=%25": None,
}
"""By filter, how many of the scores below count."""


async def test_requests_are_filtered(service: Service, sign_in: SignIn) -> None:
    await enter(
        service.dsn,
        [
            Entry(MONDAY, {"s": 1}, {"request_model": "gpt-4o", "prompt_id": "reply"}, {"variant": "A"}),
            Entry(MONDAY, {"s": 1}, {"request_model": "gpt-4o", "prompt_id": "reply", "prompt_version": "2"}),
            Entry(MONDAY, {"s": 1}, {"prompt_id": "reply"}, {"variant": "A"}),
            Entry(MONDAY, {"s": 1}, {"prompt_id": "other", "prompt_version": "2"}, {"variant": "B"}),
            Entry(MONDAY, {"s": 1}),
        ],
    )
    client = await sign_in()
    for question, count in COUNTS.items():
        page = await get(client, f"/?{WEEK}&{question}")
        if count is None:
            assert read_cards(page) == [], question
            assert "No request in this period that matches the filter has a score." in page
            continue
        [card] = read_cards(page)
        assert f"average of {count} score" in card, question
        assert read_tables(page)[1] == [["Value", "Scores"], ["1", count]], question


async def test_links_keep_what_they_do_not_change(service: Service, sign_in: SignIn) -> None:
    await enter(service.dsn, [Entry(MONDAY, {"a&b": 1, "c": 2}, {"request_model": "m+1 %"}, {"k=": "v&"})])
    address = f"/?{WEEK}&model=m%2B1+%25&key=k%3D&value=v%26&unknown=x&score=c"
    page = await get(await sign_in(), address)
    assert read_panels(page) == ["c"]
    links = {unescape(link) for link in re.findall(r'href="(\?[^"]*)"', page)}
    kept = "model=m%2B1+%25&key=k%3D&value=v%26"
    assert f"?{kept}&score=c&range=24h" in links
    assert f"?{WEEK}&{kept}&score=a%26b#charts" in links
    assert f"?{WEEK}&key=k%3D&value=v%26&score=c" in links  # without the model
    assert f"?{WEEK}&model=m%2B1+%25&score=c" in links  # without the property
    assert f"?{WEEK}&{kept}&score=c&step=hour#charts" in links
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)
    assert ("key", "k=") in fields
    # But for the address to which the form for one's name returns.
    assert "unknown" not in str(links) + str([field for field in fields if field[0] != "next"])


async def test_filters_offer_what_the_organizations_requests_have(service: Service, sign_in: SignIn) -> None:
    columns = {"request_model": "gpt-4o", "prompt_id": "reply", "prompt_version": "2"}
    await enter(service.dsn, [Entry(MONDAY, {}, columns, {"env": "prod", "<k>": "<v>"})], "mine")
    await enter(service.dsn, [Entry(MONDAY, {"s": 1})] * 2, "mine")
    theirs = {"request_model": "theirs-1", "prompt_id": "theirs-2", "prompt_version": "theirs-3"}
    await enter(service.dsn, [Entry(MONDAY, {"theirs-4": 1}, theirs, {"theirs-5": "theirs-6"})], "other")
    page = await get(await sign_in("mine"), f"/?{WEEK}&key=%3Ck%3E")
    offered = dict(re.findall(r'<datalist id="(\w+)-values">(.*?)</datalist>', page, re.DOTALL))
    assert {
        name: [unescape(value) for value in re.findall('value="(.*?)"', options)]
        for name, options in offered.items()
    } == {
        "model": ["gpt-4o"],
        "prompt": ["reply"],
        "version": ["2"],
        "key": ["<k>", "env"],
        "value": ["<v>"],
    }
    assert "theirs" not in page


async def test_another_organizations_scores_do_not_count(service: Service, sign_in: SignIn) -> None:
    await enter(service.dsn, [Entry(MONDAY, {"shared": 10, "mine": 1})], "mine")
    await enter(service.dsn, [Entry(MONDAY, {"shared": 90, "theirs": 1})], "other")
    page = await get(await sign_in("mine"), f"/?{WEEK}&score=shared&score=theirs")
    assert [card.split(" average")[0] for card in read_cards(page)] == ["mine 1 new", "shared 10 new"]
    assert read_panels(page) == ["shared", "theirs"]  # the second is as good as never heard of
    assert "No score of this name in this period." in page
    assert read_tables(page)[1] == [["Value", "Scores"], ["10", "1"]]


async def test_few_scores_are_all_charted_and_of_many_the_one_given_most(
    service: Service, sign_in: SignIn
) -> None:
    await enter(service.dsn, [Entry(MONDAY, {"a": 1, "b": 1, "c": 1}), Entry(MONDAY, {"c": 1})])
    client = await sign_in()
    assert read_panels(await get(client, f"/?{WEEK}")) == ["a", "b", "c"]
    await enter(service.dsn, [Entry(MONDAY, {"d": 1})])
    page = await get(client, f"/?{WEEK}")
    assert read_panels(page) == ["c"]
    assert page.count('aria-current="true"') == 3
    assert read_panels(await get(client, f"/?{WEEK}&score=d&score=a&score=d")) == ["d", "a"]


async def test_hostile_names_are_only_text(service: Service, sign_in: SignIn) -> None:
    await enter(
        service.dsn,
        [Entry(MONDAY, {name: 1}, {"request_model": name}, {name: name}) for name in HOSTILE],
    )
    client = await sign_in()
    for name in HOSTILE:
        params = {"from": "2026-03-02", "score": name, "model": name, "key": name, "value": name}
        response = await client.get("/", params=params)
        assert response.status_code == 200
        assert [card.split(" 1 new ")[0] for card in read_cards(response.text)] == [" ".join(name.split())]
        assert read_panels(response.text) == [name]
        assert "<script>alert" not in response.text
        assert "<img src=x" not in response.text
        assert "49" not in read_text(response.text)


FAULTS = {
    "range=1y": 'range expected one of 24h, 7d, 30d, 90d, got "1y"',
    "from=2026-03-08&to=2026-03-02": "to must not be before 2026-03-08",
    "to=2026-03-02": "from missing; a custom range needs a first day",
    "from=yesterday": 'from expected a date such as 2026-01-31, got "yesterday"',
    "from=0001-01-01": 'from expected a date such as 2026-01-31, got "0001-01-01"',
    "from=2026-01-01&to=9999-12-31": 'to expected a date such as 2026-01-31, got "9999-12-31"',
    "from=1990-01-01&to=2026-01-01": "to expected a range of at most 3660 days",
    "value=A": "key missing; a value belongs to a property",
    "step=minute": "step expected one of hour, day for 7 days",
    "range=90d&step=hour": "step expected one of day, week for 90 days",
    "model=a%00b": "model must not contain NUL",
    "score=a%00b": "score must not contain NUL",
    "&".join(f"score={n}" for n in range(7)): "score at most 6 at a time",
}


async def test_what_cannot_be_shown_is_named(sign_in: SignIn) -> None:
    client = await sign_in()
    for question, error in FAULTS.items():
        page = await get(client, f"/?{question}", 400)
        assert f"This page cannot be shown {error}" in read_text(page)


async def test_ranges_up_to_now(service: Service, sign_in: SignIn) -> None:
    now = datetime.now(UTC)
    ages = (HOUR, 23 * HOUR, 2 * DAY, 20 * DAY, 60 * DAY)
    await enter(service.dsn, [Entry(now - age, {"s": 1}) for age in ages])
    client = await sign_in()
    counts = {"range=24h": "2", "range=7d": "3", "": "3", "range=30d": "4", "range=90d": "5"}
    for question, count in counts.items():
        [card] = read_cards(await get(client, f"/?{question}"))
        assert f" average of {count} scores " in card
    steps = {"range=24h": "Hour", "range=7d": "Day", "range=30d": "Day", "range=90d": "Week"}
    for question, step in steps.items():
        assert read_tables(await get(client, f"/?{question}"))[0][0] == [step, "Average", "Scores"]


async def test_a_time_without_scores_says_so_and_offers_a_longer_one(
    service: Service, sign_in: SignIn
) -> None:
    await enter(service.dsn, [Entry(MONDAY, {"old": 1})])
    page = await get(await sign_in(), "/?range=24h")
    assert "No scores in this period No request in this period has a score. Show 90 days" in read_text(page)
    assert "No scores in this period: old" in read_text(page)


async def test_an_empty_organization_is_told_how_to_begin_and_when_its_first_score_arrives(
    service: Service, sign_in: SignIn
) -> None:
    await enter(service.dsn, [Entry(MONDAY, {"theirs": 1})], "other")
    client = await sign_in("mine")
    page = (await client.get("/", headers={"Host": "scores.example:1234"})).text
    text = read_text(page)
    assert 'curl http://scores.example:1234/v1/request/req_1/score \\ -H "Authorization: Bearer $KEY"' in text
    assert "heliscore demo" in text
    assert 'href="/docs"' in page
    assert (await client.get("/first-score")).json() == {"arrived": False}
    await enter(service.dsn, [Entry(datetime.now(UTC), {"accuracy": 95})], "mine")
    assert (await client.get("/first-score")).json() == {"arrived": True}
    assert [card.split(" new ")[0] for card in read_cards(await get(client, "/"))] == ["accuracy 95"]


async def test_what_takes_too_long_offers_a_shorter_range(
    start_service: StartService, service: Service, sign_in: SignIn
) -> None:
    hurried = await start_service(statement_timeout_ms=2000)
    cookies = (await sign_in()).cookies
    connection = await asyncpg.connect(service.dsn)
    async with httpx.AsyncClient(base_url=hurried.address, cookies=cookies, timeout=30) as client:
        async with connection.transaction():
            await connection.execute("LOCK TABLE score IN ACCESS EXCLUSIVE MODE")
            for path in ("/", "/compare"):
                response = await client.get(f"{path}?range=90d&model=m")
                assert (response.status_code, response.headers["retry-after"]) == (503, "1")
                text = read_text(response.text)
                assert "The database took longer than the limit of 2000 ms" in text
                assert "Show 30 days Show 7 days Show 24 hours Try again" in text
                assert "?model=m&amp;range=30d" in response.text
        assert (await client.get("/?range=90d&model=m")).status_code == 200
    await connection.close()
