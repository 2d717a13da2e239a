"""Pages that decide: cases side by side, release checks, and how well judges and people agree."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

import asyncpg
import msgspec
from heliscore.domain.author import Author, Origin
from heliscore.domain.score import Score
from heliscore.store import organizations, scores
from heliscore.store.scores import ScoreIds, ScoreWrite

from tests.conftest import Service
from tests.dashboard.conftest import SignIn
from tests.dashboard.entries import Entry, enter
from tests.dashboard.reading import read_tables, read_text
from tests.dashboard.test_compare import MONDAY, WEEK, get


def asked(question: str, answer: str) -> dict[str, str]:
    request = {"model": "m", "messages": [{"role": "user", "content": question}]}
    response = {"choices": [{"message": {"role": "assistant", "content": answer}}]}
    return {
        "request_body": msgspec.json.encode(request).decode(),
        "response_body": msgspec.json.encode(response).decode(),
    }


def links_of(page: str) -> list[str]:
    return [unescape(href) for href in re.findall(r'href="([^"]*)"', page)]


async def test_cases_stand_side_by_side_the_greatest_fall_first(service: Service, sign_in: SignIn) -> None:
    entries = [
        Entry(
            MONDAY,
            {"quality": quality, "short": number % 2 == 0},
            asked(f"question {number}", f"answer of **{group}** to {number}"),
            {"variant": group, "item": f"i{number}"},
            f"{group}{number}",
        )
        for group, fall in (("A", 0), ("B", 3))
        for number in range(23)
        for quality in (90 - fall * number,)
    ]
    again = Entry(MONDAY, {"quality": 40}, {}, {"variant": "B", "item": "i0"}, "later")
    alone = Entry(MONDAY, {"quality": 1}, {}, {"variant": "B", "item": "alone"})
    await enter(service.dsn, [*entries, again, alone])
    client = await sign_in()
    address = f"{WEEK}&by=property:variant&group=A&group=B&pair=property:item&score=quality"
    comparison = await get(client, f"/compare?{address}")
    [cases] = [href for href in links_of(comparison) if href.startswith("/compare/cases?")]
    page = await get(client, cases)
    text = read_text(page)
    assert (
        "1 - 20 of 23 by item, where B is worst beside A on quality first: the greatest fall, as no" in text
    )
    heads = [read_text(head) for head in re.findall(r"<h2>.*?</h2>", page, re.DOTALL)]
    assert (heads[:2], len(heads)) == (["i22 -66", "i21 -63"], 20)
    assert "i0 -25" in heads  # B has it twice, and counts with the mean of both
    assert "question 22 A 90 answer of A to 22 Conversation of A B 24 answer of B to 22" in text
    assert "<strong>B</strong>" in page
    assert read_tables(page)[0] == [
        ["Score", "A", "B", "Difference"],
        ["quality", "90", "24", "-66"],
        ["short", "true", "true", "±0"],
    ]
    assert {"/requests/A22", "/requests/B22"} <= {*links_of(page)}
    [later] = [href for href in links_of(page) if "page=2" in href]
    page = await get(client, f"/compare/cases{later}")
    heads = [read_text(head) for head in re.findall(r"<h2>.*?</h2>", page, re.DOTALL)]
    assert heads == ["i3 -9", "i2 -6", "i1 -3"]
    key = await service.make_key()
    definition = {"type": "integer", "direction": "lower"}
    await client.put(
        "/v1/score-definitions/quality", json=definition, headers={"Authorization": f"Bearer {key}"}
    )
    page = await get(client, f"/compare/cases?{address}&page=2")
    assert "on quality first." in read_text(page)
    assert "i22 -66" in read_text(page)
    empty = await get(client, f"/compare/cases?{address.replace('group=B', 'group=C')}")
    assert "No item has quality both in A and in C in this period." in read_text(empty)
    faults = {
        f"{address}&page=0": "page expected a number from 1 to 5,000",
        f"{WEEK}&by=model&group=A&pair=item&score=s": "group expected two groups, the base first, got 1",
        f"{WEEK}&by=model&group=A&without=1&pair=user_id": "score missing; the cases are of one score",
    }
    for question, error in faults.items():
        assert error in read_text(await get(client, f"/compare/cases?{question}", 400))


async def test_release_is_checked_and_the_check_can_be_repeated(service: Service, sign_in: SignIn) -> None:
    rows = [
        Entry(MONDAY, {"quality": quality + n % 3, "ok": n % 9 > 0}, {}, {"version": version})
        for version, quality in (("1", 80), ("2", 70))
        for n in range(40)
    ]
    await enter(service.dsn, rows)
    client = await sign_in()
    groups = f"{WEEK}&by=property:version&group=1&group=2"
    comparison = await get(client, f"/compare?{groups}")
    [form] = [href for href in links_of(comparison) if href.startswith("/compare/check?")]
    page = await get(client, form)
    assert "May 2 replace 1 ?" in read_text(page)
    assert 'class="outcome' not in page  # nobody said yet what may be lost
    rules = [
        ("check", "quality"),
        ("rule", "notWorseBy"),
        ("bound", "2"),
        ("check", "ok"),
        ("rule", "atLeast"),
    ]
    address = f"/compare/check?{groups}&{urlencode([*rules, ('bound', '0.8')])}"
    page = await get(client, address)
    assert "It fails." in read_text(page)
    section = page.partition('class="outcomes"')[2].partition("</ul>")[0]
    outcomes = [read_text(one) for one in re.findall(r"<li>.*?</li>", section, re.DOTALL)]
    assert outcomes == [
        "fail quality fell by 10.0 (95 % -10.4 to -9.6), allowed 2; 40 against 40 requests",
        "pass ok is 87.5 % (95 % 73.9 to 94.5), at least 80 % asked; 40 requests",
    ]
    command = read_text(page).partition("The same question as a command ")[2]
    assert command.startswith('curl "$HELISCORE_URL/v1/evals/gate" -H "Authorization: Bearer')
    body = json.loads(command.partition("-d '")[2].partition("'")[0])
    assert body == {
        "name": "release",
        "filter": "all",
        "timeFilter": {"start": "2026-03-02T00:00:00.000Z", "end": "2026-03-09T00:00:00.000Z"},
        "candidate": {"property": "version", "equals": "2"},
        "base": {"property": "version", "equals": "1"},
        "checks": [{"score": "quality", "notWorseBy": 2}, {"score": "ok", "atLeast": 0.8}],
        "atLeastRequests": 30,
        "onTooFew": "inconclusive",
    }
    headers = {"Authorization": f"Bearer {await service.make_key()}"}
    answer = (await client.post("/v1/evals/gate", json=body, headers=headers)).json()
    assert [answer["data"]["result"], *(one["result"] for one in answer["data"]["checks"])] == [
        *("fail", "fail", "pass")
    ]
    assert "It is not decided" in read_text(await get(client, f"{address}&least=100"))
    for question, error in {
        f"{address}x": "bound expected a number, got",
        f"{address}&least=many": "atLeastRequests expected an integer from 1 to 1000000000",
        f"/compare/check?{groups}&group=3": "group expected two groups, the base first, got 3",
    }.items():
        assert error in read_text(await get(client, question, 400))


async def judge(service: Service, author: Author, values: dict[str, int], name: str = "quality") -> None:
    connection = await asyncpg.connect(service.dsn)
    try:
        id_ = await organizations.ensure(connection, "default")
        at, origin = datetime.now(UTC), Origin(author, "test")
        posts = [
            ScoreWrite(id_, request_id, {name: Score(value, False)}, at, origin)
            for request_id, value in values.items()
        ]
        await scores.record(connection, ScoreIds(), posts)
    finally:
        await connection.close()


async def test_judges_and_people_are_measured_by_default_and_cells_lead_to_requests(
    service: Service, sign_in: SignIn
) -> None:
    client = await sign_in()
    assert "No scores in this period" in read_text(await get(client, f"/agreement?{WEEK}"))
    ids = [f"r{number}" for number in range(60)]
    await enter(service.dsn, [Entry(MONDAY, {"other": 3}, {}, {}, id_) for id_ in ids])
    assert "Choose two raters" in read_text(await get(client, f"/agreement?{WEEK}"))
    given = {id_: number % 5 + 1 for number, id_ in enumerate(ids)}
    await judge(service, Author("judge", "j"), given)
    corrected = {
        id_: max(value - 1, 1) if number % 4 == 0 else value
        for number, (id_, value) in enumerate(given.items())
    }
    await judge(service, Author("human", "ada"), {id_: corrected[id_] for id_ in ids[:52]})
    page = await get(client, f"/agreement?{WEEK}")
    text = read_text(page)
    assert "Judges and people agree in 80.8% (68.1% to 89.2%) of 52 requests; weighted kappa 0.95" in text
    assert "Values of judges are 0.19 higher than those of people on average (+0.08 to +0.30)." in text
    assert "8 requests have only judges." in text
    table, apart, numbers = read_tables(page)[:3]
    counts = Counter((given[id_], corrected[id_]) for id_ in ids[:52])
    assert table == [
        ["judges by people", "1", "2", "3", "4", "5"],
        *([str(a), *(str(counts[a, b] or "") for b in range(1, 6))] for a in range(5, 0, -1)),
    ]
    assert counts[2, 1] == 2
    assert apart[1][2:4] == ["+1", str(counts[int(apart[1][0]), int(apart[1][1])])]
    assert numbers[0] == ["Agreement", "Value", "95 % interval"]
    cell = next(href for href in links_of(page) if "a=2&a=2&b=1&b=1" in href)
    assert cell.startswith("/agreement/requests?")
    listed = read_tables(await get(client, cell))[0]
    assert listed[0] == ["Request", "judges", "people", "Difference"]
    wanted = sorted(id_ for id_ in ids[:52] if (given[id_], corrected[id_]) == (2, 1))
    assert (sorted(row[0] for row in listed[1:]), listed[1][1:]) == (wanted, ["2", "1", "+1"])
    # Scores are found by a filter.
    page = await get(client, f"/agreement?{WEEK}&rater=other&rater=quality&threshold=3&reference=quality")
    assert "Measured by quality" in page
    links = [href for href in links_of(page.partition("<h1>")[2]) if href.startswith("/requests?")]
    query = parse_qs(urlsplit(links[0]).query)
    assert json.loads(query["filter"][0]) == {
        "request_response_rmt": {"scores": {"other": {"equals": 3}, "quality": {"equals": 1}}}
    }
    assert query["from"] == ["2026-03-02"]
    third = urlencode({"rater": '["quality","human","ada"]'})
    page = await get(client, f"/agreement?{WEEK}&rater=other&rater=quality&{third}")
    assert len(re.findall(r'<li><a href="\?from', page)) == 3
    assert "60 requests have at least two values, 52 have all." in read_text(page)
    for question, error in {
        "rater=[1]": "rater expected a score's name, or an array of it and an author's kind",
        "tolerance=-1": "tolerance expected an integer from 0, got",
        "threshold=x": "threshold expected an integer from",
    }.items():
        assert error in read_text(await get(client, f"/agreement?{WEEK}&{question}", 400))
    bad = f"/agreement/requests?{WEEK}&rater=other&rater=quality&a=1&b=2"
    assert "a expected the lowest and the highest value" in read_text(await get(client, bad, 400))
