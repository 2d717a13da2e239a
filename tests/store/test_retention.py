"""What is old goes, with its scores; nobody waits long, and no score is ever left without its request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
from heliscore.jobs.pruning import kept_pruned
from heliscore.store import organizations, retention
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.retention import Deleted, days_ago, prune, prune_batch
from heliscore.store.statements import load

from tests.api.envelope import post, scores_of
from tests.conftest import Service, StartService

NOW = datetime.now(UTC)
SQL = load("retention")

WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)

ORPHANS = """
SELECT count(*) FROM score AS s WHERE NOT EXISTS (
    SELECT FROM request AS r
    WHERE r.request_no = s.request_no AND r.organization_id = s.organization_id
    AND r.created_at = s.request_created_at
)
"""


async def age(connection: Connection, days: int, requests: str = "%") -> None:
    """Make requests that many days older than now, as a late log call of theirs would."""
    created_at = NOW - timedelta(days=days)
    numbers = await connection.fetch(
        "UPDATE request SET created_at = $1 WHERE request_id LIKE $2 RETURNING request_no",
        created_at,
        requests,
    )
    await connection.execute(
        "UPDATE score SET request_created_at = $1 WHERE request_no = ANY ($2)",
        created_at,
        [number for (number,) in numbers],
    )


async def add(connection: Connection, organization_id: int, count: int, days: int) -> None:
    """Add requests of that age, with two scores each."""
    await connection.execute(
        """
        WITH name AS (
            INSERT INTO score_name (organization_id, name) VALUES ($1, 'a'), ($1, 'b')
            ON CONFLICT ON CONSTRAINT score_name_name_key DO UPDATE SET name = excluded.name RETURNING id
        ), added AS (
            INSERT INTO request (organization_id, request_id, created_at, updated_at)
            SELECT $1, 'old-' || n, $3, $3 FROM generate_series(1, $2) AS n RETURNING request_no
        )
        INSERT INTO score (value, request_no, request_created_at, scored_at, organization_id, name_id)
        SELECT 1, request_no, $3, $3, $1, id FROM added, name
        """,
        organization_id,
        count,
        NOW - timedelta(days=days),
    )


async def left(connection: Connection) -> tuple[int, int, int]:
    """The numbers of requests, of scores, and of scores without their request."""
    return (
        await connection.fetchval("SELECT count(*) FROM request"),
        await connection.fetchval("SELECT count(*) FROM score"),
        await connection.fetchval(ORPHANS),
    )


async def test_what_is_older_goes_and_what_is_younger_stays(
    service: Service, connection: Connection, database: Database
) -> None:
    clients = [await service.client("one"), await service.client("two")]
    for client in clients:
        for name in ("older", "younger", "new"):
            await post(client, name, {"accuracy": 1, "tone": 2})
    await age(connection, 31, "older")
    await age(connection, 29, "younger")
    assert await prune(database, days_ago(30)) == (Deleted(requests=2, scores=4), True)
    for client in clients:
        assert await scores_of(client, "older") is None
        assert (
            await scores_of(client, "younger") == await scores_of(client, "new") == {"accuracy": 1, "tone": 2}
        )
    assert await prune(database, days_ago(30)) == (Deleted(), True)
    assert await left(connection) == (4, 8, 0)


async def test_time_that_counts_is_that_of_the_request(
    service: Service, connection: Connection, database: Database
) -> None:
    client = await service.client()
    await post(client, "r", {"accuracy": 1})
    await age(connection, 31)
    await post(client, "r", {"tone": 1})
    assert await prune(database, days_ago(30)) == (Deleted(requests=1, scores=2), True)


async def test_much_goes_in_batches_that_are_told(
    connection: Connection, database: Database, organization_id: int
) -> None:
    await add(connection, organization_id, 2500, days=31)
    told: list[Deleted] = []
    assert await prune(database, days_ago(30), told.append) == (Deleted(2500, 5000), True)
    assert told == [Deleted(1000, 2000), Deleted(2000, 4000), Deleted(2500, 5000)]
    assert await left(connection) == (0, 0, 0)


async def test_request_that_is_being_written_is_not_waited_for(
    dsn: str, service: Service, connection: Connection, database: Database
) -> None:
    client = await service.client()
    await post(client, "busy", {"accuracy": 1})
    await post(client, "idle", {"accuracy": 1})
    await age(connection, 31)
    writer = await asyncpg.connect(dsn)
    async with writer.transaction():
        await writer.execute("UPDATE request SET updated_at = now() WHERE request_id = 'busy'")
        assert await prune(database, days_ago(30)) == (Deleted(1, 1), True)
        await writer.execute("UPDATE score SET value = 2")
    await writer.close()
    assert await scores_of(client, "busy") == {"accuracy": 2}
    assert await prune(database, days_ago(30)) == (Deleted(1, 1), True)
    assert await left(connection) == (0, 0, 0)


async def test_score_posted_to_a_request_that_is_being_deleted_begins_it_anew(
    dsn: str, service: Service, connection: Connection, organization_id: int
) -> None:
    client = await service.client()
    await post(client, "r", {"accuracy": 1})
    await age(connection, 31)
    pruner = await asyncpg.connect(dsn)
    async with pruner.transaction():
        [(number,)] = await pruner.fetch(SQL["remove_requests"], organization_id, days_ago(30), 1000)
        posting = asyncio.create_task(post(client, "r", {"tone": 2}))
        while not await connection.fetchval(WAITING):
            pass
        await pruner.execute(load("score")["remove_scores"], organization_id, [number])
        assert not posting.done()
    await pruner.close()
    await posting
    assert await scores_of(client, "r") == {"tone": 2}
    assert await left(connection) == (1, 1, 0)


async def test_storm_of_posts_to_what_is_deleted_leaves_no_orphan(
    service: Service, connection: Connection, database: Database, organization_id: int
) -> None:
    client = await service.client()
    await add(connection, organization_id, 1500, days=31)
    stop = asyncio.Event()
    taken: set[str] = set()

    async def keep_posting(worker: int) -> None:
        number = worker
        while not stop.is_set():
            number = number % 1500 + 8
            await post(client, f"old-{number}", {"a": 5, "c": number})
            taken.add(f"old-{number}")

    posting = [asyncio.create_task(keep_posting(worker)) for worker in range(8)]
    deleted = Deleted()
    while (pruned := (await prune(database, days_ago(30)))[0]).requests:
        deleted += pruned
    stop.set()
    await asyncio.gather(*posting)
    deleted += (await prune(database, days_ago(30)))[0]
    _, _, orphans = await left(connection)
    assert (deleted.requests, orphans, len(taken) > 0) == (1500, 0, True)
    assert await connection.fetchval("SELECT count(*) FROM request WHERE created_at < $1", days_ago(30)) == 0


async def test_one_process_prunes_at_a_time(
    dsn: str, connection: Connection, database: Database, organization_id: int
) -> None:
    await add(connection, organization_id, 1, days=31)
    other = await asyncpg.connect(dsn)
    async with other.transaction():
        assert await other.fetchval(SQL["claim"])
        assert await prune_batch(connection, organization_id, days_ago(30)) is None
        assert await prune(database, days_ago(30)) == (Deleted(), False)
    await other.close()
    assert await prune(database, days_ago(30)) == (Deleted(1, 2), True)


# The service does it by itself


async def wait_for(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def wait_until_empty(connection: Connection) -> None:
    async def is_empty() -> bool:
        return await left(connection) == (0, 0, 0)

    await wait_for(is_empty)


async def wait_for_log(caplog: pytest.LogCaptureFixture, text: str, count: int = 1) -> None:
    async def is_there() -> bool:
        return sum(text in message for message in caplog.messages) >= count

    await wait_for(is_there)


async def test_service_prunes_when_it_is_told_to(
    start_service: StartService, connection: Connection, organization_id: int
) -> None:
    await add(connection, organization_id, 3, days=2)
    await start_service()
    await start_service(retention_days=2)
    await wait_until_empty(connection)


async def test_old_idempotency_keys_go_whether_or_not_requests_do(
    connection: Connection, database: Database, organization_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_BATCH", 2)
    other = await organizations.ensure(connection, "other")
    keys = [
        (id_, f"{age} {n}", age) for id_ in (organization_id, other) for n in range(3) for age in (1, 23, 24)
    ]
    await connection.executemany(
        "INSERT INTO idempotent_call (organization_id, key, call_hash, began_at) "
        "VALUES ($1, $2, sha256(''), now() - make_interval(hours => $3))",
        keys,
    )
    async with kept_pruned(database, None, pytest.fail):
        async with asyncio.timeout(30):
            while await connection.fetchval("SELECT count(*) FROM idempotent_call") > 12:
                pass
    left = await connection.fetch("SELECT organization_id, key FROM idempotent_call")
    assert sorted(map(tuple, left)) == sorted((id_, key) for id_, key, age in keys if age < 24)


async def test_service_keeps_everything_by_default(
    connection: Connection, organization_id: int, client: httpx.AsyncClient
) -> None:
    await add(connection, organization_id, 3, days=36_000)
    await post(client, "new", {"accuracy": 1})
    await asyncio.sleep(0.2)
    assert await left(connection) == (4, 7, 0)


async def test_pruning_goes_on_and_is_logged_also_after_the_database_was_away(
    connection: Connection, database: Database, organization_id: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "heliscore")
    await connection.execute("ALTER TABLE request RENAME TO away")
    async with kept_pruned(database, 30, pytest.fail, interval_s=0.01):
        await wait_for_log(
            caplog, "retention has to wait: the database is not available just now, please try again"
        )
        await connection.execute("ALTER TABLE away RENAME TO request")
        for number, count in enumerate((3, 2), 1):
            await add(connection, organization_id, count, days=31)
            await wait_for_log(caplog, "deleted", number)
    assert await left(connection) == (0, 0, 0)
    assert [message for message in caplog.messages if "deleted" in message] == [
        "retention deleted 3 requests with 6 scores older than 30 days",
        "retention deleted 2 requests with 4 scores older than 30 days",
    ]


async def test_defect_that_ends_it_is_logged(
    connection: Connection, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await connection.execute("ALTER TABLE organization RENAME COLUMN id TO number")
    stopped = asyncio.Event()
    async with kept_pruned(database, 30, stopped.set):
        await wait_for_log(caplog, "retention has stopped")
        await stopped.wait()
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("CRITICAL", "retention has stopped")
    ]
    assert caplog.records[0].exc_info
