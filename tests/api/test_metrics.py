"""What the service tells Prometheus. Each test's services are processes of their own: what a process has
counted cannot be taken back."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from heliscore.domain.api_key import Permissions, mint_key
from heliscore.domain.score import Score
from heliscore.observability import metrics
from heliscore.observability.score_totals import MAX_NAMES, MAX_SERIES, SERIES, ScoreTotals, SeriesRegistry
from heliscore.store import keys, organizations
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import TEMPLATE, at_database
from tests.test_cli import Serve, Served, serving

SCORE = "/v1/request/{requestId}/score"
CHAT = {"type": "chat", "messages": []}

Sample = tuple[str, frozenset[tuple[str, str]]]
Samples = dict[Sample, float]


class Ground:
    """A service on a database of its own."""

    def __init__(self, serve: Serve, dsn: str, **settings: str) -> None:
        self.dsn = dsn
        self.served: Served = serve(DATABASE_URL=dsn, PORT="0", **settings)
        self.address = self.served.wait_until_ready()

    def make_key(self, organization: str, permissions: Permissions = "rw") -> str:
        async def make() -> str:
            connection = await asyncpg.connect(self.dsn)
            key = mint_key()
            id_ = await organizations.ensure(connection, organization)
            await keys.register(connection, id_, key, name="test", permissions=permissions)
            await connection.close()
            return key

        return asyncio.run(make())

    def call(
        self, method: str, path: str, body: object = None, key: str | None = None, **headers: str
    ) -> httpx.Response:
        """Make a call."""
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        content = None if body is None else json.dumps(body).encode()
        return httpx.request(method, self.address + path, content=content, headers=headers, timeout=30)

    def post(self, key: str, request_id: str, scores: dict[str, object]) -> None:
        response = self.call("POST", f"/v1/request/{request_id}/score", {"scores": scores}, key)
        assert response.status_code == 200

    def scrape(self, key: str | None = None) -> Samples:
        response = self.call("GET", "/metrics", key=key)
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        return parse(response.text)

    def score_values(self, key: str) -> dict[str, tuple[float, float]]:
        return score_values(self.scrape(key))


def parse(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def score_values(samples: Samples) -> dict[str, tuple[float, float]]:
    """Count and sum of each score name."""
    values = {}
    for name, labels in samples:
        if name == "heliscore_score_value_count":
            assert dict(labels).keys() == {"name"}
            values[dict(labels)["name"]] = (
                samples[name, labels],
                samples["heliscore_score_value_sum", labels],
            )
    return values


def sample(name: str, **labels: str) -> Sample:
    return name, frozenset(labels.items())


def grown(before: Samples, after: Samples, name: str) -> Samples:
    """By how much the samples of a name have grown."""
    return {
        found: value - before.get(found, 0.0)
        for found, value in after.items()
        if found[0] == name and value != before.get(found, 0.0)
    }


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    with serving() as start:
        yield start


@pytest.fixture(scope="module")
def dsn(server: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"

    async def execute(statement: str) -> None:
        connection = await asyncpg.connect(server)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
    yield at_database(server, name)
    asyncio.run(execute(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="module")
def ground(serve: Serve, dsn: str) -> Iterator[Ground]:
    ground = Ground(serve, dsn)
    yield ground
    ground.served.stop(signal.SIGTERM)


@pytest.fixture
def organization() -> str:
    return f"organization {uuid.uuid4()}"


@pytest.fixture
def key(ground: Ground, organization: str) -> str:
    return ground.make_key(organization)


# Calls


def test_calls_are_counted_exactly(ground: Ground, key: str) -> None:
    before = ground.scrape()
    for number in range(20):
        ground.post(key, f"r{number}", {"a": number})
    for _ in range(3):
        assert ground.call("GET", "/nowhere").status_code == 404
    assert ground.call("POST", "/v1/request/r/score", {}, key).status_code == 400
    assert ground.call("POST", "/v1/request/r/score", {}, mint_key()).status_code == 401
    assert ground.call("TRACE", "/v1/request/r/score").status_code == 405
    after = ground.scrape()
    expected = {
        sample("heliscore_requests_total", route=SCORE, method="POST", status="200"): 20,
        sample("heliscore_requests_total", route=SCORE, method="POST", status="400"): 1,
        sample("heliscore_requests_total", route=SCORE, method="POST", status="401"): 1,
        sample("heliscore_requests_total", route=SCORE, method="other", status="405"): 1,
        sample("heliscore_requests_total", route="none", method="GET", status="404"): 3,
        # The scrape before; the one that tells is not over yet.
        sample("heliscore_requests_total", route="/metrics", method="GET", status="200"): 1,
    }
    assert grown(before, after, "heliscore_requests_total") == expected
    renamed = {("heliscore_request_duration_seconds_count", labels): n for (_, labels), n in expected.items()}
    assert grown(before, after, "heliscore_request_duration_seconds_count") == renamed
    buckets = grown(before, after, "heliscore_request_duration_seconds_bucket")
    labels = {"route": SCORE, "method": "POST", "status": "200"}
    assert (
        buckets["heliscore_request_duration_seconds_bucket", frozenset({**labels, "le": "+Inf"}.items())]
        == 20
    )
    sums = grown(before, after, "heliscore_request_duration_seconds_sum")
    assert 0 < sums["heliscore_request_duration_seconds_sum", frozenset(labels.items())] < 20 * 30
    assert grown(before, after, "heliscore_refusals_total") == {
        sample("heliscore_refusals_total", cause="NotFound"): 3,
        sample("heliscore_refusals_total", cause="InvalidInput"): 1,
        sample("heliscore_refusals_total", cause="Unauthenticated"): 1,
        sample("heliscore_refusals_total", cause="MethodNotAllowed"): 1,
    }


def test_what_is_refused_before_it_is_a_call_is_counted(ground: Ground) -> None:
    before = ground.scrape()
    response = ground.call("GET", "/healthz", None, None, Long="x" * 100_000)
    assert response.status_code == 431
    assert grown(before, ground.scrape(), "heliscore_refusals_total") == {
        sample("heliscore_refusals_total", cause="HeadTooLarge"): 1
    }


def test_writer_and_pool_are_told(ground: Ground, key: str) -> None:
    before = ground.scrape()
    for number in range(5):
        ground.post(key, f"r{number}", {"a": 1, "b": 2, "c": True})
    after = ground.scrape()
    assert grown(before, after, "heliscore_writer_batch_scores_count").popitem()[1] == 5
    assert grown(before, after, "heliscore_writer_batch_scores_sum").popitem()[1] == 15
    assert grown(before, after, "heliscore_writer_commit_duration_seconds_count").popitem()[1] == 5
    assert after[sample("heliscore_writer_waiting_scores")] == 0
    assert not [name for name in after if "writer_lane" in str(name)]
    assert after[sample("heliscore_pool_connections_in_use")] == 0
    assert after[sample("heliscore_pool_waiting_calls")] == 0
    assert after[sample("heliscore_log_lines_dropped_total")] == 0


def test_scores_that_wait_are_told(ground: Ground, key: str) -> None:
    ground.post(key, "r", {"a": 1, "b": 2})

    async def wait() -> None:
        connection = await asyncpg.connect(ground.dsn)
        async with connection.transaction(), httpx.AsyncClient(base_url=ground.address, timeout=30) as client:
            await connection.execute("LOCK TABLE score IN ACCESS EXCLUSIVE MODE")
            headers = {"Authorization": f"Bearer {key}"}
            body = {"scores": {"a": 3, "b": 4}}
            waiting = asyncio.create_task(client.post("/v1/request/r/score", json=body, headers=headers))
            reading = asyncio.create_task(client.get("/v1/request/r", headers=headers))
            found: Samples = {}
            async with asyncio.timeout(8):
                while (
                    found.get(sample("heliscore_writer_waiting_scores")),
                    found.get(sample("heliscore_pool_connections_in_use")),
                ) != (2, 1):
                    found = await asyncio.to_thread(ground.scrape)
            await connection.execute("ROLLBACK; BEGIN")
            assert (await waiting).status_code == 200
            assert (await reading).status_code == 200
        await connection.close()

    asyncio.run(wait())


def test_process_is_measured(ground: Ground) -> None:
    assert ground.scrape()[sample("process_resident_memory_bytes")] > 0


def test_documentation_names_every_metric() -> None:
    page = Path(__file__).parents[2].joinpath("docs/operations/observability.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `(heliscore_\w+)` \|", page, re.MULTILINE)
    text = (metrics.render() + SERIES.render(1)).decode()
    assert sorted(named) == sorted(re.findall(r"^# TYPE (heliscore_\w+) ", text, re.MULTILINE))


# Score values


def test_values_of_written_scores_are_counted_whoever_wrote_them(ground: Ground, key: str) -> None:
    ground.post(key, "r1", {"accuracy": 95, "cited": True})
    ground.post(key, "r2", {"accuracy": 85, "cited": False, "delta": -7})
    ground.post(key, "r2", {"accuracy": 90})
    assert ground.call("POST", "/v1/request/r/score", {"scores": {"accuracy": "x"}}, key).status_code == 400
    tracked = {"request_id": 1, "score": 10, "name": "tracked"}
    assert ground.call("POST", "/rest/track-score", tracked, **{"X-API-KEY": key}).status_code == 200
    items = [{"requestId": f"u{number}", "scores": {"accuracy": 100}} for number in range(10)]
    for mode in ("atomic", "partial"):
        body = {"items": items, "mode": mode}
        assert ground.call("POST", "/v1/scores/batch", body, key).status_code == 200
    broken = {"items": [*items, {"requestId": "u", "scores": {"accuracy": "x"}}], "mode": "atomic"}
    assert ground.call("POST", "/v1/scores/batch", broken, key).status_code == 400
    assert ground.score_values(key) == {
        "accuracy": (23, 95 + 85 + 90 + 20 * 100),
        "cited": (2, 1),
        "delta": (1, -7),
        "tracked": (1, 10),
    }


def test_scores_of_a_repeated_log_call_are_counted_once(ground: Ground, key: str) -> None:
    tracked = {"provider": "p", "model": "m", "input": CHAT, "output": CHAT, "score": 5, "score_name": "tone"}
    times = {"request_start_time": 1.0, "request_end_time": 2.0}
    for _ in range(3):
        assert ground.call("POST", "/log-request", tracked | times, **{"X-API-KEY": key}).status_code == 201
    assert ground.score_values(key) == {"tone": (1, 5)}


def test_what_is_taken_back_is_not_counted(serve: Serve, dsn: str) -> None:
    ground = Ground(serve, dsn, UNKNOWN_REQUESTS="reject")
    key = ground.make_key(f"organization {uuid.uuid4()}")
    tracked = {"provider": "p", "model": "m", "input": CHAT, "output": CHAT}
    times = {"request_start_time": 1.0, "request_end_time": 2.0}
    logged = ground.call("POST", "/log-request", tracked | times, **{"X-API-KEY": key})
    known = str(logged.json()["id"])
    items = [{"requestId": name, "scores": {"a": 5}} for name in (known, "unknown")]
    statuses = [
        ground.call("POST", "/v1/request/unknown/score", {"scores": {"a": 1}}, key),
        ground.call("POST", "/v1/scores/batch", {"items": items}, key),
        ground.call("POST", "/v1/scores/batch", {"items": items, "mode": "partial"}, key),
    ]
    assert [response.status_code for response in statuses] == [404, 400, 200]
    found = ground.scrape(key)
    assert score_values(found) == {"a": (1, 5)}
    assert grown({}, found, "heliscore_uploads_total") == {
        sample("heliscore_uploads_total", mode="partial"): 1
    }
    assert found[sample("heliscore_upload_scores_total")] == 1
    ground.served.stop(signal.SIGTERM)


def test_nobody_sees_values_of_others(ground: Ground, key: str, organization: str) -> None:
    name = f"name-{uuid.uuid4()}"
    ground.post(key, "r", {name: 1})
    other = ground.make_key(f"another {uuid.uuid4()}")
    ground.post(other, "r", {"accuracy": 5})
    assert ground.score_values(other) == {"accuracy": (1, 5)}
    assert ground.score_values(key) == {name: (1, 1)}
    assert ground.score_values(ground.make_key(organization, "r")) == {name: (1, 1)}
    for text in (ground.call("GET", "/metrics").text, ground.call("GET", "/metrics", key=other).text):
        assert name not in text
        assert "organization" not in text
    assert "heliscore_score_value" not in ground.call("GET", "/metrics").text


@pytest.mark.parametrize("header", ["Helicone-Auth", "X-API-KEY"])
def test_key_is_taken_from_every_header(ground: Ground, key: str, header: str) -> None:
    ground.post(key, "r", {"a": 5})
    value = key if header == "X-API-KEY" else f"Bearer {key}"
    assert score_values(parse(ground.call("GET", "/metrics", **{header: value}).text)) == {"a": (1, 5)}
    assert ground.call("GET", "/metrics", **{header: value[:-1] + "!"}).status_code == 401


def test_key_that_may_not_read_sees_nothing(ground: Ground, organization: str) -> None:
    writer = ground.make_key(organization, "w")
    answers = [
        ground.call("GET", "/metrics", key=mint_key()),
        ground.call("GET", "/metrics", Authorization="Basic x"),
        ground.call("GET", "/metrics", key=writer),
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 403]
    assert answers[0].headers["www-authenticate"] == "Bearer"
    assert all("heliscore" not in answer.text for answer in answers)


def test_name_is_told_as_it_is(ground: Ground, key: str) -> None:
    name = 'a "b" \\ {c="d"} é 日本 \U0001f600'
    ground.post(key, "r", {name: 3})
    assert ground.score_values(key) == {name: (1, 3)}


# Counting and logging under load


def test_every_call_is_counted_and_logged_once(serve: Serve, dsn: str) -> None:
    ground = Ground(serve, dsn)
    key = ground.make_key(f"organization {uuid.uuid4()}")
    asyncio.run(load(ground, key))
    counted = sample("heliscore_requests_total", route=SCORE, method="POST", status="200")
    assert ground.scrape()[counted] == 200
    assert ground.score_values(key) == {"a": (200, sum(range(200)))}

    said = [json.loads(line) for line in ground.served.stop(signal.SIGTERM).splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in said)
    assert [line for line in said if line["level"] != "info"] == []
    lines = Counter(line["id"] for line in ground.served.lines if line["id"].startswith("call-"))
    assert lines == Counter(f"call-{n}" for n in range(200))


async def load(ground: Ground, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=ground.address, headers=headers, timeout=30) as client:
        for begin in range(0, 200, 20):
            calls = [
                client.post(
                    f"/v1/request/{n}/score", json={"scores": {"a": n}}, headers={"X-Request-Id": f"call-{n}"}
                )
                for n in range(begin, begin + 20)
            ]
            assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}


# Bounds


def test_series_of_scores_are_bounded() -> None:
    series = SeriesRegistry()
    many = MAX_NAMES + 50
    organizations = range(1, MAX_SERIES // MAX_NAMES + 2)
    for organization in organizations:
        totals = ScoreTotals(series)
        for number in range(many):
            totals.add(organization, {f"name-{number:03}": Score(number, False)})
        assert totals.count() == many
    named = {f"name-{number:03}": (1, number) for number in range(MAX_NAMES)}
    other = {"_other": (50, sum(range(MAX_NAMES, many)))}
    found = [score_values(parse(series.render(organization).decode())) for organization in organizations]
    assert found[:-1] == [named | other] * (MAX_SERIES // MAX_NAMES)
    assert found[-1] == {"_other": (many, sum(range(many)))}


def test_organizations_beyond_the_bound_are_counted_for_none() -> None:
    series = SeriesRegistry()
    for organization in range(1, 2 * MAX_SERIES + 10):
        totals = ScoreTotals(series)
        totals.add(organization, {"a": Score(organization, False)})
        assert totals.count() == 1
    found = [score_values(parse(series.render(n).decode())) for n in (1, MAX_SERIES + 1, 2 * MAX_SERIES + 1)]
    assert found == [{"a": (1, 1)}, {"_other": (1, MAX_SERIES + 1)}, {}]
