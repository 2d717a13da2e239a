from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx
from markupsafe import escape

from tests.conftest import Service
from tests.dashboard.conftest import SignIn
from tests.dashboard.entries import Entry, enter
from tests.dashboard.reading import read_charts, read_list, read_tables, read_text
from tests.dashboard.test_overview import HOSTILE

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = "from=2026-03-02&to=2026-03-08"


async def get(client: httpx.AsyncClient, address: str, status: int = 200) -> str:
    response = await client.get(address)
    assert response.status_code == status, response.text
    return response.text


def variant(name: str | None, **scores: int | bool) -> Entry:
    return Entry(MONDAY, {**scores}, {}, {} if name is None else {"variant": name})


async def test_groups_stand_side_by_side_with_exact_numbers(service: Service, sign_in: SignIn) -> None:
    accuracy = {"A": [*range(60, 90)], "B": [*range(64, 94), 100], "C": [50, 51]}
    await enter(
        service.dsn,
        [
            variant(name, accuracy=value, cited=value % 4 != 0)
            for name, values in accuracy.items()
            for value in values
        ],
    )
    await enter(
        service.dsn, [variant("A", only=3), variant(None, accuracy=1), Entry(MONDAY, {"accuracy": 7})]
    )
    client = await sign_in()
    address = (
        f"/compare?{WEEK}&by=property:variant&group=A&group=B&group=C&score=accuracy&score=cited&score=only"
    )
    page = await get(client, address)
    comparison, accuracies, cited, only = read_tables(page)
    assert comparison == [
        ["Score", "A base", "B use as base", "C use as base"],
        # Four comparisons: the intervals are at 98.75 %, and the smallest p is multiplied by four.
        [
            "accuracy average",
            "74.5 sd 8.80 · 30 scores",
            "79.2 +4.7 -1.3 to +10.7 no difference shown p 0.15 sd 9.48 · 31 scores",
            "50.5 -24.0 -28.5 to -19.5 lower p <0.0001 sd 0.71 · 2 scores few",
        ],
        [
            "cited share of true",
            "73.3% 30 scores",
            "71% -2.4 pts -29.2 to +25.1 no difference shown p 0.84 31 scores",
            "100% +26.7 pts -50.5 to +49.5 no difference shown p 0.81 2 scores few",
        ],
        ["only average", "3 1 score few", "no score", "no score"],
    ]
    assert accuracies[0] == ["Value", "A", "B", "C"]
    assert accuracies[1:4] == [
        ["50 - 54", "0", "0", "2"],
        ["55 - 59", "0", "0", "0"],
        ["60 - 64", "5", "1", "0"],
    ]
    assert accuracies[-1] == ["100 - 104", "0", "1", "0"]
    assert [sum(int(row[column]) for row in accuracies[1:]) for column in (1, 2, 3)] == [30, 31, 2]
    assert cited == [["Value", "A", "B", "C"], ["false", "8", "9", "0"], ["true", "22", "22", "2"]]
    assert only == [["Value", "A", "B", "C"], ["3", "1", "0", "0"]]
    charts = read_charts(page)
    assert charts[0][:3] == [
        "50 - 54 A: 0%, 0 B: 0%, 0 C: 100%, 2",
        "55 - 59 A: 0%, 0 B: 0%, 0 C: 0%, 0",
        "60 - 64 A: 16.7%, 5 B: 3.2%, 1 C: 0%, 0",
    ]
    assert charts[1:] == [
        ["A: 73.3% 22 of 30", "B: 71% 22 of 31", "C: 100% 2 of 2"],
        ["3 A: 100%, 1"],
    ]
    assert "?from=2026-03-02&to=2026-03-08&by=property%3Avariant&score=accuracy" in unescape(page)
    assert "&group=B&group=A&group=C" in unescape(page)


async def test_requests_are_grouped_by_any_field_and_those_without_it_are_one_too(
    service: Service, sign_in: SignIn
) -> None:
    columns = {
        "request_model": "m1",
        "provider": "OPENAI",
        "prompt_id": "reply",
        "prompt_version": "v1",
        "user_id": "ada",
    }
    await enter(service.dsn, [Entry(MONDAY, {"s": 4}, columns, {"k": "x"}), Entry(MONDAY, {"s": 2})])
    client = await sign_in()
    values = {
        "model": "m1",
        "provider": "OPENAI",
        "prompt_id": "reply",
        "prompt_version": "v1",
        "user_id": "ada",
        "property:k": "x",
    }
    for by, value in values.items():
        rows = read_tables(await get(client, f"/compare?{WEEK}&by={by}"))[0]
        assert rows == [["Score", value], ["s average", "4 1 score few"]]
        rows = read_tables(await get(client, f"/compare?{WEEK}&by={by}&group={value}&without=1"))[0]
        assert rows == [
            ["Score", f"{value} base", "none"],
            # Versions are those of one prompt, which the other request does not have.
            ["s average", "4 1 score few", "no score"]
            if by == "prompt_version"
            else ["s average", "4 1 score few", "2 -2.00 ? too few 1 score few"],
        ]


def answers(prompt: str, version: int, value: int, count: int) -> list[Entry]:
    columns = {"prompt_id": prompt, "prompt_version": str(version)}
    return [Entry(MONDAY, {"quality": value + n % 3, "other": n % 2}, columns) for n in range(count)]


async def test_versions_are_compared_within_the_most_used_prompt_and_verdicts_come_first(
    service: Service, sign_in: SignIn
) -> None:
    counts = {2: 35, 9: 50, 10: 40}
    values = {2: 80, 9: 80, 10: 60}
    await enter(service.dsn, [e for v, n in counts.items() for e in answers("reply", v, values[v], n)])
    await enter(service.dsn, [*answers("review", 1, 5, 30), *answers("review", 3, 5, 30)])
    client = await sign_in()
    page = await get(client, f"/compare?{WEEK}")
    rows = read_tables(page)[0]
    assert [head.split()[0] for head in rows[0]] == ["Score", "9", "10", "2"]
    assert read_list(page, "verdicts") == [
        "10 is lower than 9 on quality : -20.0 , sure; 40 against 50 scores -20.5 to -19.6",
        "No difference shown between 2 and 9 on other : -1.4 pts , not sure; 35 against 50 scores "
        "-26.9 to +24.3",
        "No difference shown between 2 and 9 on quality : -0.01 , not sure; 35 against 50 scores "
        "-0.47 to +0.45",
        "No difference shown between 10 and 9 on other : ±0 , not sure; 40 against 50 scores -24.8 to +24.8",
    ]
    assert "Groups: the base first, then the newest version." in read_text(page)
    definition = {"type": "integer", "direction": "higher"}
    key = await service.make_key("default", "rw")
    response = await client.put(
        "/v1/score-definitions/quality", json=definition, headers={"Authorization": f"Bearer {key}"}
    )
    assert response.status_code == 200
    page = await get(client, f"/compare?{WEEK}&by=prompt_version&score=quality&group=9&group=10&effect=0.2")
    assert read_list(page, "verdicts") == [
        "10 is worse than 9 on quality : -20.0 , sure; 40 against 50 scores -20.4 to -19.7"
    ]
    assert "10 is worse than 9 on quality" in page
    links = re.findall(r'<p class="verdict-words"><a href="(.*?)"', page)
    query = parse_qs(urlsplit(unescape(links[0])).query)
    assert (query["from"], query["to"], query["sort"]) == (
        ["2026-03-02"],
        ["2026-03-08"],
        ['{"scores":{"quality":"asc"}}'],
    )
    assert json.loads(query["filter"][0]) == {
        "left": {"request_response_rmt": {"prompt_id": {"in": ["reply"]}}},
        "operator": "and",
        "right": {
            "request_response_rmt": {
                "prompt_version": {"in": ["10"]},
                "scores": {"quality": {"exists": True}},
            }
        },
    }
    # Another prompt drops the groups of the last one.
    page = await get(
        client, f"/compare?{WEEK}&by=prompt_version&prompt=review&of=prompt_version:reply&group=9&group=10"
    )
    assert [head.split()[0] for head in read_tables(page)[0][0]] == ["Score", "1", "3"]
    assert "prompt = review" in read_text(page)
    # Another column does too, and the prompt with them, which was chosen for its versions.
    page = await get(client, f"/compare?{WEEK}&by=model&prompt=review&of=prompt_version:review&group=1")
    assert "Nothing to compare" in read_text(page)
    assert "prompt = review" not in read_text(page)


async def test_the_commonest_groups_and_the_first_scores_are_compared_where_nothing_is_chosen(
    service: Service, sign_in: SignIn
) -> None:
    entries = [
        Entry(MONDAY, {f"s{n}": n for n in range(8)}, {"request_model": f"m{model}"})
        for model in range(6)
        for _ in range(model + 1)
    ]
    await enter(service.dsn, entries)
    rows = read_tables(await get(await sign_in(), f"/compare?{WEEK}"))[0]
    assert [head.split()[0] for head in rows[0]] == ["Score", "m5", "m4", "m3", "m2"]
    assert [row[0].split()[0] for row in rows[1:]] == ["s0", "s1", "s2", "s3", "s4", "s5"]


async def test_time_and_filters_apply(service: Service, sign_in: SignIn) -> None:
    model = {"request_model": "m"}
    await enter(
        service.dsn,
        [
            Entry(MONDAY, {"s": 1}, model, {"env": "prod"}),
            Entry(MONDAY, {"s": 2}, model, {"env": "test"}),
            Entry(MONDAY + timedelta(days=7), {"s": 3}, model, {"env": "prod"}),
        ],
    )
    page = await get(await sign_in(), f"/compare?{WEEK}&key=env&value=prod")
    assert read_tables(page)[0][1] == ["s share of 1", "100% 1 score few"]


async def test_another_organizations_requests_are_no_group(service: Service, sign_in: SignIn) -> None:
    await enter(service.dsn, [Entry(MONDAY, {"s": 1}, {"request_model": "mine"}, {"k": "v"})], "mine")
    theirs = {"request_model": "strangers", "user_id": "strangers"}
    await enter(
        service.dsn, [Entry(MONDAY, {"s": 9, "strangers": 9}, theirs, {"strangers": "strangers"})], "other"
    )
    client = await sign_in("mine")
    page = await get(client, f"/compare?{WEEK}")
    assert read_tables(page)[0] == [["Score", "mine"], ["s share of 1", "100% 1 score few"]]
    assert "strangers" not in page
    page = await get(client, f"/compare?{WEEK}&group=mine&group=strangers&score=s&score=strangers")
    assert read_tables(page)[0][1:] == [
        ["s share of 1", "100% 1 score few", "no score"],
        ["strangers average", "no score", "no score"],
    ]


async def test_hostile_names_are_only_text(service: Service, sign_in: SignIn) -> None:
    await enter(
        service.dsn, [Entry(MONDAY, {name: 1}, {"request_model": name}, {name: name}) for name in HOSTILE]
    )
    client = await sign_in()
    for name in HOSTILE:
        for by in ("model", f"property:{name}"):
            params = {"from": "2026-03-02", "by": by, "group": name, "score": name}
            response = await client.get("/compare", params=params)
            assert response.status_code == 200
            assert read_tables(response.text)[0] == [
                ["Score", " ".join(name.split())],
                [f"{' '.join(name.split())} share of 1", "100% 1 score few"],
            ]
            assert "<script>alert" not in response.text
            assert "<img src=x" not in response.text
            if by != "model":
                assert f'<option value="{escape(by)}" selected>' in response.text


async def test_values_of_0_and_1_are_a_share_and_a_constant_group_has_an_interval(
    service: Service, sign_in: SignIn
) -> None:
    ones = [variant("A", k=1)] * 200 + [variant("B", k=n < 139) for n in range(200)]
    perfect = [variant("A", q=100)] * 40 + [variant("B", q=40 + 20 * (n % 3)) for n in range(40)]
    await enter(service.dsn, [*ones, *perfect])
    address = f"/compare?{WEEK}&by=property:variant&group=A&group=B&score=k&score=q"
    page = await get(await sign_in(), address)
    table, of_k, _ = read_tables(page)
    assert table[1:] == [
        ["k share of 1", "100% 200 scores", "69.5% -30.5 pts -38.2 to -23.3 lower p <0.0001 200 scores"],
        [
            "q average",
            "100 sd 0 · 40 scores",
            "59.5 -40.5 -46.6 to -34.4 lower p <0.0001 sd 16.6 · 40 scores",
        ],
    ]
    assert of_k == [["Value", "A", "B"], ["0", "0", "61"], ["1", "200", "139"]]
    assert "corrected for the 2 comparisons of this table" in read_text(page)


async def test_items_are_paired_users_are_cases_and_looks_may_be_repeated(
    service: Service, sign_in: SignIn
) -> None:
    def answer(group: str, item: int, value: int) -> Entry:
        properties = {"variant": group, "item": str(item)}
        return Entry(MONDAY, {"s": value}, {"user_id": f"u{item % 8}"}, properties)

    values = [(item, 40 + 7 * (item % 8) + item % 3) for item in range(40)]
    await enter(
        service.dsn,
        [
            *(answer("A", item, value) for item, value in values),
            *(answer("B", item, value + 1 + item % 2) for item, value in values[:39]),
        ],
    )
    client = await sign_in()
    address = f"/compare?{WEEK}&by=property:variant&group=A&group=B&score=s"

    async def cell(how: str) -> str:
        return read_tables(await get(client, address + how))[0][1][2]

    assert await cell("") == "66.4 +0.88 -6.36 to +8.13 no difference shown p 0.81 sd 16.1 · 39 scores"
    assert await cell("&pair=property:item") == (
        "66.4 +1.49 +1.32 to +1.65 higher p <0.0001 sd 16.1 · 39 scores, 39 pairs"
    )
    assert await cell("&unit=user_id") == (
        "66.4 +0.9 -17.3 to +19.0 no difference shown p 0.92 sd 16.1 · 39 scores"
    )
    assert await cell("&looks=1&effect=5") == (
        "66.4 +0.9 -26.1 to +27.8 no difference shown p 1 360 more a group needed, 63 days "
        "sd 16.1 · 39 scores"
    )
    page = await get(client, address + "&pair=property:item&looks=1&effect=5")
    command = read_text(page).partition("The same question as a command ")[2]
    assert command.startswith('curl "$HELISCORE_URL/v1/evals/ab" -H "Authorization: Bearer')
    body = json.loads(command.partition("-d '")[2].partition("'")[0])
    assert body == {
        "filter": "all",
        "timeFilter": {"start": "2026-03-02T00:00:00.000Z", "end": "2026-03-09T00:00:00.000Z"},
        "scores": ["s"],
        "arms": {"by": {"property": "variant"}, "base": "A", "others": ["B"]},
        "pairBy": {"property": "item"},
        "sequential": True,
        "minimumEffect": {"s": 5},
    }


FAULTS = {
    "pair=latency": "pair expected one of model, provider, prompt_id, prompt_version, user_id or "
    'property:<key>, got "latency"',
    "pair=model&unit=user_id": "unit cannot be combined with pair",
    "effect=much": 'effect expected a number above 0, got "much"',
    "effect=-1": 'effect expected a number above 0, got "-1"',
    "by=latency": "by expected one of model, provider, prompt_id, prompt_version, user_id or property:<key>, "
    'got "latency"',
    "by=property:": "by expected one of model, provider, prompt_id, prompt_version, user_id or "
    'property:<key>, got "property:"',
    "&".join(f"group={n}" for n in range(6)) + "&without=1": "group at most 6 at a time",
    "&".join(f"score={n}" for n in range(13)): "score at most 12 at a time",
    "range=1y": 'range expected one of 24h, 7d, 30d, 90d, got "1y"',
    "group=a%00b": "group must not contain NUL",
}


async def test_what_cannot_be_compared_is_named(sign_in: SignIn) -> None:
    client = await sign_in()
    for question, error in FAULTS.items():
        page = await get(client, f"/compare?{question}", 400)
        assert f"This page cannot be shown {error}" in read_text(page)


async def test_nothing_to_compare_is_said(service: Service, sign_in: SignIn) -> None:
    client = await sign_in()
    assert "No scores yet Comparisons need at least one score" in read_text(await get(client, "/compare"))
    await enter(service.dsn, [Entry(MONDAY, {"s": 1})])
    text = read_text(await get(client, f"/compare?{WEEK}&by=user_id"))
    assert "Nothing to compare No request in this period has a value for User ." in text
