"""What was replaced long enough ago goes, with its comments; what stands, or stood lately, stays."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest
from heliscore.domain.author import Author, Origin
from heliscore.domain.score import Score
from heliscore.jobs.pruning import history_kept_pruned
from heliscore.store import retention
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.retention import days_ago, prune_history
from heliscore.store.score_history import find_changes
from heliscore.store.scores import ScoreIds, ScoreWrite, record, remove_score
from heliscore.store.statements import load

from tests.origins import ORIGIN

HUMAN = Origin(Author("human", "ann"), "page")
NOW = datetime.now(UTC)


async def give(
    connection: Connection, ids: ScoreIds, organization_id: int, request_id: str, days_ago: float, value: int
) -> None:
    scores = {"a": Score(value, False)}
    at = NOW - timedelta(days=days_ago)
    comments = {"a": f"comment {value}"}
    post = ScoreWrite(organization_id, request_id, scores, at, ORIGIN, comments)
    await record(connection, ids, [post])


async def left(connection: Connection, organization_id: int, request_id: str) -> list[tuple[object, object]]:
    """The values that are left and their comments, the oldest first."""
    changes = await find_changes(connection, organization_id, request_id, "a") or {}
    return [(change.score and change.score.value, change.comment) for change in changes["a"]]


async def test_what_was_replaced_long_ago_goes_and_what_stood_since_stays(
    connection: Connection,
    database: Database,
    organization_id: int,
    ids: ScoreIds,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "_HISTORY_BATCH", 2)
    for days, value in ((50, 1), (40, 2), (31, 3), (29, 4), (1, 5)):
        await give(connection, ids, organization_id, "r", days, value)
    await give(connection, ids, organization_id, "old", 90, 6)
    await give(connection, ids, organization_id, "removed", 90, 7)
    at = NOW - timedelta(days=80)
    assert await remove_score(connection, ids, organization_id, "removed", "a", at, HUMAN)
    told: list[int] = []
    assert await prune_history(database, days_ago(30), told.append) == (3, True)
    assert told[-1] == 3
    assert await left(connection, organization_id, "r") == [
        (3, "comment 3"),
        (4, "comment 4"),
        (5, "comment 5"),
    ]
    assert await left(connection, organization_id, "old") == [(6, "comment 6")]
    assert await left(connection, organization_id, "removed") == [(None, None)]
    assert await connection.fetchval("SELECT count(*) FROM score_comment") == 4
    assert await prune_history(database, days_ago(30)) == (0, True)


async def test_opinion_aside_does_not_replace_the_score(
    connection: Connection, database: Database, organization_id: int, ids: ScoreIds
) -> None:
    for days, value in ((90, 1), (80, 2), (1, 3)):
        await give(connection, ids, organization_id, "r", days, value)
    await connection.execute("UPDATE score_history SET is_aside = true WHERE value = 2")
    assert await prune_history(database, days_ago(30)) == (0, True)
    await give(connection, ids, organization_id, "r", 0.5, 4)
    for table, its in (("score_history", "value = 3"), ("score_comment", "comment = 'comment 3'")):
        earlier = "scored_at = scored_at - interval '40 days'"
        await connection.execute(f"UPDATE {table} SET {earlier} WHERE {its}")
    assert await prune_history(database, days_ago(30)) == (2, True)
    assert await left(connection, organization_id, "r") == [(3, "comment 3"), (4, "comment 4")]


async def test_row_that_is_being_written_is_not_waited_for_and_one_process_prunes(
    connection: Connection, database: Database, organization_id: int, ids: ScoreIds
) -> None:
    for days, value in ((90, 1), (80, 2)):
        await give(connection, ids, organization_id, "r", days, value)
    async with connection.transaction():
        await connection.execute("UPDATE score_history SET taken_back_at = now()")
        assert await prune_history(database, days_ago(30)) == (0, True)
    async with connection.transaction():
        assert await connection.fetchval(load("retention")["claim_history"])
        assert await prune_history(database, days_ago(30)) == (0, False)
    assert await prune_history(database, days_ago(30)) == (1, True)


async def test_service_prunes_history_and_says_so(
    connection: Connection,
    database: Database,
    organization_id: int,
    ids: ScoreIds,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "heliscore")
    for days, value in ((90, 1), (80, 2)):
        await give(connection, ids, organization_id, "r", days, value)
    async with asyncio.timeout(60), history_kept_pruned(database, 30, pytest.fail, interval_s=0.01):
        while not caplog.messages:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert caplog.messages == ["retention deleted 1 changes of scores replaced over 30 days ago"]
