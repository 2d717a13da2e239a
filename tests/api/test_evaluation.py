"""What the scores say together, on a data set small enough to check by hand; test_evaluation_property.py has
the large ones."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from heliscore.store.connections.pool import Connection

from tests.api.envelope import DONE, faulty, ids, log, post, scores_of
from tests.conftest import Service
from tests.ways_out import MULTIPLY

QUERY = "/v1/evals/query"
DISTRIBUTIONS = "/v1/evals/score-distributions/query"
DASHBOARD = "/v1/dashboard/scores/query"
COMPARE = "/v1/evals/compare"

MAX = 2**63 - 1

Json = dict[str, Any]

NEEDED: dict[str, Json] = {
    QUERY: {},
    DISTRIBUTIONS: {},
    DASHBOARD: {"dbIncrement": "day"},
    COMPARE: {"scores": ["accuracy"], "groupBy": "model"},
}
"""What a body needs beside a filter and a range."""

MARCH = {"start": "2026-03-01T00:00:00Z", "end": "2026-04-01T00:00:00Z"}

REQUESTS: list[tuple[str, str, str | None, Json, Json]] = [
    ("a1", "2026-03-01T10:05:00Z", "gpt", {"variant": "A"}, {"accuracy": 90, "cited": True}),
    ("a2", "2026-03-01T10:55:00Z", "gpt", {"variant": "A"}, {"accuracy": 80, "cited": False}),
    ("b1", "2026-03-01T23:30:00Z", "gpt", {"variant": "B"}, {"accuracy": 61, "cited": True}),
    ("b2", "2026-03-02T00:10:00Z", "claude", {"variant": "B"}, {"accuracy": 70, "tone": -5}),
    ("c1", "2026-03-08T12:00:00Z", None, {}, {"accuracy": 100}),
    ("d1", "2026-03-09T12:00:00Z", "gpt", {"variant": "C"}, {}),
]
"""Id, time, model, properties, scores. March began on a Sunday."""


@pytest.fixture
async def evaluated(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> httpx.AsyncClient:
    """A client of the organization that has REQUESTS."""
    for request_id, time, model, properties, scores in REQUESTS:
        columns = {"response_model": model, "properties": json.dumps(properties)}
        await log(connection, organization_id, request_id, time, **columns)
        await post(client, request_id, scores)
    return client


async def ask(client: httpx.AsyncClient, path: str, **body: object) -> Any:
    """What an evaluation of all requests in March answers, but for what the body says."""
    filter_key = "userFilter" if path == DASHBOARD else "filter"
    response = await client.post(path, json={filter_key: "all", "timeFilter": MARCH, **body})
    assert response.status_code == 200, response.text
    assert response.json().keys() == {"data", "error"}
    assert response.json()["error"] is None
    return response.json()["data"]


def rmt(**conditions: object) -> Json:
    return {"request_response_rmt": conditions}


# The names


async def test_names_are_listed_as_sent_and_sorted(client: httpx.AsyncClient) -> None:
    await post(client, "1", {"tone": 3, "Tone": 3, "cited-hcone-bool": True})
    await post(client, "2", {"accuracy": 95, "tone": 4, "helicone-score-feedback": True})
    response = await client.get("/v1/evals/scores")
    names = ["Tone", "accuracy", "cited", "helicone-score-feedback", "tone"]
    assert (response.status_code, response.json()) == (200, {"data": names, "error": None})


async def test_no_names_are_an_empty_list(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/evals/scores")
    assert (response.status_code, response.json()) == (200, {"data": [], "error": None})


# One score


async def test_evaluation_is_a_score(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/evals/r", json={"name": "accuracy", "score": 95})
    assert (response.status_code, response.json()) == (200, DONE)
    assert await scores_of(client, "r") == {"accuracy": 95}


@pytest.mark.parametrize(
    ("name", "score", "stored"),
    [
        ("cited", True, {"cited": 1}),
        ("cited-hcone-bool", 0, {"cited": 0}),
        ("helicone-score-feedback", False, {"helicone-score-feedback": 0}),
        ("long", -MAX - 1, {"long": -MAX - 1}),
    ],
)
async def test_evaluation_follows_the_rules_of_score_maps(
    client: httpx.AsyncClient, name: str, score: object, stored: Json
) -> None:
    await post(client, "r", {"accuracy": 95})
    response = await client.post("/v1/evals/r", json={"name": name, "score": score})
    assert (response.status_code, response.json()) == (200, DONE)
    assert await scores_of(client, "r") == {"accuracy": 95} | stored


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (
            {"name": "a", "score": 0.5},
            [
                (
                    "score",
                    f"expected an integer or a boolean, got 0.5; {MULTIPLY}",
                )
            ],
        ),
        ({"name": "a", "score": "5"}, [("score", 'expected an integer or a boolean, got "5"')]),
        ({"name": "a", "score": None}, [("score", "expected an integer or a boolean, got null")]),
        ({"name": "a", "score": MAX + 1}, [("score", "expected an integer of at most 64 bits")]),
        ({"name": "a-hcone-bool", "score": 2}, [("score", "expected true, false, 1 or 0, got 2")]),
        ({"name": "", "score": 1}, [("name", "must not be empty")]),
        ({"name": "-hcone-bool", "score": 1}, [("name", "must not be empty")]),
        ({"name": "a" * 256, "score": 1}, [("name", "must have at most 255 characters, got 256")]),
        ({"name": "a"}, [("score", "missing")]),
        ({"score": 1}, [("name", "missing")]),
        ({"name": 5, "score": 1}, [("name", "expected a string, got 5")]),
        (
            {"name": "a", "score": 1, "scores": {}},
            [("scores", "unknown key; known are name, score")],
        ),
        ([], [("", "expected a JSON object, got an array")]),
    ],
)
async def test_wrong_evaluation_is_refused(
    client: httpx.AsyncClient, body: object, errors: list[tuple[str, str]]
) -> None:
    response = await client.post("/v1/evals/r", json=body)
    assert (response.status_code, response.json()) == (400, faulty(*errors))
    assert await ids(client) == []


# Averages


def over_time(*buckets: tuple[str, int, float]) -> Json:
    """Both series of a score out of (begin, count, average)."""
    return {
        "overTime": [{"date": f"2026-03-{at}:00.000Z", "count": count} for at, count, _ in buckets],
        "averageOverTime": [{"date": f"2026-03-{at}:00.000Z", "value": value} for at, _, value in buckets],
    }


ACCURACY = {
    "name": "accuracy",
    "averageScore": 80.2,
    "minScore": 61,
    "maxScore": 100,
    "count": 5,
    **over_time(("01T10:00", 2, 85), ("01T23:00", 1, 61), ("02T00:00", 1, 70), ("08T12:00", 1, 100)),
}
CITED = {
    "name": "cited",
    "averageScore": 2 / 3,
    "minScore": 0,
    "maxScore": 1,
    "count": 3,
    **over_time(("01T10:00", 2, 0.5), ("01T23:00", 1, 1)),
}
TONE = {
    "name": "tone",
    "averageScore": -5,
    "minScore": -5,
    "maxScore": -5,
    "count": 1,
    **over_time(("02T00:00", 1, -5)),
}


async def test_scores_are_summarised_by_the_hour(evaluated: httpx.AsyncClient) -> None:
    assert await ask(evaluated, QUERY) == [ACCURACY, CITED, TONE]


@pytest.mark.parametrize(
    ("minutes", "buckets"),
    [
        (None, [("01T10:00", 2, 85), ("01T23:00", 1, 61), ("02T00:00", 1, 70), ("08T12:00", 1, 100)]),
        (0, [("01T10:00", 2, 85), ("01T23:00", 1, 61), ("02T00:00", 1, 70), ("08T12:00", 1, 100)]),
        pytest.param(
            -330,
            [("01T09:30", 1, 90), ("01T10:30", 1, 80), ("01T23:30", 2, 65.5), ("08T11:30", 1, 100)],
            id="India",
        ),
        pytest.param(
            150,
            [("01T09:30", 1, 90), ("01T10:30", 1, 80), ("01T23:30", 2, 65.5), ("08T11:30", 1, 100)],
            id="Newfoundland in summer",
        ),
        pytest.param(
            -345,
            [("01T09:15", 1, 90), ("01T10:15", 1, 80), ("01T23:15", 2, 65.5), ("08T11:15", 1, 100)],
            id="Nepal",
        ),
    ],
)
async def test_hours_begin_where_the_caller_s_clock_says(
    evaluated: httpx.AsyncClient, minutes: int | None, buckets: list[tuple[str, int, float]]
) -> None:
    accuracy, *_ = await ask(evaluated, QUERY, timeZoneDifference=minutes)
    assert accuracy == ACCURACY | over_time(*buckets)


@pytest.mark.parametrize(
    ("values", "average"),
    [
        ([2**53 + 1, 2**53 + 3], 2.0**53 + 2),
        ([MAX, MAX, MAX], float(MAX)),
        ([MAX, -MAX - 1], -0.5),
        ([1, 0, 0], 1 / 3),
    ],
)
async def test_average_is_exact(client: httpx.AsyncClient, values: list[int], average: float) -> None:
    for number, value in enumerate(values):
        await post(client, str(number), {"a": value})
    [evaluation] = await ask(client, QUERY, timeFilter={"start": "2020-01-01", "end": "2999-01-01"})
    assert (evaluation["averageScore"], evaluation["minScore"], evaluation["maxScore"]) == (
        average,
        min(values),
        max(values),
    )


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [
        ("2026-03-01T10:05:00Z", "2026-03-01T10:55:00Z", 1),
        ("2026-03-01T10:05:00.001Z", "2026-03-01T10:55:00.001Z", 1),
        ("2026-03-01T10:05:00Z", "2026-03-01T10:55:00.001Z", 2),
        ("2026-03-01T15:35:00+05:30", "2026-03-01T10:05:00.001", 1),
        ("2026-03-01", "2026-03-02", 3),
        ("0001-01-01", "9999-12-31", 5),
    ],
)
async def test_range_includes_its_start_and_not_its_end(
    evaluated: httpx.AsyncClient, start: str, end: str, count: int
) -> None:
    accuracy, *_ = await ask(evaluated, QUERY, timeFilter={"start": start, "end": end})
    assert accuracy["count"] == count


@pytest.mark.parametrize("path", [QUERY, DISTRIBUTIONS, DASHBOARD, COMPARE])
@pytest.mark.parametrize(
    "times",
    [
        pytest.param({"start": "2027-01-01", "end": "2028-01-01"}, id="none there"),
        pytest.param({"start": "2026-03-09", "end": "2026-03-10"}, id="none scored"),
        pytest.param({"start": "2026-03-01T10:05:00Z", "end": "2026-03-01T10:05:00Z"}, id="of no length"),
    ],
)
async def test_empty_range_is_an_empty_list(evaluated: httpx.AsyncClient, path: str, times: Json) -> None:
    assert await ask(evaluated, path, timeFilter=times, **NEEDED[path]) == []


@pytest.mark.parametrize(
    ("filter_", "counts"),
    [
        ("all", {"accuracy": 5, "cited": 3, "tone": 1}),
        ({}, {"accuracy": 5, "cited": 3, "tone": 1}),
        (rmt(model={"equals": "gpt"}), {"accuracy": 3, "cited": 3}),
        (rmt(properties={"variant": {"equals": "B"}}), {"accuracy": 2, "cited": 1, "tone": 1}),
        (rmt(scores={"accuracy": {"gte": 80}}), {"accuracy": 3, "cited": 2}),
        (rmt(scores={"cited": {"equals": 1}, "accuracy": {"gt": 61}}), {"accuracy": 1, "cited": 1}),
        (rmt(scores={"tone": {"exists": False}}), {"accuracy": 4, "cited": 3}),
        (rmt(scores={"never used": {"gte": 0}}), {}),
        ({"not": rmt(model={"equals": "gpt"})}, {"accuracy": 2, "tone": 1}),
    ],
)
async def test_filter_chooses_requests(
    evaluated: httpx.AsyncClient, filter_: object, counts: dict[str, int]
) -> None:
    evaluations = await ask(evaluated, QUERY, filter=filter_)
    assert {evaluation["name"]: evaluation["count"] for evaluation in evaluations} == counts
    distributions = await ask(evaluated, DISTRIBUTIONS, filter=filter_)
    assert {
        distribution["name"]: sum(bin_["value"] for bin_ in distribution["distribution"])
        for distribution in distributions
    } == counts


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ({"offset": 0, "limit": 2}, ["accuracy", "cited"]),
        ({"offset": 1, "limit": 1}, ["cited"]),
        ({"offset": 2}, ["tone"]),
        ({"offset": "1", "limit": "5"}, ["cited", "tone"]),
        ({"offset": 3}, []),
        ({"offset": MAX, "limit": MAX}, []),
        ({"limit": 0}, []),
        ({"offset": None, "limit": None}, ["accuracy", "cited", "tone"]),
    ],
)
@pytest.mark.parametrize("path", [QUERY, DISTRIBUTIONS])
async def test_page_is_a_part_of_the_list(
    evaluated: httpx.AsyncClient, path: str, page: Json, names: list[str]
) -> None:
    assert [score["name"] for score in await ask(evaluated, path, **page)] == names


# Distributions


def bins(*edges_and_counts: float) -> list[Json]:
    """Bins out of edge, count, edge, …, count, edge."""
    lowers, counts, uppers = edges_and_counts[:-1:2], edges_and_counts[1::2], edges_and_counts[2::2]
    return [
        {"lower": lower, "upper": upper, "value": count}
        for lower, count, upper in zip(lowers, counts, uppers, strict=True)
    ]


ACCURACY_BINS = bins(
    61, 1, 64.9, 0, 68.8, 1, 72.7, 0, 76.6, 1, 80.5, 0, 84.4, 0, 88.3, 1, 92.2, 0, 96.1, 1, 100
)


async def test_values_are_spread_over_bins(evaluated: httpx.AsyncClient) -> None:
    assert await ask(evaluated, DISTRIBUTIONS) == [
        {"name": "accuracy", "distribution": ACCURACY_BINS},
        {"name": "cited", "distribution": bins(0, 1, 0.5, 2, 1)},
        {"name": "tone", "distribution": bins(-5, 1, -5)},
    ]


async def test_value_on_an_edge_belongs_to_the_upper_bin(client: httpx.AsyncClient) -> None:
    for number, value in enumerate([0, 10, 20, 99, 100]):
        await post(client, str(number), {"a": value})
    [spread] = await ask(client, DISTRIBUTIONS, timeFilter={"start": "2020-01-01", "end": "2999-01-01"})
    assert spread["distribution"] == bins(
        0, 1, 10, 1, 20, 1, 30, 0, 40, 0, 50, 0, 60, 0, 70, 0, 80, 0, 90, 2, 100
    )


async def test_values_of_64_bits_are_spread(client: httpx.AsyncClient) -> None:
    await post(client, "1", {"a": -MAX - 1})
    await post(client, "2", {"a": MAX})
    [spread] = await ask(client, DISTRIBUTIONS, timeFilter={"start": "2020-01-01", "end": "2999-01-01"})
    assert [bin_["value"] for bin_ in spread["distribution"]] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert (spread["distribution"][0]["lower"], spread["distribution"][-1]["upper"]) == (-MAX - 1, MAX)


@pytest.mark.parametrize("first", [0, 2**53, MAX - 2, -MAX - 1])
async def test_edges_are_exact_and_every_value_is_in_its_own_bin(
    client: httpx.AsyncClient, first: int
) -> None:
    values = [first, first + 1, first + 2]
    for number, value in enumerate(values):
        await post(client, str(number), {"a": value})
    [spread] = await ask(client, DISTRIBUTIONS, timeFilter={"start": "2020-01-01", "end": "2999-01-01"})
    *others, last = spread["distribution"]
    holds = [bin_["lower"] <= value < bin_["upper"] for bin_, value in zip(others, values, strict=False)]
    assert [*holds, last["lower"] <= values[-1] <= last["upper"]] == [True, True, True]
    assert [bin_["value"] for bin_ in spread["distribution"]] == [1, 1, 1]
    if first:
        assert spread["distribution"] == bins(first, 1, first + 1, 1, first + 2, 1, first + 3)


# Time zones


@pytest.fixture
async def around_the_change(
    client: httpx.AsyncClient, connection: Connection, organization_id: int
) -> httpx.AsyncClient:
    """A client of an organization with requests around a summer, of which each has another value."""
    for value, time in enumerate(
        (
            "2026-01-10T22:30:00Z",  # 23:30 in Berlin
            "2026-01-10T23:30:00Z",
            "2026-07-10T21:30:00Z",  # 23:30 in Berlin
            "2026-07-10T22:30:00Z",
            "2026-10-25T00:30:00Z",  # 02:30 in Berlin, for the first time
            "2026-10-25T01:30:00Z",  # and for the second
        )
    ):
        await log(connection, organization_id, str(value), time)
        await post(client, str(value), {"a": value})
    return client


YEAR = {"start": "2026-01-01T00:00:00Z", "end": "2027-01-01T00:00:00Z"}


async def test_buckets_follow_the_clock_of_a_zone_through_the_year(
    around_the_change: httpx.AsyncClient,
) -> None:
    body: Json = {"timeFilter": YEAR, "timeZone": "Europe/Berlin"}
    days = await ask(around_the_change, DASHBOARD, dbIncrement="day", **body)
    assert [(bucket["created_at_trunc"], bucket["score_sum"]) for bucket in days] == [
        ("2026-01-09T23:00:00.000Z", 0),
        ("2026-01-10T23:00:00.000Z", 1),
        ("2026-07-09T22:00:00.000Z", 2),
        ("2026-07-10T22:00:00.000Z", 3),
        ("2026-10-24T22:00:00.000Z", 4.5),
    ]
    [summary] = await ask(around_the_change, QUERY, **body)
    hours = [bucket["date"] for bucket in summary["overTime"]]
    assert hours[-2:] == ["2026-10-25T00:00:00.000Z", "2026-10-25T01:00:00.000Z"]
    utc = await ask(around_the_change, QUERY, timeFilter=YEAR)
    assert await ask(around_the_change, QUERY, timeFilter=YEAR, timeZone="UTC") == utc
    assert await ask(around_the_change, QUERY, timeFilter=YEAR, timeZone=None) == utc


@pytest.mark.parametrize("path", [QUERY, DISTRIBUTIONS, DASHBOARD])
@pytest.mark.parametrize(
    ("zone", "error"),
    [
        *(
            (zone, f'expected the name of a time zone, such as Europe/Berlin, got "{zone}"')
            for zone in ("Europe/Berlix", "CET", "Foo/Bar3", "XXX3", "+02:00", "", "../etc", "Europe/Berlin ")
        ),
        (60, "expected a string, got 60"),
        ("Europe/Berlin\0", "must not contain NUL"),
    ],
)
async def test_unknown_time_zone_is_refused(
    client: httpx.AsyncClient, path: str, zone: object, error: str
) -> None:
    filter_key = "userFilter" if path == DASHBOARD else "filter"
    body = {filter_key: "all", "timeFilter": MARCH, **NEEDED[path], "timeZone": zone}
    response = await client.post(path, json=body)
    assert (response.status_code, response.json()) == (400, faulty(("timeZone", error)))


@pytest.mark.parametrize("path", [QUERY, DISTRIBUTIONS, DASHBOARD])
async def test_zone_and_difference_exclude_each_other(client: httpx.AsyncClient, path: str) -> None:
    filter_key = "userFilter" if path == DASHBOARD else "filter"
    body = {
        filter_key: "all",
        "timeFilter": MARCH,
        **NEEDED[path],
        "timeZone": "UTC",
        "timeZoneDifference": 0,
    }
    response = await client.post(path, json=body)
    error = ("timeZone", "cannot be combined with timeZoneDifference")
    assert (response.status_code, response.json()) == (400, faulty(error))


# The dashboard


async def test_dashboard_averages_every_score_by_time(evaluated: httpx.AsyncClient) -> None:
    answer = await ask(evaluated, DASHBOARD, dbIncrement="day", timeZoneDifference=0)
    assert answer == [
        {"score_key": name, "score_sum": value, "created_at_trunc": f"2026-03-{day}T00:00:00.000Z"}
        for name, value, day in (
            ("accuracy", 77, "01"),
            ("accuracy", 70, "02"),
            ("accuracy", 100, "08"),
            ("cited", 2 / 3, "01"),
            ("tone", -5, "02"),
        )
    ]


@pytest.mark.parametrize(
    ("unit", "minutes", "averages"),
    [
        (
            "min",
            0,
            [
                ("03-01T10:05", 90),
                ("03-01T10:55", 80),
                ("03-01T23:30", 61),
                ("03-02T00:10", 70),
                ("03-08T12:00", 100),
            ],
        ),
        ("hour", 0, [("03-01T10:00", 85), ("03-01T23:00", 61), ("03-02T00:00", 70), ("03-08T12:00", 100)]),
        ("day", 0, [("03-01T00:00", 77), ("03-02T00:00", 70), ("03-08T00:00", 100)]),
        ("week", 0, [("02-23T00:00", 77), ("03-02T00:00", 85)]),
        ("month", 0, [("03-01T00:00", 80.2)]),
        ("year", 0, [("01-01T00:00", 80.2)]),
        (
            "hour",
            -330,
            [("03-01T09:30", 90), ("03-01T10:30", 80), ("03-01T23:30", 65.5), ("03-08T11:30", 100)],
        ),
        ("day", 60, [("03-01T01:00", 75.25), ("03-08T01:00", 100)]),
        ("day", -60, [("02-28T23:00", 85), ("03-01T23:00", 65.5), ("03-07T23:00", 100)]),
        ("week", -720, [("02-22T12:00", 85), ("03-01T12:00", 65.5), ("03-08T12:00", 100)]),
        ("month", 1440, [("02-02T00:00", 77), ("03-02T00:00", 85)]),
    ],
)
async def test_dashboard_increment_and_clock_set_the_edges(
    evaluated: httpx.AsyncClient, unit: str, minutes: int, averages: list[tuple[str, float]]
) -> None:
    answer = await ask(evaluated, DASHBOARD, dbIncrement=unit, timeZoneDifference=minutes)
    assert [
        (point["created_at_trunc"], point["score_sum"])
        for point in answer
        if point["score_key"] == "accuracy"
    ] == [(f"2026-{at}:00.000Z", value) for at, value in averages]


async def test_dashboard_takes_a_filter(evaluated: httpx.AsyncClient) -> None:
    filter_ = rmt(model={"equals": "claude"})
    at = "2026-03-01T00:00:00.000Z"
    assert await ask(evaluated, DASHBOARD, userFilter=filter_, dbIncrement="month") == [
        {"score_key": "accuracy", "score_sum": 70, "created_at_trunc": at},
        {"score_key": "tone", "score_sum": -5, "created_at_trunc": at},
    ]


# Groups


def statistics(*numbers: float | None, share: float | None = None) -> Json:
    """Out of count, average, deviation, min, p50, p90, p99, max."""
    keys = ("count", "average", "standardDeviation", "min", "p50", "p90", "p99", "max")
    return dict(zip(keys, numbers, strict=True)) | {"shareTrue": share}


def rounded(groups: Any) -> Any:
    """The groups with 9 decimals, which is more than what the order of additions changes."""
    return json.loads(json.dumps(groups), parse_float=lambda text: round(float(text), 9))


VARIANTS = [
    {
        "group": "A",
        "scores": {
            "accuracy": statistics(2, 85, 7.071067812, 80, 85, 89, 89.9, 90),
            "cited": statistics(2, 0.5, 0.707106781, 0, 0.5, 0.9, 0.99, 1, share=0.5),
        },
    },
    {
        "group": "B",
        "scores": {
            "accuracy": statistics(2, 65.5, 6.363961031, 61, 65.5, 69.1, 69.91, 70),
            "cited": statistics(1, 1, None, 1, 1, 1, 1, 1, share=1),
        },
    },
    {"group": None, "scores": {"accuracy": statistics(1, 100, None, 100, 100, 100, 100, 100)}},
]


async def compare(client: httpx.AsyncClient, **body: object) -> Any:
    asked = {"scores": ["accuracy", "cited"], "groupBy": {"property": "variant"}, **body}
    return rounded(await ask(client, COMPARE, **asked))


async def test_variants_are_compared(evaluated: httpx.AsyncClient) -> None:
    assert await compare(evaluated) == VARIANTS


async def test_order_of_names_makes_no_difference(evaluated: httpx.AsyncClient) -> None:
    assert (
        await compare(evaluated, scores=["cited", "accuracy", "cited-hcone-bool", "never used"]) == VARIANTS
    )


@pytest.mark.parametrize("body", [{"timeFilter": None}, {"timeFilter": MARCH}])
async def test_comparison_needs_no_range(evaluated: httpx.AsyncClient, body: Json) -> None:
    assert await compare(evaluated, **body) == VARIANTS


async def test_comparison_is_restricted_by_range_and_filter(evaluated: httpx.AsyncClient) -> None:
    times = {"start": "2026-03-01T10:55:00Z", "end": "2026-03-08T12:00:00Z"}
    groups = await compare(evaluated, timeFilter=times, filter=rmt(scores={"cited": {"exists": True}}))
    assert {group["group"]: group["scores"]["accuracy"]["average"] for group in groups} == {"A": 80, "B": 61}


@pytest.mark.parametrize("column", ["model", "provider", "prompt_id", "prompt_version", "user_id"])
async def test_groups_are_the_values_of_a_column(
    client: httpx.AsyncClient, connection: Connection, organization_id: int, column: str
) -> None:
    stored = "response_model" if column == "model" else column
    for request_id, group, value in (("1", "x", 1), ("2", "x", 2), ("3", "y", 3), ("4", None, 4)):
        await log(connection, organization_id, request_id, "2026-03-05T00:00:00Z", **{stored: group})
        await post(client, request_id, {"a": value})
    groups = await compare(client, scores=["a"], groupBy=column)
    assert groups == [
        {"group": "x", "scores": {"a": statistics(2, 1.5, 0.707106781, 1, 1.5, 1.9, 1.99, 2)}},
        {"group": "y", "scores": {"a": statistics(1, 3, None, 3, 3, 3, 3, 3)}},
        {"group": None, "scores": {"a": statistics(1, 4, None, 4, 4, 4, 4, 4)}},
    ]


async def put_property(client: httpx.AsyncClient, request_id: str, key: str, value: str) -> None:
    body = {"key": key, "value": value}
    response = await client.put(f"/v1/request/{request_id}/property", json=body)
    assert response.status_code == 200


async def order_of_groups(client: httpx.AsyncClient, **body: object) -> list[str | None]:
    groups = await compare(client, scores=["a", "b"], groupBy={"property": "k"}, timeFilter=None, **body)
    return [group["group"] for group in groups]


async def test_groups_of_the_most_scores_come_first_and_null_last_among_equals(
    client: httpx.AsyncClient,
) -> None:
    for request_id, group in (("1", "one"), ("2", "three"), ("3", "two"), ("4", "")):
        await put_property(client, request_id, "k", group)
    scored = {"1": {"a": 1}, "2": {"a": 1, "b": 1}, "3": {"a": 1}, "4": {"a": 1}, "5": {"a": 1}}
    for request_id, scores in scored.items():
        await post(client, request_id, scores)
    assert await order_of_groups(client) == ["three", "", "one", "two", None]


async def test_groups_are_limited_and_counted_where_some_are_left_out(client: httpx.AsyncClient) -> None:
    for number in range(101):
        await put_property(client, str(number), "k", f"{number:03}")
        await post(client, str(number), {"a": number})
    for limit, count in ((None, 100), (0, 0), (1, 1), ("2", 2), (101, 101), (1000, 101)):
        body = {"filter": "all", "scores": ["a"], "groupBy": {"property": "k"}, "limit": limit}
        answer = (await client.post(COMPARE, json=body)).json()
        groups = [group["group"] for group in answer.pop("data")]
        assert groups == [f"{number:03}" for number in range(count)]
        assert answer == {"error": None} | ({"groups": 101} if count < 101 else {})


async def test_property_keys_of_groups_differ_by_case(client: httpx.AsyncClient) -> None:
    await put_property(client, "r", "K", "upper")
    await post(client, "r", {"a": 1})
    assert await order_of_groups(client) == [None]


@pytest.mark.parametrize(
    ("values", "share"),
    [([True, True, False, True], 0.75), ([False], 0), ([True, 1], None), ([0, 1], None)],
)
async def test_share_of_true_is_that_of_booleans_alone(
    client: httpx.AsyncClient, values: list[object], share: float | None
) -> None:
    for number, value in enumerate(values):
        await post(client, str(number), {"a": value})
    [group] = await compare(client, scores=["a"], timeFilter=None)
    assert group["scores"]["a"]["shareTrue"] == share


async def test_comparison_of_unused_names_is_empty(evaluated: httpx.AsyncClient) -> None:
    assert await compare(evaluated, scores=["never used"]) == []


# Other organizations


@pytest.mark.parametrize("path", [QUERY, DISTRIBUTIONS, DASHBOARD, COMPARE])
async def test_evaluation_ends_at_the_organization(
    evaluated: httpx.AsyncClient, shared: Service, organization: str, path: str
) -> None:
    stranger = await shared.client(f"not {organization}")
    assert await ask(evaluated, path, **NEEDED[path]) != []
    assert await ask(stranger, path, **NEEDED[path]) == []


# Bad input

MISSING = object()
COUNT = "expected an integer from 0 to 9223372036854775807"
MINUTES = "expected an integer from -1440 to 1440"
GROUP = (
    'expected one of model, provider, prompt_id, prompt_version, user_id, {"property": key}, '
    '{"author": score}, {"kind": score}, {"version": score}'
)
UNITS = "expected one of min, hour, day, week, month, year"
TIME = "expected an ISO 8601 date or date-time"
NAMES = "expected a list of 1 to 100 names"
TIMES = [
    ("timeFilter", "2026", ("timeFilter", 'expected an object, got "2026"')),
    ("timeFilter", {"start": "2026-01-01"}, ("timeFilter.end", "missing")),
    ("timeFilter", {"start": "2026-01-01", "end": None}, ("timeFilter.end", "expected a string, got null")),
    ("timeFilter", {"start": 0, "end": "2026-01-01"}, ("timeFilter.start", "expected a string, got 0")),
    ("timeFilter", {"start": "then", "end": "2026-01-01"}, ("timeFilter.start", f'{TIME}, got "then"')),
    ("timeFilter", {"start": "", "end": "2026-01-01"}, ("timeFilter.start", f'{TIME}, got ""')),
    ("timeFilter", MARCH | {"zone": "UTC"}, ("timeFilter.zone", "unknown key; known are end, start")),
    (
        "timeFilter",
        {"start": "2026-04-01", "end": "2026-03-01"},
        ("timeFilter", "start must not be after end"),
    ),
    (
        "timeFilter",
        {"start": "2026-03-01T00:00:00.001Z", "end": "2026-03-01T01:00:00+01:00"},
        ("timeFilter", "start must not be after end"),
    ),
]
RANGE = [*TIMES, ("timeFilter", MISSING, ("timeFilter", "missing"))]
FILTER = [
    ("filter", MISSING, ("filter", 'missing; "all" for every request')),
    ("filter", rmt(bogus={"equals": 1}), ("filter.request_response_rmt.bogus", "unknown column")),
]
MINUTE = [
    ("timeZoneDifference", 1441, ("timeZoneDifference", f"{MINUTES}, got 1441")),
    ("timeZoneDifference", -1441, ("timeZoneDifference", f"{MINUTES}, got -1441")),
    ("timeZoneDifference", 0.5, ("timeZoneDifference", f"{MINUTES}, got 0.5")),
    ("timeZoneDifference", "60", ("timeZoneDifference", f'{MINUTES}, got "60"')),
]
PAGE = [
    ("offset", -1, ("offset", f"{COUNT}, got -1")),
    ("offset", "-1", ("offset", f'{COUNT}, got "-1"')),
    ("limit", 1.5, ("limit", f"{COUNT}, got 1.5")),
    ("limit", MAX + 1, ("limit", f"{COUNT}, got an integer of more than 64 bits")),
]

WRONG = [
    *((path, *case) for path in (QUERY, DISTRIBUTIONS) for case in (*RANGE, *FILTER, *MINUTE, *PAGE)),
    *((DASHBOARD, *case) for case in (*RANGE, *MINUTE)),
    *((COMPARE, *case) for case in (*TIMES, *FILTER)),
    (
        QUERY,
        "sort",
        {},
        ("sort", "unknown key; known are filter, limit, offset, timeFilter, timeZone, timeZoneDifference"),
    ),
    (DASHBOARD, "userFilter", MISSING, ("userFilter", 'missing; "all" for every request')),
    (DASHBOARD, "dbIncrement", MISSING, ("dbIncrement", "missing")),
    (DASHBOARD, "dbIncrement", "minute", ("dbIncrement", f'{UNITS}, got "minute"')),
    (DASHBOARD, "dbIncrement", "", ("dbIncrement", f'{UNITS}, got ""')),
    (DASHBOARD, "dbIncrement", 5, ("dbIncrement", "expected a string, got 5")),
    (
        DASHBOARD,
        "limit",
        5,
        ("limit", "unknown key; known are dbIncrement, timeFilter, timeZone, timeZoneDifference, userFilter"),
    ),
    (COMPARE, "scores", MISSING, ("scores", "missing")),
    (COMPARE, "scores", "accuracy", ("scores", NAMES)),
    (COMPARE, "scores", [], ("scores", NAMES)),
    (COMPARE, "scores", [str(number) for number in range(101)], ("scores", NAMES)),
    (COMPARE, "scores", ["a", 5], ("scores[1]", "expected a string, got 5")),
    (COMPARE, "scores", ["a\0"], ("scores[0]", "must not contain control characters")),
    (COMPARE, "groupBy", MISSING, ("groupBy", "missing")),
    (COMPARE, "groupBy", "status", ("groupBy", f'{GROUP}, got "status"')),
    (COMPARE, "groupBy", {"property": ""}, ("groupBy", f"{GROUP}, got an object")),
    (COMPARE, "groupBy", {"property": "a\0"}, ("groupBy", f"{GROUP}, got an object")),
    (COMPARE, "groupBy", {"property": "a", "b": 1}, ("groupBy", f"{GROUP}, got an object")),
    (COMPARE, "limit", 1001, ("limit", "expected an integer from 0 to 1000, got 1001")),
    (
        COMPARE,
        "offset",
        1,
        ("offset", "unknown key; known are filter, groupBy, limit, over, scores, timeFilter"),
    ),
]


@pytest.mark.parametrize(("path", "key", "value", "field_error"), WRONG)
async def test_wrong_body_is_refused(
    client: httpx.AsyncClient, path: str, key: str, value: object, field_error: tuple[str, str]
) -> None:
    filter_key = "userFilter" if path == DASHBOARD else "filter"
    body = {filter_key: "all", "timeFilter": MARCH, **NEEDED[path], key: value}
    body = {key: value for key, value in body.items() if value is not MISSING}
    response = await client.post(path, json=body)
    assert (response.status_code, response.json()) == (400, faulty(field_error))
