"""Writing to tables that are partitioned by organization, as somebody may want them on a large server."""

from __future__ import annotations

import msgspec
import pytest
from heliscore.domain.score import Score
from heliscore.store import imports, organizations
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreIds, ScoreWrite, record

from tests.origins import ORIGIN
from tests.store.test_record import NOON, values

_PARTITIONS = 4


@pytest.fixture
async def partitioned(connection: Connection) -> Connection:
    """A connection to a database whose requests and scores are partitioned."""
    if connection.get_server_version().major < 18:
        pytest.skip("older servers cannot tell which rows of a partitioned table a statement has made")
    triggers = await connection.fetch(
        "SELECT pg_get_triggerdef(oid) FROM pg_trigger "
        "WHERE tgrelid IN ('request'::regclass, 'score'::regclass) AND NOT tgisinternal"
    )
    for table in ("request", "score"):
        await _partition(connection, table)
    for (trigger,) in triggers:
        await connection.execute(trigger)
    return connection


async def _partition(connection: Connection, table: str) -> None:
    """Put a partitioned table with the same columns and keys in the place of an empty table."""
    keys = await connection.fetch(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = $1::text::regclass AND contype IN ('p', 'u') ORDER BY conname",
        table,
    )
    await connection.execute(f"ALTER TABLE {table} RENAME TO whole_{table}")
    for name, _ in keys:
        await connection.execute(f"ALTER TABLE whole_{table} RENAME CONSTRAINT {name} TO whole_{name}")
    await connection.execute(
        f"CREATE TABLE {table} (LIKE whole_{table} INCLUDING DEFAULTS INCLUDING GENERATED) "
        "PARTITION BY HASH (organization_id)"
    )
    for name, definition in keys:
        await connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    for remainder in range(_PARTITIONS):
        await connection.execute(
            f"CREATE TABLE {table}_{remainder} PARTITION OF {table} "
            f"FOR VALUES WITH (MODULUS {_PARTITIONS}, REMAINDER {remainder})"
        )


async def test_posts_are_recorded_and_recorded_again_in_partitions(
    partitioned: Connection, ids: ScoreIds
) -> None:
    owners = [await organizations.ensure(partitioned, f"owner {number}") for number in range(8)]
    for round_ in (1, 2):
        posts = [
            ScoreWrite(owner, request_id, {"a": Score(round_, False), "b": Score(7, False)}, NOON, ORIGIN)
            for owner in owners
            for request_id in ("r", f"r{round_}")
        ]
        assert await record(partitioned, ids, posts) == {(p.organization_id, p.request_id) for p in posts}
    for owner in owners:
        assert [await values(partitioned, owner, request_id) for request_id in ("r", "r1", "r2")] == [
            {"a": 2, "b": 7},
            {"a": 1, "b": 7},
            {"a": 2, "b": 7},
        ]
    used = await partitioned.fetch("SELECT DISTINCT tableoid::regclass::text FROM score ORDER BY 1")
    assert [name for (name,) in used] == [f"score_{number}" for number in range(_PARTITIONS)]
    history = await partitioned.fetch("SELECT value, count(*) FROM score_history GROUP BY value")
    assert [tuple(row) for row in history] == [(1, len(owners))]


async def test_requests_are_imported_and_imported_again_into_partitions(
    partitioned: Connection, organization_id: int, ids: ScoreIds
) -> None:
    row = {"request_id": "r", "created_at": NOON, "updated_at": NOON, "status": 200}
    line = imports.Import("r", msgspec.json.encode(row), True, NOON, {}, 1)
    results = [
        await imports.record(partitioned, ids, organization_id, [line], human_first=(), accept_unknown=True)
        for _ in range(2)
    ]
    assert [result.written for result in results] == [{1}, frozenset()]
