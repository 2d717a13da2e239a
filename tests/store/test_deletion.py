"""A deletion that breaks off is gone on with, and the audit says what was deleted either way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import asyncpg
import pytest
from heliscore.domain.audit import COMMAND, Actor
from heliscore.domain.author import Author, Origin
from heliscore.domain.deletion import Deleted
from heliscore.domain.errors import Conflict, Unavailable
from heliscore.domain.filter_subjects import name_subjects
from heliscore.domain.filter_tree import (
    AllOf,
    AnyOf,
    Column,
    Compare,
    Everything,
    Exists,
    FeedbackTime,
    HasString,
    HasTag,
    Not,
    OneOf,
    Property,
    Score,
    Scored,
    ScorePart,
    Tagged,
    Variable,
)
from heliscore.domain.score import Score as Value
from heliscore.store import request_deletion, request_steps
from heliscore.store.audit_entries import GrowingEntry, list_entries
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.request_deletion import RequestDeletion, Wanted
from heliscore.store.scores import ScoreIds, ScoreWrite, record

END_WAITING = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
FILTER = Compare(Score("a"), ">=", 0)


async def fill(connection: Connection, ids: ScoreIds, organization_id: int, count: int) -> None:
    origin, at = Origin(Author("judge", "j"), "score"), datetime.now(UTC)
    posts = [
        ScoreWrite(organization_id, f"r{number}", {"a": Value(number, False)}, at, origin)
        for number in range(count)
    ]
    await record(connection, ids, posts)


async def test_deletion_that_breaks_off_is_gone_on_with_and_noted_to_the_last_request(
    connection: Connection,
    database: Database,
    organization_id: int,
    ids: ScoreIds,
    dsn: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request_deletion, "BATCH", 3)
    monkeypatch.setitem(request_steps._SQL, "limit_wait", "SET LOCAL lock_timeout = '20s'")
    await fill(connection, ids, organization_id, 10)

    def delete(expected: int) -> AsyncGenerator[tuple[Deleted, int], None]:
        wanted = Wanted(organization_id, FILTER, expected, COMMAND)
        return RequestDeletion(database, ids.names, wanted).batches()

    steps = delete(10)
    assert await anext(steps) == (Deleted(3, 3), 7)
    # The connection is lost in the midst of a batch, which waits for a request.
    blocker = await asyncpg.connect(dsn)
    await blocker.execute("BEGIN; SELECT FROM request WHERE request_id = 'r4' FOR UPDATE")
    step = asyncio.ensure_future(anext(steps))
    async with asyncio.timeout(10):
        while not await connection.fetchval(END_WAITING):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    with pytest.raises(Unavailable):
        await step
    await blocker.close()
    assert await connection.fetchval("SELECT count(*) FROM request") == 7
    with pytest.raises(Conflict, match=r"^there are 7 requests that the filter finds now, not 10: nothing"):
        await anext(delete(10))
    rest = [left async for _, left in delete(7)]
    assert rest == [4, 1, 0]
    entries = await list_entries(connection, organization_id, limit=10)
    assert [(entry.action, entry.subject, entry.numbers["requests"]) for entry in entries] == [
        ("requests.deleted", {"filter": ["scores.a"]}, 7),
        ("requests.deleted", {"filter": ["scores.a"]}, 3),
    ]


async def test_entry_that_was_rolled_back_is_made_again(connection: Connection, organization_id: int) -> None:
    entry = GrowingEntry(organization_id, Actor("key", 7), "requests.deleted", {"filter": []})
    transaction = connection.transaction()
    await transaction.start()
    await entry.add(connection, {"requests": 1})
    await transaction.rollback()
    for number in (2, 3):
        await entry.add(connection, {"requests": number})
    [(numbers,)] = await connection.fetch("SELECT numbers FROM audit_entry")
    assert json.loads(numbers) == {"requests": 5}


def test_subjects_of_a_filter_are_named_without_its_values() -> None:
    tree = AllOf(
        (
            AnyOf((Compare(Column("user_id"), "=", "secret"), OneOf(Property("env"), ("secret",)))),
            Not(Exists(Variable("city"))),
            Compare(Score("a"), ">", 1),
            Compare(ScorePart("a", "author"), "=", "human:secret"),
            Compare(FeedbackTime(), ">", datetime(2026, 1, 1, tzinfo=UTC)),
            HasString(Column("request_body"), "equals", "secret"),
            HasTag("secret"),
            Tagged(),
            Scored(),
        )
    )
    assert name_subjects(tree) == [
        *("feedback_created_at", "prompt_variables.city", "properties.env", "request_body"),
        *("scores", "scores.a", "tags", "user_id"),
    ]
    assert name_subjects(Everything()) == []
