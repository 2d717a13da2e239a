"""The event log: readers miss nothing and see nothing twice, and what has served its time goes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from asyncpg.prepared_stmt import PreparedStatement
from heliscore.domain.times import EPOCH
from heliscore.jobs.pruning import kept_pruned
from heliscore.store import event_cursor, events, retention
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.scores import ScoreIds, record
from heliscore.store.statements import load

from tests.store.test_record import connections, post

__all__ = ["connections"]


async def read_since(
    connection: Connection, seen: str, limit: int = 1000
) -> tuple[list[tuple[str, int]], str]:
    """Request and value of all scores since a snapshot, read in pages, and the snapshot that ends them."""
    until, after = await events.take_snapshot(connection), 0
    found: list[tuple[str, int]] = []
    while page := await events.read_between(connection, seen, until, after=after, limit=limit):
        assert [event.number for event in page] == sorted(event.number for event in page)
        found += [(event.data["requestId"], event.data["value"]) for event in page]
        after = page[-1].number
    return found, until


@pytest.fixture
async def interested(connection: Connection, organization_id: int) -> Connection:
    await events.set_interest(connection, organization_id, ["score.recorded"], "destination", None)
    return connection


async def test_events_of_a_transaction_that_commits_late_are_read(
    interested: Connection, organization_id: int, ids: ScoreIds, connections: list[Connection]
) -> None:
    await record(interested, ids, [post(organization_id, {"a": 0}, request_id="first")])
    _, seen = await read_since(interested, await events.take_snapshot(interested))
    late = connections[0].transaction()
    await late.start()
    await record(connections[0], ids, [post(organization_id, {"a": 1}, request_id="late")])
    await record(interested, ids, [post(organization_id, {"a": 2}, request_id="soon")])
    found, seen = await read_since(interested, seen)
    assert found == [("soon", 2)]
    await late.commit()
    found, seen = await read_since(interested, seen)
    assert found == [("late", 1)]
    assert (await read_since(interested, seen))[0] == []


@pytest.mark.parametrize("seed", range(3))
async def test_readers_see_each_event_once_whatever_the_order_of_commits(
    interested: Connection, organization_id: int, ids: ScoreIds, connections: list[Connection], seed: int
) -> None:
    """Ten connections begin, write, commit and roll back at random; two readers read at random, in pages."""
    chance, writers = random.Random(seed), connections[:10]
    await record(interested, ids, [post(organization_id, {"a": 0}, request_id="first")])
    snapshot = await events.take_snapshot(interested)
    readers: list[tuple[str, list[tuple[str, int]]]] = [(snapshot, []), (snapshot, [])]
    open_: dict[int, tuple[asyncpg.transaction.Transaction, list[tuple[str, int]]]] = {}
    committed: list[tuple[str, int]] = []
    numbers = iter(range(1, 10**6))

    async def end(place: int) -> None:
        transaction, written = open_.pop(place)
        if chance.random() < 0.3:
            await transaction.rollback()
        else:
            await transaction.commit()
            committed.extend(written)

    async def read(place: int) -> None:
        seen, found = readers[place]
        more, until = await read_since(interested, seen, limit=chance.choice([1, 3, 1000]))
        readers[place] = until, [*found, *more]

    for _ in range(150):
        place = chance.randrange(len(writers))
        match chance.randrange(4):
            case 0 | 1:
                if place not in open_:
                    open_[place] = writers[place].transaction(), []
                    await open_[place][0].start()
                request = f"r{next(numbers)}"
                await record(writers[place], ids, [post(organization_id, {"a": place}, request_id=request)])
                open_[place][1].append((request, place))
            case 2:
                if place in open_:
                    await end(place)
            case _:
                await read(chance.randrange(2))
    for place in list(open_):
        await end(place)
    for place in range(2):
        await read(place)
        assert sorted(readers[place][1]) == sorted(committed)


async def test_writers_at_the_same_time_lose_no_event(
    interested: Connection, organization_id: int, ids: ScoreIds, connections: list[Connection]
) -> None:
    await record(interested, ids, [post(organization_id, {"a": 0}, request_id="first")])
    seen, found = await events.take_snapshot(interested), []

    async def write(place: int) -> None:
        for number in range(20):
            posts = [post(organization_id, {"a": number}, request_id=f"{place}-{number}")]
            await record(connections[place], ids, posts)

    writing = asyncio.gather(*(write(place) for place in range(8)))
    while not writing.done():
        more, seen = await read_since(interested, seen)
        found += more
    more, _ = await read_since(interested, seen)
    expected = sorted((f"{place}-{number}", number) for place in range(8) for number in range(20))
    assert sorted([*found, *more]) == expected


@pytest.fixture
async def seen(
    interested: Connection, organization_id: int, ids: ScoreIds, connections: list[Connection]
) -> AsyncIterator[str]:
    """What a reader remembers that has read thousands of events, while a transaction is still open that began
    before all of them."""
    await interested.execute(
        "INSERT INTO request (organization_id, request_id, created_at, updated_at)"
        " SELECT $1, n, now(), now() FROM generate_series(1, 5000) AS n",
        organization_id,
    )
    async with connections[0].transaction():
        await record(connections[0], ids, [post(organization_id, {"a": 1}, request_id="open")])
        for n in range(20):
            await interested.execute(
                "INSERT INTO event (organization_id, type, request_no)"
                f" SELECT $1, 'request.logged', request_no FROM request WHERE request_no % 20 = {n}",
                organization_id,
            )
        await interested.execute("ANALYZE event; ANALYZE request")
        yield await events.take_snapshot(interested)


async def test_reading_walks_neither_what_was_read_nor_all_requests(
    interested: Connection, organization_id: int, ids: ScoreIds, seen: str
) -> None:
    await record(interested, ids, [post(organization_id, {"a": 2}, request_id="new")])
    until = await events.take_snapshot(interested)
    prepared = await interested.prepare(load("event")["read_between"])
    assert await rows_read(prepared, 0, seen, until, 0, None, 10) < 20


@pytest.mark.parametrize("is_new", [False, True])
async def test_look_for_events_walks_none_that_are_deliveries(
    interested: Connection, organization_id: int, ids: ScoreIds, seen: str, is_new: bool
) -> None:
    await interested.execute("INSERT INTO event_cursor (from_snapshot) VALUES ($1::text::pg_snapshot)", seen)
    if is_new:
        await record(interested, ids, [post(organization_id, {"a": 2}, request_id="new")])
    look = await event_cursor.look(interested)
    assert await event_cursor.find_places(interested, look) == ([event_cursor.Place(0, 0)] if is_new else [])
    prepared = await interested.prepare(load("event")["find_new"])
    assert await rows_read(prepared, 0, [0], [seen]) < 6


async def rows_read(prepared: PreparedStatement[asyncpg.Record], *arguments: object) -> int:
    """How many rows of tables a statement reads."""
    plan = await prepared.explain(*arguments, analyze=True)
    return sum(
        (scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)) * scan["Actual Loops"]
        for scan in scans(plan[0]["Plan"])
    )


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes of a plan that read tables."""
    if "Relation Name" in plan:
        yield plan
    for part in plan.get("Plans", ()):
        yield from scans(part)


async def age(connection: Connection, hours: float) -> None:
    await connection.execute("UPDATE event SET happened_at = now() - $1::interval", timedelta(hours=hours))


@pytest.mark.parametrize(("hours", "left"), [(0.9, 3), (1.1, 0), (25, 0)])
async def test_events_go_after_an_hour(
    interested: Connection, database: Database, organization_id: int, ids: ScoreIds, hours: float, left: int
) -> None:
    await record(interested, ids, [post(organization_id, {"a": 1, "b": 2, "c": 3})])
    await age(interested, hours)
    await retention.prune_events(database)
    assert await interested.fetchval("SELECT count(*) FROM event") == left


async def test_events_that_are_no_deliveries_yet_stay_for_a_day(
    interested: Connection, database: Database, organization_id: int, ids: ScoreIds
) -> None:
    await record(interested, ids, [post(organization_id, {"a": 1})])
    cursor = "INSERT INTO event_cursor (from_snapshot) VALUES (pg_current_snapshot())"
    await interested.execute(cursor)
    await record(interested, ids, [post(organization_id, {"b": 2})])
    await age(interested, 2)
    await interested.execute("UPDATE event_cursor SET from_snapshot = $1::text::pg_snapshot", "1:1:")
    await retention.prune_events(database)
    assert await interested.fetchval("SELECT count(*) FROM event") == 2
    await interested.execute("UPDATE event_cursor SET from_snapshot = pg_current_snapshot()")
    await retention.prune_events(database)
    assert await interested.fetchval("SELECT count(*) FROM event") == 0
    await record(interested, ids, [post(organization_id, {"b": 3})])
    await age(interested, 25)
    await retention.prune_events(database)
    assert await interested.fetchval("SELECT count(*) FROM event") == 0


@pytest.fixture
def small_batches() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retention, "_EVENT_BATCH", 2)
        yield


@pytest.mark.usefixtures("small_batches")
async def test_events_and_interest_that_have_ended_are_pruned_by_the_service_in_pieces(
    interested: Connection, database: Database, organization_id: int, ids: ScoreIds
) -> None:
    await record(interested, ids, [post(organization_id, dict.fromkeys("abcde", 1))])
    await age(interested, 2)
    past = datetime.now(UTC) - timedelta(seconds=1)
    await events.set_interest(interested, organization_id, ["request.logged"], "live", past)
    async with kept_pruned(database, None, lambda: None):
        async with asyncio.timeout(10):
            while await interested.fetchval("SELECT count(*) FROM event"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    kept = await interested.fetch("SELECT type, source FROM event_interest")
    assert [tuple(row) for row in kept] == [("score.recorded", "destination")]


async def test_since_when_events_are_published_is_known(connection: Connection, organization_id: int) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    types = ["score.recorded", "request.logged"]

    async def since(*some: str) -> datetime | None:
        return await events.find_since(connection, organization_id, some or types)  # type: ignore[arg-type]

    assert await since("alert.firing", "alert.resolved") == EPOCH
    assert await since() is None
    await events.set_interest(connection, organization_id, ["score.recorded"], "live", soon)
    first = await since("score.recorded", "alert.firing")
    assert first is not None
    assert await since() is None
    await events.set_interest(connection, organization_id, types, "destination", None)  # type: ignore[arg-type]
    assert await since("score.recorded") == first
    second = await since()
    assert second is not None
    assert second > first
    # Renewed, it goes on; ended, it begins again.
    await events.set_interest(connection, organization_id, ["score.recorded"], "live", soon)
    assert await since("score.recorded") == first
    await connection.execute("UPDATE event_interest SET until = now() WHERE source = 'live'")
    assert await since("score.recorded") == second
    await events.set_interest(connection, organization_id, ["score.recorded"], "live", soon)
    await events.drop_interest(connection, organization_id, ["score.recorded"], "destination")
    third = await since("score.recorded")
    assert third is not None
    assert third > second
