"""Statistics by counts are those of the scores at every instant, whoever writes and counts meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
from heliscore.domain.changes.period_scores import TwoPeriods
from heliscore.domain.filter_tree import AnyOf, Cases, Column, Compare, Everything, Exists, Not
from heliscore.domain.score import Score
from heliscore.domain.times import exactly_now
from heliscore.store import counted_scores, request_log, score_counts, score_scan, scores
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.evaluations import distributions, over_time, spread, trends
from heliscore.store.period_groups import PeriodSelection, compare_periods, list_buckets, make_periods
from heliscore.store.request_log import LoggedRequest
from heliscore.store.score_counts import Counted, count_touched
from heliscore.store.score_groups import compare
from heliscore.store.score_scan import ScoreSelection, scan
from heliscore.store.scores import ScoreIds, ScoreWrite
from heliscore.store.statements import load

from tests.origins import ORIGIN

START = datetime(2026, 3, 1, tzinfo=UTC)
LATER = datetime(2100, 1, 1, tzinfo=UTC)
NAMES = ("few", "flag", "many", "large")
DAYS = 3

PROMPTS = AnyOf((Compare(Column("prompt_id"), "=", "p"), Not(Exists(Column("prompt_id")))))
"""A filter that counts by prompt suffice for."""

ROWS = """
SELECT n.name, s.value, s.is_boolean, s.request_created_at, r.model, r.provider, r.prompt_id, r.prompt_version
FROM score AS s JOIN score_name AS n ON n.id = s.name_id
JOIN request AS r ON r.organization_id = s.organization_id AND r.request_no = s.request_no
WHERE s.request_created_at >= $1 AND s.request_created_at < $2
"""


@pytest.fixture(autouse=True)
def always_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few hours are counted, and however many are touched."""
    monkeypatch.setattr(counted_scores, "MOST_READ", float("inf"))


def random_value(rng: random.Random, name: str) -> Score:
    match name:
        case "few":
            return Score(rng.randrange(-2, 4), False)
        case "flag":
            return Score(rng.randrange(2), rng.random() < 0.9)
        case "many":
            return Score(rng.randrange(10_000), False)
        case _:
            return Score(rng.choice((2**63 - 1, -(2**63), 2**53 + 1)), False)


def random_time(rng: random.Random) -> datetime:
    hours = rng.choice((0, 1, 5, 23, 24, 25, 47, 48, 60))
    return START + timedelta(hours=hours, milliseconds=rng.choice((0, 1, 1_800_000, 3_599_999)))


def random_log(rng: random.Random, organization_id: int, request_id: str) -> LoggedRequest:
    at = random_time(rng)
    return LoggedRequest(
        organization_id=organization_id,
        request_id=request_id,
        created_at=at,
        updated_at=at,
        request_model=rng.choice((None, "m1", "m2")),
        provider=rng.choice((None, "A", "B")),
        prompt_id=rng.choice((None, "p", "q")),
        prompt_version=rng.choice((None, "1", "2")),
    )


async def write_once(connection: Connection, ids: ScoreIds, organization_id: int, rng: random.Random) -> None:
    """One change by the functions that the service writes with."""
    request_id = f"r{rng.randrange(30)}"
    match rng.randrange(8):
        case 0 | 1 | 2:
            posts = [
                ScoreWrite(
                    organization_id,
                    f"r{number}",
                    {name: random_value(rng, name) for name in NAMES if rng.random() < 0.6}
                    or {"few": Score(1, False)},
                    exactly_now(),
                    ORIGIN,
                )
                for number in sorted(rng.sample(range(30), rng.randrange(1, 4)))
            ]
            await scores.record(connection, ids, posts)
        case 3 | 4 | 5:
            await request_log.log(connection, random_log(rng, organization_id, request_id))
        case 6:
            name = rng.choice(NAMES)
            await scores.remove_score(
                connection, ids, organization_id, request_id, name, exactly_now(), ORIGIN
            )
        case _:
            removed = await connection.fetchval(load("log")["remove_request"], organization_id, request_id)
            if removed is not None:
                await scores.erase_scores(connection, organization_id, [removed])


async def keep_writing(dsn: str, organization_id: int, rng: random.Random, stop: asyncio.Event) -> None:
    """Change scores in transactions of some statements, some of which are rolled back."""
    connection = await asyncpg.connect(dsn)
    try:
        while not stop.is_set():
            transaction = connection.transaction()
            await transaction.start()
            try:
                for _ in range(rng.randrange(1, 4)):
                    await write_once(connection, ScoreIds(), organization_id, rng)
                    await asyncio.sleep(rng.random() * 0.01)
            except asyncpg.DeadlockDetectedError:
                await transaction.rollback()
            else:
                await (transaction.rollback() if rng.random() < 0.2 else transaction.commit())
    finally:
        await connection.close()


async def keep_counting(database: Database, stop: asyncio.Event, counted: Counter[str]) -> None:
    while not stop.is_set():
        done = await count_touched(database, LATER, settling=timedelta(0))
        counted.update(hours=done.hours, days=done.days)


async def all_answers(
    connection: Connection, ids: ScoreIds, organization_id: int, start: datetime, end: datetime
) -> dict[str, Any]:
    selection = ScoreSelection(organization_id, Everything(), start, end)
    middle = start + (end - start) / 2
    name_ids = list((await ids.names.find(connection, organization_id, NAMES)).values())
    answers: dict[str, Any] = {
        "hours": await over_time(connection, ids.names, selection, "hour", 0),
        "days": await over_time(connection, ids.names, selection, "day", -345),
        "weeks in a zone": await over_time(connection, ids.names, selection, "week", "America/St_Johns"),
        "trends": await trends(connection, ids.names, selection, [start, middle]),
        "distributions": await distributions(connection, ids.names, selection, 7),
        "spread": await spread(connection, ids.names, selection, NAMES, 7),
        "spread by provider": await spread(connection, ids.names, selection, NAMES, 7, Column("provider")),
        "measure": [
            tuple(row) for row in await scan(connection, ids.names, "measure", selection, 5, scores=name_ids)
        ],
    }
    for column in ("model", "provider", "prompt_id", "prompt_version"):
        answers[f"compare by {column}"] = await compare(
            connection, ids.names, selection, NAMES, Column(column), max_counts=50, since=middle
        )
    prompts = ScoreSelection(organization_id, PROMPTS, start, end)
    versions = Cases((Compare(Column("prompt_version"), "=", "1"), Exists(Column("prompt_version"))))
    answers["compare versions"] = await compare(
        connection, ids.names, prompts, NAMES, versions, max_counts=50, since=middle
    )
    answers["distributions of prompts"] = await distributions(connection, ids.names, prompts, 7)
    periods = TwoPeriods(start, middle, middle, end)
    groups = Column("model"), Column("prompt_version"), Column("provider")
    changes = PeriodSelection(organization_id, Everything(), periods, groups)
    ungrouped = msgspec.structs.replace(changes, group_bys=())
    rows = await compare_periods(connection, ids.names, ungrouped, NAMES)
    answers["changes of all"] = make_periods(rows, ungrouped)
    rows = await compare_periods(connection, ids.names, changes, NAMES)
    answers["changes"] = found = make_periods(rows, changes)
    wanted = [(one.group, one.score) for one in found.scores]
    answers["changes over time"] = await list_buckets(connection, ids.names, changes, wanted)
    return answers


async def check(connection: Connection, organization_id: int, rng: random.Random) -> None:
    """Compare the answers by counts, those by scores, and plain arithmetic, all in one snapshot."""
    start = START + rng.choice((timedelta(0), timedelta(minutes=30), timedelta(hours=5)))
    end = start + rng.choice((timedelta(hours=1), timedelta(hours=25), timedelta(days=DAYS)))
    ids = ScoreIds()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        by_counts = await all_answers(connection, ids, organization_id, start, end)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(score_scan, "find_counted", _read_none)
            by_scores = await all_answers(connection, ids, organization_id, start, end)
        rows = await connection.fetch(ROWS, start, end)
    assert by_counts == by_scores
    by_hour: dict[tuple[str, datetime], list[int]] = defaultdict(list)
    by_model: dict[tuple[str | None, str], list[int]] = defaultdict(list)
    for name, value, _, at, model, *_ in rows:
        by_hour[name, at.replace(minute=0, second=0, microsecond=0)].append(value)
        by_model[model, name].append(value)
    assert {
        (one.name, one.begins_at): (one.count, one.sum, one.lowest, one.highest) for one in by_counts["hours"]
    } == {key: (len(of), sum(of), min(of), max(of)) for key, of in by_hour.items()}
    assert {
        (one.value, one.name): (one.sample.count, one.sample.sum, one.sample.squares)
        for one in by_counts["compare by model"]
    } == {key: (len(of), sum(of), sum(value**2 for value in of)) for key, of in by_model.items()}


async def _read_none(*_: object) -> None:
    pass


@pytest.mark.parametrize(("seed", "least_grouped"), [(1, 1), (2, 5)])
async def test_counts_are_exact_at_every_instant(
    dsn: str,
    database: Database,
    connection: Connection,
    organization_id: int,
    seed: int,
    least_grouped: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng, stop, counted = random.Random(seed), asyncio.Event(), Counter[str]()
    monkeypatch.setattr(score_counts, "_SHORTEST_PAUSE_S", 0.001)
    monkeypatch.setattr(score_counts, "_LEAST_GROUPED", least_grouped)
    all_names = {name: random_value(rng, name) for name in NAMES}
    await scores.record(connection, ScoreIds(), [ScoreWrite(organization_id, "r0", all_names, START, ORIGIN)])
    for number in range(30):
        await request_log.log(connection, random_log(rng, organization_id, f"r{number}"))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(keep_writing(dsn, organization_id, random.Random(rng.random()), stop))
        for _ in range(2):  # services, of which one counts at a time
            tasks.create_task(keep_counting(database, stop, counted))
        try:
            for _ in range(15):
                await check(connection, organization_id, rng)
        finally:
            stop.set()
    await drained(database)
    await check(connection, organization_id, rng)
    assert counted["hours"] > 20
    assert counted["days"] > 2
    assert await connection.fetchval("SELECT count(*) FROM touched_hour") == 0


async def drained(database: Database) -> None:
    """Count all that is touched."""
    while await count_touched(database, LATER, settling=timedelta(0)) != score_counts.NOTHING:
        pass


async def test_what_a_transaction_in_progress_wrote_is_counted_later(
    dsn: str, database: Database, connection: Connection, organization_id: int, ids: ScoreIds
) -> None:
    """It relies on a row of touched_hour that it found: that stays until it has ended."""
    first = ScoreWrite(organization_id, "a", {"few": Score(1, False)}, START, ORIGIN)
    await scores.record(connection, ids, [first])
    other = await asyncpg.connect(dsn)
    try:
        async with other.transaction():
            post = ScoreWrite(organization_id, "b", {"few": Score(2, False)}, START, ORIGIN)
            await scores.record(other, ids, [post])
            assert await other.fetchval("SELECT count(*) FROM touched_hour") == 1
            assert await count_touched(database, LATER, settling=timedelta(0)) == Counted(0, 0)
            third = ScoreWrite(organization_id, "c", {"few": Score(3, False)}, START, ORIGIN)
            await scores.record(connection, ids, [third])  # the row is closed: it makes another one
            assert await connection.fetchval("SELECT count(*) FROM touched_hour") == 2
    finally:
        await other.close()
    await drained(database)
    found = await connection.fetch("SELECT count, sum, lowest, highest FROM score_hour")
    assert [tuple(row) for row in found] == [(3, 6, 1, 3)]


async def test_scores_older_than_the_counts_are_counted(
    database: Database, connection: Connection, organization_id: int, ids: ScoreIds
) -> None:
    """As the migration finds them: nothing was touched."""
    posts = [
        ScoreWrite(
            organization_id, f"r{hour}", {"few": Score(hour, False)}, START + timedelta(hours=hour), ORIGIN
        )
        for hour in (0, 1, 30)
    ]
    await scores.record(connection, ids, posts)
    await connection.execute("DELETE FROM touched_hour")
    await connection.execute(
        "INSERT INTO uncounted_name (organization_id, name_id) SELECT organization_id, id FROM score_name"
    )
    rng = random.Random(3)
    for _ in range(10):
        await check(connection, organization_id, rng)
    await drained(database)
    assert await connection.fetchval("SELECT count(*) FROM score_hour") == 3
    assert await connection.fetchval("SELECT count(*) FROM score_day WHERE NOT is_due") == 2
    await check(connection, organization_id, rng)


async def test_an_hour_of_many_values_keeps_only_sums(
    database: Database,
    connection: Connection,
    organization_id: int,
    ids: ScoreIds,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    posts = [
        ScoreWrite(
            organization_id,
            f"r{number}",
            {"many": Score(number, False), "few": Score(number % 3, False)},
            START,
            ORIGIN,
        )
        for number in range(150)
    ]
    await scores.record(connection, ids, posts)
    monkeypatch.setattr(score_counts, "_LEAST_GROUPED", 1)
    await drained(database)
    found = await connection.fetch(
        "SELECT n.name, h.count, cardinality(h.groupings), cardinality(d.groupings) "
        "FROM score_hour AS h JOIN score_name AS n ON n.id = h.name_id "
        "JOIN score_day AS d ON d.name_id = n.id AND NOT d.is_due ORDER BY 1"
    )
    assert [tuple(row) for row in found] == [("few", 150, 4, 4), ("many", 150, 0, 0)]
    await check(connection, organization_id, random.Random(4))
