"""Monitors on a real database: what they find, once a period, whoever tries and whatever the clock does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from heliscore.domain.score_definition import ScoreDefinition
from heliscore.jobs import monitoring
from heliscore.jobs.monitoring import evaluate_due
from heliscore.settings import Settings
from heliscore.store import monitors as store
from heliscore.store.connections.pool import Connection, Database, open_database
from heliscore.store.score_definitions import set_definition

from tests.jobs.monitors import (
    HOUR,
    MINUTE,
    NOON,
    add,
    alerts_of,
    evaluate,
    find,
    history_of,
    make_evaluator,
    put_scores,
    states_of,
)

AWAY = "the database is not available just now, please try again"
VALUES = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
OK = [True, True, True, False]


def low(value: int = 60, count: int = 10) -> list[dict[str, int | bool]]:
    return [{"relevance": value + number % 2} for number in range(count)]


# What is found


async def test_every_statistic_is_of_the_window(
    connection: Connection, database: Database, organization_id: int
) -> None:
    await put_scores(connection, organization_id, NOON - HOUR, [{"relevance": value} for value in VALUES])
    await put_scores(connection, organization_id, NOON - HOUR, [{"ok": value} for value in OK], "m")
    # Beside the window.
    for at in (NOON - HOUR - timedelta(milliseconds=10), NOON):
        await put_scores(connection, organization_id, at, [{"relevance": -500, "ok": False}])
    expected: dict[str, tuple[dict[str, Any], tuple[str, float | None, int]]] = {
        "average": ({}, ("firing", 55, 10)),
        "p10": ({"statistic": "p10"}, ("firing", 19, 10)),
        "p25": ({"statistic": "p25"}, ("firing", 32.5, 10)),
        "p50": ({"statistic": "p50"}, ("firing", 55, 10)),
        "p75": ({"statistic": "p75"}, ("ok", 77.5, 10)),
        "p90": ({"statistic": "p90"}, ("ok", 91, 10)),
        "p95": ({"statistic": "p95"}, ("ok", 95.5, 10)),
        "p99": ({"statistic": "p99"}, ("ok", 99.1, 10)),
        "min": ({"statistic": "min"}, ("firing", 10, 10)),
        "max": ({"statistic": "max", "condition": {"above": 99}}, ("firing", 100, 10)),
        "count": ({"statistic": "count"}, ("firing", 10, 10)),
        "requests": ({"statistic": "count", "score": None}, ("firing", 14, 14)),
        "share": (
            {"statistic": "share", "score": "ok", "condition": {"below": 0.8}},
            ("firing", 0.75, 4),
        ),
        "unscored": (
            {"statistic": "unscored", "condition": {"above": 0.28}},
            ("firing", 4 / 14, 14),
        ),
        "too few": ({"atLeastScores": 11}, ("no_data", 55, 10)),
        "nothing": ({"score": "unknown"}, ("no_data", None, 0)),
        "no requests": (
            {
                "statistic": "count",
                "score": None,
                "filter": {"request_response_rmt": {"model": {"equals": "x"}}},
            },
            ("firing", 0, 0),
        ),
        "filter": (
            {"filter": {"request_response_rmt": {"scores": {"relevance": {"gte": 60}}}}},
            ("ok", 80, 5),
        ),
        "later": ({"delayMinutes": 60}, ("firing", -500, 1)),
    }
    ids = {
        name: await add(connection, organization_id, name=name, **fields)
        for name, (fields, _) in expected.items()
    }
    assert await evaluate(database, NOON) == len(ids)
    found = {name: await states_of(connection, organization_id, id_) for name, id_ in ids.items()}
    assert found == {name: {None: pytest.approx(state)} for name, (_, state) in expected.items()}


async def test_share_of_other_values_is_an_error_at_last(
    connection: Connection, database: Database, organization_id: int, caplog: pytest.LogCaptureFixture
) -> None:
    await put_scores(connection, organization_id, NOON - HOUR, [{"relevance": 1}, {"relevance": 2}])
    id_ = await add(connection, organization_id, statistic="share", condition={"below": 0.5})
    times = []
    for _ in range(4):
        monitor = await find(connection, organization_id, id_)
        assert monitor.next_at is not None
        times.append(monitor.next_at - NOON)
        assert await evaluate(database, monitor.next_at) == 1
    assert times == [timedelta(seconds=seconds) for seconds in (0, 30, 90, 210)]
    monitor = await find(connection, organization_id, id_)
    reason = "relevance has values other than 0 and 1, and so no share of true"
    assert (monitor.failures, monitor.error, monitor.failing_since) == (4, reason, NOON)
    assert (monitor.evaluated_until, monitor.stand.states) == (NOON - HOUR, ())
    assert await history_of(connection, organization_id, id_) == [
        (NOON + timedelta(seconds=90), None, "error")
    ]
    assert caplog.messages == [f"monitor {id_} cannot be evaluated; its history says why"]
    await connection.execute("UPDATE score SET value = 1")
    assert monitor.next_at is not None
    await evaluate(database, monitor.next_at)
    monitor = await find(connection, organization_id, id_)
    assert (monitor.failures, monitor.error, monitor.failing_since) == (0, None, None)
    assert (await history_of(connection, organization_id, id_))[1:] == [(NOON, None, "ok")]
    assert await alerts_of(connection) == []


async def test_groups_that_became_worse_are_told_of(
    connection: Connection, database: Database, organization_id: int
) -> None:
    for model, before, after in (("a", 80, 60), ("b", 80, 79), (None, 60, 80)):
        await put_scores(connection, organization_id, NOON - 2 * HOUR, low(before, 30), model)
        await put_scores(connection, organization_id, NOON - HOUR, low(after, 20), model)
    id_ = await add(
        connection,
        organization_id,
        name="worse",
        groupBy="model",
        condition={"worseThan": "previous", "margin": 5},
        filter={"request_response_rmt": {"status": {"exists": False}}},
    )
    assert await evaluate(database, NOON) == 1
    assert await states_of(connection, organization_id, id_) == {
        "a": ("firing", 60.5, 20),
        "b": ("ok", 79.5, 20),
        None: ("ok", 80.5, 20),
    }
    [(kind, body)] = await alerts_of(connection)
    assert (kind, body) == (
        "alert.firing",
        {
            "monitor": {"id": id_, "name": "worse"},
            "group": "a",
            "state": "firing",
            "previousState": "ok",
            "value": 60.5,
            "baseValue": 80.5,
            "count": 20,
            "sentence": "relevance average fell by 20.0 to 60.5 (95 % \u221220.4 to \u221219.6) against the "
            "window before, more than 5 with model a: 20 against 30 scores, 11:00 to 12:00 UTC",
            "window": {"start": "2026-11-28T11:00:00.000Z", "end": "2026-11-28T12:00:00.000Z"},
            "at": "2026-11-28T12:00:00.000Z",
            "filter": {
                "left": {"request_response_rmt": {"status": {"exists": False}}},
                "operator": "and",
                "right": {
                    "request_response_rmt": {
                        "request_created_at": {"gte": "2026-11-28T11:00:00Z", "lt": "2026-11-28T12:00:00Z"},
                        "model": {"in": ["a"]},
                    }
                },
            },
            "destinations": None,
        },
    )


async def test_worse_is_higher_where_lower_values_are_better(
    connection: Connection, database: Database, organization_id: int
) -> None:
    await put_scores(connection, organization_id, NOON - 7 * 24 * HOUR - HOUR, low(60, 20))
    await put_scores(connection, organization_id, NOON - HOUR, low(80, 20))
    condition = {"worseThan": "week", "margin": 5}
    id_ = await add(connection, organization_id, condition=condition)
    assert await evaluate(database, NOON) == 1
    assert await states_of(connection, organization_id, id_) == {None: ("ok", 80.5, 20)}
    await set_definition(
        connection, organization_id, ScoreDefinition(name="relevance", type="integer", direction="lower")
    )
    other = await add(connection, organization_id, name="other", condition=condition)
    await evaluate(database, NOON)
    assert await states_of(connection, organization_id, other) == {None: ("firing", 80.5, 20)}


# Once a period


@pytest.mark.parametrize("is_bad", [True, False])
async def test_one_period_is_stored_once(
    connection: Connection, database: Database, organization_id: int, is_bad: bool
) -> None:
    await put_scores(connection, organization_id, NOON - HOUR, low(60 if is_bad else 80))
    id_ = await add(connection, organization_id)
    evaluator = make_evaluator(database)
    claimed = await store.claim(connection, 8, NOON)
    stored = await asyncio.gather(*(evaluator.evaluate(claimed) for _ in range(4)))
    assert sorted(map(len, stored)) == [0, 0, 0, 1]
    assert await history_of(connection, organization_id, id_) == [(NOON, None, "firing")] * is_bad
    assert [kind for kind, _ in await alerts_of(connection)] == ["alert.firing"] * is_bad
    states = await states_of(connection, organization_id, id_)
    assert states == {None: ("firing", 60.5, 10) if is_bad else ("ok", 80.5, 10)}


async def test_services_share_the_monitors(connection: Connection, dsn: str, organization_id: int) -> None:
    """Two services with two connections each, and thirty monitors that fire; each is told of once."""
    clock = (await connection.fetchval("SELECT date_trunc('hour', now())")) - HOUR
    await put_scores(connection, organization_id, clock, low())
    ids = [await add(connection, organization_id, clock, name=f"{number}") for number in range(30)]
    databases = [await open_database(Settings(database_url=dsn), size=2, is_fair=False) for _ in range(2)]

    async def work(database: Database) -> int:
        evaluator, total = make_evaluator(database), 0
        while claimed := await evaluate_due(evaluator):
            total += claimed
        return total

    counts = await asyncio.gather(*(work(database) for database in databases * 2))
    for database in databases:
        await database.close()
    assert sum(counts) == 30
    for id_ in ids:
        assert await history_of(connection, organization_id, id_) == [(clock + HOUR, None, "firing")]
    assert len(await alerts_of(connection)) == 30


async def test_monitor_of_a_service_that_was_killed_is_taken_over(
    connection: Connection, database: Database, organization_id: int
) -> None:
    await put_scores(connection, organization_id, NOON - HOUR, low())
    await add(connection, organization_id)
    first = await store.claim(connection, 8, NOON)
    assert await store.claim(connection, 8, NOON + timedelta(seconds=24)) == []
    second = await store.claim(connection, 8, NOON + timedelta(seconds=25))
    evaluator = make_evaluator(database)
    assert await evaluator.evaluate(second) == {second[0].id}
    # The first one was not killed, but slow.
    assert await evaluator.evaluate(first) == set()
    assert len(await alerts_of(connection)) == 1


async def test_clock_that_goes_back_makes_nothing_due_twice(
    connection: Connection, database: Database, organization_id: int
) -> None:
    await put_scores(connection, organization_id, NOON - HOUR, low())
    id_ = await add(connection, organization_id)
    assert await evaluate(database, NOON) == 1
    for now in (NOON, NOON - HOUR, NOON - 100 * HOUR, NOON + 59 * MINUTE):
        assert await evaluate(database, now) == 0
    assert await evaluate(database, NOON + HOUR) == 1
    assert await history_of(connection, organization_id, id_) == [
        (NOON, None, "firing"),
        (NOON + HOUR, None, "no_data"),
    ]
    # A claim from before the clock was set back does not last for hours.
    await connection.execute(
        "UPDATE monitor SET claimed_until = $1, next_at = $2::timestamptz", NOON + 9 * HOUR, NOON
    )
    assert len(await store.claim(connection, 8, NOON)) == 1


async def test_standstill_is_caught_up_with_in_one_go(
    connection: Connection, database: Database, organization_id: int
) -> None:
    """Of fifteen periods that were missed the last ten are looked at; one alert says how things stand."""
    for number in range(15):
        value = 60 if number % 2 == 0 else 80
        await put_scores(connection, organization_id, NOON + number * HOUR, low(value))
    id_ = await add(connection, organization_id, NOON)
    assert await evaluate(database, NOON + 15 * HOUR + 20 * MINUTE) == 1
    assert await history_of(connection, organization_id, id_) == [
        (NOON + 5 * HOUR, "5 periods skipped: they were missed, and are too long ago"),
        *((NOON + hour * HOUR, None, "ok" if hour % 2 == 0 else "firing") for hour in range(7, 16)),
    ]
    [(kind, body)] = await alerts_of(connection)
    assert (kind, body["at"]) == ("alert.firing", "2026-11-29T03:00:00.000Z")
    monitor = await find(connection, organization_id, id_)
    assert monitor.next_at == NOON + 16 * HOUR
    assert await evaluate(database, NOON + 15 * HOUR + 20 * MINUTE) == 0


async def test_result_of_what_was_replaced_is_not_stored(
    connection: Connection, database: Database, organization_id: int
) -> None:
    await put_scores(connection, organization_id, NOON - HOUR, low())
    id_ = await add(connection, organization_id)
    claimed = await store.claim(connection, 8, NOON)
    await connection.execute("UPDATE monitor SET revision = revision + 1")
    assert await make_evaluator(database).evaluate(claimed) == set()
    assert await states_of(connection, organization_id, id_) == {}


async def test_organizations_take_turns(connection: Connection, organization_id: int) -> None:
    for number in range(5):
        await add(connection, organization_id, name=f"{number}")
    other = await connection.fetchval("INSERT INTO organization (name) VALUES ('other') RETURNING id")
    await add(connection, other, NOON - HOUR / 2)
    await connection.execute("UPDATE monitor SET next_at = $1 WHERE organization_id = $2", NOON, other)
    claimed = await store.claim(connection, 2, NOON)
    assert {monitor.organization_id for monitor in claimed} == {organization_id, other}


# What is slow or fails


@pytest.fixture
async def impatient(dsn: str) -> AsyncIterator[Database]:
    database = await open_database(Settings(database_url=dsn, statement_timeout_ms=150), size=2)
    yield database
    await database.close()


async def test_monitor_that_is_slow_harms_no_other(
    connection: Connection, dsn: str, impatient: Database, organization_id: int
) -> None:
    await put_scores(connection, organization_id, NOON - HOUR, low())
    slow = await add(connection, organization_id)
    quick = await add(connection, organization_id, score=None, statistic="count")
    blocker = await asyncpg.connect(dsn)
    async with blocker.transaction():
        await blocker.execute("LOCK TABLE score")
        assert await evaluate(impatient, NOON) == 2
    await blocker.close()
    assert await states_of(connection, organization_id, quick) == {None: ("firing", 10, 10)}
    monitor = await find(connection, organization_id, slow)
    assert (monitor.failures, monitor.next_at, monitor.stand.states) == (1, NOON + MINUTE / 2, ())
    assert monitor.error == (
        "the database took longer than the limit of 150 ms; narrow the filter or the time range"
    )
    assert await evaluate(impatient, NOON + MINUTE / 2) == 1
    assert await states_of(connection, organization_id, slow) == {None: ("firing", 60.5, 10)}


async def test_monitor_that_is_not_understood_harms_no_other(
    connection: Connection, database: Database, organization_id: int
) -> None:
    odd = await add(connection, organization_id, name="odd")
    await add(connection, organization_id, name="good")
    await connection.execute(
        "UPDATE monitor SET definition = definition || '{\"statistic\": \"mood\"}' WHERE name = 'odd'"
    )
    assert await evaluate(database, NOON) == 2
    monitor = await find(connection, organization_id, odd)
    assert (monitor.failures, (monitor.error or "").partition(":")[0]) == (1, "statistic")


async def test_history_is_kept_for_ninety_days(connection: Connection, organization_id: int) -> None:
    id_ = await add(connection, organization_id)
    for days in (91, 89):
        await connection.execute(
            """INSERT INTO monitor_change (
                organization_id, monitor_id, recorded_at, happened_at, count, reason
            )
            VALUES ($1, $2::text::uuid, now() - make_interval(days => $3), $4, 0, $3::text)""",
            organization_id,
            id_,
            days,
            NOON,
        )
    assert not await store.prune_changes(connection)
    assert await history_of(connection, organization_id, id_) == [(NOON, "89")]


async def test_database_that_is_away_is_waited_for(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitoring, "_AWAY_PAUSE_S", 0.0)
    monkeypatch.setattr(monitoring, "_PAUSE_S", 0.0)
    away = await open_database(Settings(database_url="postgresql://127.0.0.1:1/none"), size=2)
    evaluator = make_evaluator(away)
    async with asyncio.timeout(30), monitoring.kept_monitored(evaluator, pytest.fail):
        while True:
            await asyncio.sleep(0.02)  # for many more attempts
            if len(caplog.messages) >= monitoring.CONNECTIONS:
                break
        await asyncio.sleep(0.02)
    assert caplog.messages == ["monitors have to wait: " + AWAY] * monitoring.CONNECTIONS
    await away.close()
