"""What changed from one time to the next: the demo's release, and data small enough to check by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from heliscore.demo.traffic import make_requests
from heliscore.store.connections.pool import Connection

from tests.api.envelope import COUNT, RMT, faulty

CHANGES = "/v1/evals/changes"

NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)
DAY = timedelta(days=1)

Json = dict[str, Any]


def times(days: float, end: datetime = NOW) -> Json:
    return {"start": (end - days * DAY).isoformat(), "end": end.isoformat()}


async def ask(client: httpx.AsyncClient, **body: object) -> Json:
    response = await client.post(CHANGES, json=body)
    assert response.status_code == 200, response.text
    data: Json = response.json()["data"]
    return data


async def check_filters(client: httpx.AsyncClient, answer: Json) -> None:
    """Each filter finds the requests behind `now`, or of what vanished those behind `before`."""
    for change in answer["changes"]:
        response = await client.post(COUNT, json={"filter": change["filter"]})
        side = "before" if change["direction"] == "vanished" else "now"
        assert response.json() == {"data": change[side]["n"], "error": None}, change["sentence"]


Row = tuple[datetime, Json, dict[str, int]]
"""Time, columns, scores."""

COLUMNS = ("response_model", "provider", "user_id", "prompt_id", "prompt_version")

MAKE_REQUESTS = f"""
INSERT INTO request (organization_id, request_id, created_at, updated_at, {", ".join(COLUMNS)})
VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $8)
"""
MAKE_SCORES = """
INSERT INTO score (value, request_no, request_created_at, scored_at, organization_id, name_id)
SELECT $4, r.request_no, r.created_at, r.created_at, r.organization_id, n.id
FROM request AS r JOIN score_name AS n ON n.organization_id = r.organization_id AND n.name = $3
WHERE r.organization_id = $1 AND r.request_id = $2
"""


async def fill(connection: Connection, organization_id: int, rows: list[Row]) -> None:
    """Put requests with their scores straight into the tables: to post them would take ten times as long."""
    names = sorted({name for _, _, scores in rows for name in scores})
    await connection.execute(
        "INSERT INTO score_name (organization_id, name) SELECT $1, unnest($2::text[])", organization_id, names
    )
    await connection.executemany(
        MAKE_REQUESTS,
        [
            (organization_id, str(number), at, *map(columns.get, COLUMNS))
            for number, (at, columns, _) in enumerate(rows)
        ],
    )
    await connection.executemany(
        MAKE_SCORES,
        [
            (organization_id, str(number), name, value)
            for number, (_, _, scores) in enumerate(rows)
            for name, value in scores.items()
        ],
    )


# The demo


@pytest.fixture
async def demo_client(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> httpx.AsyncClient:
    """A client of an organization with the scores that `heliscore demo` makes."""
    rows = []
    for made in make_requests(organization_id, count=2000, days=30, seed=1, now=NOW):
        columns = {name: getattr(made.logged, name) for name in COLUMNS}
        columns["response_model"] = made.logged.request_model
        scores = {name: score.value for name, score in made.scores.items()}
        rows.append((made.logged.created_at, columns, scores))
    await fill(connection, organization_id, rows)
    return client


async def test_release_of_the_demo_comes_first_and_moves_nothing_but_its_own(
    demo_client: httpx.AsyncClient,
) -> None:
    groups = {"groupBys": ["model", "provider", "prompt_version"]}
    week = await ask(demo_client, timeFilter=times(7), **groups)
    first = week["changes"][0]
    assert first["sentence"] == (
        f"relevance fell 22 points with support-reply 5, {first['now']['n']} answers, since 25 Feb"
    )
    assert (first["group"], first["promptId"], first["base"]) == ("5", "support-reply", "othersBefore")
    assert 180 < first["now"]["n"] < 240
    # Customers' thumbs follow relevance; the other scores of the same answers stay as they are.
    assert {change["score"] for change in week["changes"]} == {"relevance", "helicone-score-feedback"}
    assert {change["verdict"] for change in week["changes"]} == {"worse"}
    await check_filters(demo_client, week)

    before = await ask(demo_client, timeFilter=times(7, NOW - 8 * DAY), **groups)
    assert (before["changes"], before["comparisons"] > 40) == ([], True)


# By hand


def series(days: float, end: datetime, value: int, count: int = 40, **columns: object) -> list[Row]:
    """Requests evenly before an end, with an accuracy about the value."""
    return [
        (end - days * DAY * (number + 0.5) / count, columns, {"accuracy": value + number % 3})
        for number in range(count)
    ]


HOSTILE = ["null", "", "a b", 'quote " and \\ and $1', "é😀", None]


async def test_every_filter_finds_what_was_counted(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    """In groups of any name, with a filter of the caller's, of what fell, rose, vanished and appeared."""
    rows: list[Row] = []
    for number, user in enumerate(HOSTILE):
        rows += series(7, NOW - 7 * DAY, 80, 40 + number, user_id=user, prompt_id="p", prompt_version="1")
        rows += series(7, NOW, 60, user_id=user, prompt_id="p", prompt_version="1")
    rows += series(7, NOW - 7 * DAY, 70, user_id="gone", prompt_id="q")
    rows += series(7, NOW, 90, user_id="come", prompt_id="q")
    await fill(connection, organization_id, rows)
    with_user = {"left": {RMT: {"user_id": {"not-equals": "x"}}}, "operator": "or", "right": "all"}
    for filter_ in ("all", with_user, {RMT: {"prompt_id": {"equals": "p"}}}):
        answer = await ask(
            client,
            filter=filter_,
            timeFilter=times(7),
            groupBys=["user_id", "prompt_version", "prompt_id"],
            limit=100,
        )
        await check_filters(client, answer)
        found = {
            (one["groupBy"], one["group"], one["promptId"]): one["direction"] for one in answer["changes"]
        }
        assert {("user_id", user, None) for user in HOSTILE} <= found.keys()
        if filter_ == "all":
            assert found["prompt_version", "1", "p"] == "fell"
            assert found["user_id", "gone", None] == "vanished"
            assert found["user_id", "come", None] == found["prompt_version", None, "q"] == "rose"


async def test_change_is_dated_and_its_numbers_are_those_of_the_groups(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    fell_at = NOW.replace(hour=0, minute=0) - 2 * DAY
    good = series(12, fell_at, 80, 120, response_model="gpt", provider="OPENAI")
    bad = series(2, NOW, 60, 20, response_model="gpt", provider="OPENAI")
    await fill(connection, organization_id, good + bad)
    start, end = NOW - 7 * DAY, NOW
    answer = await ask(client, timeFilter=times(7), groupBys=["model"])
    [change] = answer.pop("changes")  # of the model, it is the same: all requests have it
    assert answer == {
        "now": {"start": "2026-02-25T15:30:00.000Z", "end": "2026-03-04T15:30:00.000Z"},
        "before": {"start": "2026-02-18T15:30:00.000Z", "end": "2026-02-25T15:30:00.000Z"},
        "more": 0,
        "comparisons": 1,
        "tooFew": 0,
        "scores": len([row for row in good + bad if start <= row[0] < end]),
        "groupsLeftOut": 0,
        "scoresLeftOut": 0,
        "unknownScores": [],
    }
    before = [row[2]["accuracy"] for row in good if start - 7 * DAY <= row[0] < start]
    now = [row[2]["accuracy"] for row in good + bad if start <= row[0] < end]
    assert change["before"] == {"n": len(before), "mean": pytest.approx(sum(before) / len(before))}
    assert change["now"] == {"n": len(now), "mean": pytest.approx(sum(now) / len(now))}
    assert change["difference"] == pytest.approx(change["now"]["mean"] - change["before"]["mean"])
    low, high = change["interval"]
    assert low < change["difference"] < high < 0
    assert change["since"] == "2026-03-02T00:00:00.000Z"
    assert {
        key: change[key] for key in ("score", "groupBy", "group", "promptId", "direction", "verdict")
    } == {
        "score": "accuracy",
        "groupBy": None,
        "group": None,
        "promptId": None,
        "direction": "fell",
        "verdict": "worse",
    }
    await check_filters(client, {"changes": [change]})


async def test_against_a_week_before_reads_nothing_between(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    rows = [
        *series(1, NOW - 7 * DAY, 80),
        *series(1, NOW - 1 * DAY, 20),
        *series(0.5, NOW - DAY / 2, 80),
        *series(0.5, NOW, 60),
    ]
    await fill(connection, organization_id, rows)
    answer = await ask(client, timeFilter=times(1), against="week")
    assert [one["sentence"] for one in answer["changes"]] == [
        "accuracy fell 10 points, 80 answers, since 4 Mar, 03:00"
    ]
    assert answer["before"] == {"start": "2026-02-24T15:30:00.000Z", "end": "2026-02-25T15:30:00.000Z"}
    assert answer["changes"][0]["before"] == {"n": 40, "mean": 80.975}
    previous = await ask(client, timeFilter=times(1))
    assert previous["changes"][0]["before"] == {"n": 40, "mean": 20.975}


async def test_lower_is_better_where_the_definition_says_so(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    await fill(connection, organization_id, series(7, NOW - 7 * DAY, 80) + series(7, NOW, 60))
    definition = {"type": "integer", "direction": "lower"}
    assert (await client.put("/v1/score-definitions/accuracy", json=definition)).is_success
    [change] = (await ask(client, timeFilter=times(7)))["changes"]
    assert (change["direction"], change["verdict"]) == ("fell", "better")


async def test_scores_limit_and_confidence_are_the_callers(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> None:
    rows = [row for model in "ab" for row in series(7, NOW - 7 * DAY, 80, response_model=model)]
    rows += [row for model in "ab" for row in series(7, NOW, 60, 41, response_model=model)]
    rows += series(7, NOW, 60, 1, response_model="b")
    await fill(connection, organization_id, [(*row[:2], {**row[2], "tone": 5}) for row in rows])
    asked = {"timeFilter": times(7), "groupBys": ["model", "provider"], "scores": ["accuracy", "none such"]}
    answer = await ask(client, **asked, limit=1)
    assert [len(answer["changes"]), answer["more"], answer["comparisons"]] == [1, 2, 3]
    assert answer["unknownScores"] == ["none such"]
    few = await ask(client, timeFilter=times(7), atLeastScores=81)
    assert (few["changes"], few["comparisons"], few["tooFew"]) == ([], 0, 2)
    sure = await ask(client, timeFilter=times(7), confidence=0.9999)
    [low, high], [lower, higher] = answer["changes"][0]["interval"], sure["changes"][0]["interval"]
    assert lower < low < high < higher


async def test_no_score_is_no_change(client: httpx.AsyncClient) -> None:
    answer = await ask(client, timeFilter=times(7), groupBys=["model"])
    assert (answer["changes"], answer["comparisons"]) == ([], 0)


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, [("timeFilter", "missing")]),
        (
            {"timeFilter": times(8), "against": "week"},
            [("against", "the same times a week before need a timeFilter of at most 7 days")],
        ),
        ({"timeFilter": times(0)}, [("timeFilter", "expected a time of more than 0 and at most 366 days")]),
        ({"timeFilter": times(367)}, [("timeFilter", "expected a time of more than 0 and at most 366 days")]),
        (
            {"timeFilter": times(7), "against": "month"},
            [("against", 'expected "previous" or "week", got "month"')],
        ),
        (
            {"timeFilter": times(7), "groupBys": ["model", "model"]},
            [("groupBys", "expected different columns and properties")],
        ),
        (
            {"timeFilter": times(7), "groupBys": ["cost"]},
            [
                (
                    "groupBys[0]",
                    "expected one of model, provider, prompt_id, prompt_version, user_id or "
                    '{"property": key}, got "cost"',
                )
            ],
        ),
        ({"timeFilter": times(7), "limit": 101}, [("limit", "expected an integer from 1 to 100, got 101")]),
    ],
)
async def test_what_is_not_understood_is_refused(
    client: httpx.AsyncClient, body: Json, errors: list[tuple[str, str]]
) -> None:
    response = await client.post(CHANGES, json=body)
    assert (response.status_code, response.json()) == (400, faulty(*errors))
