"""Random scores, times and questions: what the service answers over HTTP against plain Python."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from heliscore.domain.api_key import mint_key
from heliscore.domain.score import Score
from heliscore.store import keys, organizations
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreIds, ScoreWrite, record
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Service
from tests.origins import ORIGIN
from tests.servers import NO_CERTIFICATES

EXAMPLES = 75  # of each test: all four choose requests in the same way

Json = dict[str, Any]


class Row(msgspec.Struct, frozen=True):
    """A request as far as evaluations see it."""

    at: datetime
    model: str | None
    variant: str | None
    scores: dict[str, int | bool]


class Question(msgspec.Struct, frozen=True):
    """A filter, in the words of the dialect and in those of Python, a range and a clock."""

    filter: object
    matches: Callable[[Row], bool]
    start: datetime
    end: datetime
    minutes: int

    def chosen(self, rows: list[Row]) -> list[Row]:
        return [row for row in rows if self.start <= row.at < self.end and self.matches(row)]

    def body(self, filter_key: str = "filter") -> Json:
        times = {"start": self.start.isoformat(), "end": self.end.isoformat()}
        return {filter_key: self.filter, "timeFilter": times}


# Random requests: few names, values and times, so that buckets, bins and groups have several members

FIRST = datetime(2026, 2, 27, 20, tzinfo=UTC)

instants = st.builds(
    lambda days, minutes, milliseconds: (
        FIRST + timedelta(days=days, minutes=minutes, milliseconds=milliseconds)
    ),
    st.integers(0, 3),
    st.sampled_from([0, 1, 29, 30, 59, 60, 61, 240, 600]),
    st.sampled_from([0, 1, 999]),
)
numbers = st.integers(-3, 12) | st.integers(-100, 100) | st.integers(-(2**40), 2**40)
scores = st.dictionaries(st.sampled_from(["accuracy", "tone", "cited"]), st.booleans() | numbers, max_size=3)
maybe = st.sampled_from([None, "a", "A", "b"])
rows_ = st.lists(st.builds(Row, instants, maybe, maybe, scores), max_size=25)


def rmt(**conditions: object) -> Json:
    return {"request_response_rmt": conditions}


FILTERS: list[tuple[object, Callable[[Row], bool]]] = [
    ("all", lambda _: True),
    (rmt(model={"equals": "a"}), lambda row: row.model == "a"),
    (rmt(properties={"variant": {"not-equals": "a"}}), lambda row: row.variant != "a"),
    (
        rmt(scores={"accuracy": {"gte": 3}}),
        lambda row: row.scores.get("accuracy") is not None and row.scores["accuracy"] >= 3,
    ),
    (
        {
            "left": rmt(scores={"cited": {"equals": 1}}),
            "operator": "or",
            "right": rmt(scores={"tone": {"exists": False}}),
        },
        lambda row: row.scores.get("cited") == 1 or "tone" not in row.scores,
    ),
]

questions = st.builds(
    lambda filter_, start, end, minutes: Question(
        filter_[0], filter_[1], min(start, end), max(start, end), minutes
    ),
    st.sampled_from(FILTERS),
    st.just(FIRST) | instants,
    st.just(FIRST + timedelta(days=9)) | instants,
    st.sampled_from([0, 0, 1, -30, 90, -345, 1440, -1440]) | st.integers(-1440, 1440),
)


# The service


INSERT = """
INSERT INTO request (organization_id, request_id, created_at, updated_at, model_override, properties)
VALUES ($1, $2, $3, $3, $4, jsonb_strip_nulls(jsonb_build_object('variant', $5::text)))
"""


class Asker:
    """The service with the rows of one example at a time, and an event loop to talk to it."""

    def __init__(
        self, runner: asyncio.Runner, connection: Connection, client: httpx.AsyncClient, organization_id: int
    ) -> None:
        self._runner = runner
        self._connection = connection
        self._client = client
        self._organization_id = organization_id
        self._ids = ScoreIds()

    def fill(self, rows: list[Row]) -> None:
        self._runner.run(self._fill(rows))

    async def _fill(self, rows: list[Row]) -> None:
        for table in ("score", "request"):
            statement = f"DELETE FROM {table} WHERE organization_id = $1"
            await self._connection.execute(statement, self._organization_id)
        await self._connection.executemany(
            INSERT,
            [
                (self._organization_id, str(number), row.at, row.model, row.variant)
                for number, row in enumerate(rows)
            ],
        )
        posts = [
            ScoreWrite(
                self._organization_id,
                str(number),
                {name: Score(int(value), isinstance(value, bool)) for name, value in row.scores.items()},
                row.at,
                ORIGIN,
            )
            for number, row in enumerate(rows)
            if row.scores
        ]
        await record(self._connection, self._ids, posts)

    def hashes(self, seed: int) -> dict[str, int]:
        """PostgreSQL's hash of each request's id."""
        statement = (
            "SELECT request_id, hashtextextended(request_id, $2) FROM request WHERE organization_id = $1"
        )
        return dict(
            map(tuple, self._runner.run(self._connection.fetch(statement, self._organization_id, seed)))
        )

    def ask(self, path: str, body: Json) -> Any:
        response = self._runner.run(self._client.post(path, json=body))
        assert response.status_code == 200, response.text
        assert response.json()["error"] is None
        return response.json()["data"]


@pytest.fixture
def asker(shared_address: str, shared: Service, organization: str) -> Iterator[Asker]:
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(shared.dsn))
        organization_id = runner.run(organizations.ensure(connection, organization))
        key = mint_key()
        runner.run(keys.register(connection, organization_id, key, name="test"))
        headers = {"Authorization": f"Bearer {key}"}
        client = httpx.AsyncClient(
            base_url=shared_address, headers=headers, timeout=30, verify=NO_CERTIFICATES
        )
        yield Asker(runner, connection, client, organization_id)
        runner.run(client.aclose())
        runner.run(connection.close())


examples = settings(max_examples=EXAMPLES, print_blob=True)


# Plain Python


def by_name(rows: list[Row]) -> dict[str, list[tuple[datetime, int]]]:
    """The scores of all rows by name: (time, value)."""
    found: dict[str, list[tuple[datetime, int]]] = {}
    for row in rows:
        for name, value in row.scores.items():
            found.setdefault(name, []).append((row.at, int(value)))
    return dict(sorted(found.items()))


def average(values: list[int]) -> float:
    return float(Fraction(sum(values), len(values)))


def bucket(at: datetime, unit: str, minutes: int) -> str:
    """The beginning of the stretch of time around an instant, for a clock that many minutes behind UTC."""
    local = at - timedelta(minutes=minutes)
    local -= timedelta(seconds=local.second, microseconds=local.microsecond)
    if unit != "min":
        local -= timedelta(minutes=local.minute)
    if unit not in ("min", "hour"):
        local -= timedelta(hours=local.hour)
    if unit == "week":
        local -= timedelta(days=local.weekday())
    if unit in ("month", "year"):
        local -= timedelta(days=local.day - 1)
    if unit == "year":
        local = local.replace(month=1)
    return f"{local + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S}.000Z"


def in_buckets(scored: list[tuple[datetime, int]], unit: str, minutes: int) -> dict[str, list[int]]:
    buckets: dict[str, list[int]] = {}
    for at, value in scored:
        buckets.setdefault(bucket(at, unit, minutes), []).append(value)
    return dict(sorted(buckets.items()))


def percentile(values: list[int], share: Fraction) -> float:
    """Linear interpolation between the two neighbours of the place."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (ordered[above] - ordered[below]) * (place - below))


# The comparisons


@examples
@given(rows=rows_, question=questions)
def test_summary_is_what_python_computes(asker: Asker, rows: list[Row], question: Question) -> None:
    asker.fill(rows)
    expected = []
    for name, scored in by_name(question.chosen(rows)).items():
        values = [value for _, value in scored]
        buckets = in_buckets(scored, "hour", question.minutes)
        expected.append(
            {
                "name": name,
                "averageScore": average(values),
                "minScore": min(values),
                "maxScore": max(values),
                "count": len(values),
                "overTime": [{"date": date, "count": len(part)} for date, part in buckets.items()],
                "averageOverTime": [{"date": date, "value": average(part)} for date, part in buckets.items()],
            }
        )
    body = question.body() | {"timeZoneDifference": question.minutes}
    assert asker.ask("/v1/evals/query", body) == expected


@examples
@given(
    rows=rows_,
    question=questions,
    unit=st.sampled_from(["min", "hour", "day", "week", "month", "year"]),
)
def test_dashboard_is_what_python_computes(
    asker: Asker, rows: list[Row], question: Question, unit: str
) -> None:
    asker.fill(rows)
    body = question.body("userFilter") | {"dbIncrement": unit, "timeZoneDifference": question.minutes}
    assert asker.ask("/v1/dashboard/scores/query", body) == [
        {"score_key": name, "score_sum": average(part), "created_at_trunc": date}
        for name, scored in by_name(question.chosen(rows)).items()
        for date, part in in_buckets(scored, unit, question.minutes).items()
    ]


@examples
@given(rows=rows_, question=questions)
def test_every_value_is_in_its_bin(asker: Asker, rows: list[Row], question: Question) -> None:
    asker.fill(rows)
    scores = {name: [value for _, value in scored] for name, scored in by_name(question.chosen(rows)).items()}
    spreads = asker.ask("/v1/evals/score-distributions/query", question.body())
    assert [spread["name"] for spread in spreads] == list(scores)
    for spread in spreads:
        values, bins = scores[spread["name"]], spread["distribution"]
        assert len(bins) == min(10, max(values) - min(values) + 1)
        assert (bins[0]["lower"], bins[-1]["upper"]) == (min(values), max(values))
        assert [bin_["lower"] for bin_ in bins[1:]] == [bin_["upper"] for bin_ in bins[:-1]]
        widths = [bin_["upper"] - bin_["lower"] for bin_ in bins]
        assert widths == pytest.approx([(max(values) - min(values)) / len(bins)] * len(bins), abs=1e-3)
        assert [bin_["value"] for bin_ in bins] == [
            sum(bin_["lower"] <= value and (value < bin_["upper"] or bin_ is bins[-1]) for value in values)
            for bin_ in bins
        ]


@examples
@given(
    rows=rows_,
    question=questions,
    names=st.lists(st.sampled_from(["accuracy", "tone", "cited", "never used"]), min_size=1, max_size=4),
    by_model=st.booleans(),
)
def test_comparison_is_what_python_computes(
    asker: Asker, rows: list[Row], question: Question, names: list[str], by_model: bool
) -> None:
    asker.fill(rows)
    body = question.body() | {
        "scores": names,
        "groupBy": "model" if by_model else {"property": "variant"},
    }
    members: dict[str | None, list[Row]] = {}
    for row in question.chosen(rows):
        if row.scores.keys() & {*names}:
            members.setdefault(row.model if by_model else row.variant, []).append(row)
    groups = asker.ask("/v1/evals/compare", body)
    assert {group["group"]: group["scores"] for group in groups} == {
        group: {name: summary(part, name) for name in names if any(name in row.scores for row in part)}
        for group, part in members.items()
    }
    sizes = [sum(numbers["count"] for numbers in group["scores"].values()) for group in groups]
    assert sizes == sorted(sizes, reverse=True)


def summary(rows: list[Row], name: str) -> Json:
    """The statistics of one score of a group; only the square root and the percentiles may be rounded."""
    sent = [row.scores[name] for row in rows if name in row.scores]
    values = [int(value) for value in sent]
    return {
        "count": len(values),
        "average": average(values),
        "standardDeviation": close(statistics.stdev(values)) if len(values) > 1 else None,
        "min": min(values),
        "p50": close(percentile(values, Fraction(50, 100))),
        "p90": close(percentile(values, Fraction(90, 100))),
        "p99": close(percentile(values, Fraction(99, 100))),
        "max": max(values),
        "shareTrue": average(values) if all(isinstance(value, bool) for value in sent) else None,
    }


def close(number: float) -> Any:
    return pytest.approx(number, rel=1e-12, abs=1e-9)
