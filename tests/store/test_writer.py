"""The group commit: who is written with whom, who is answered when, and that nobody pays for another.

A statement is kept under way by a lock on the row of one request, `held`, that it wants to write, and by
PATIENCE, with which it waits for it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import pytest
from heliscore.domain.errors import Unavailable
from heliscore.domain.score import Score
from heliscore.settings import Settings
from heliscore.store import organizations
from heliscore.store import writer as writer_module
from heliscore.store.connections.pool import Connection, Database, open_database
from heliscore.store.idempotent_calls import AnsweredCall, IdempotentCall, KeptAnswer, Repeated
from heliscore.store.scores import ScoreIds, ScoreWrite, record
from heliscore.store.writer import Writer

from tests.origins import ORIGIN

from .test_record import values

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

PATIENCE = 60_000

Caller = asyncio.Task[bool]


def post(organization_id: int, request_id: str, **scores: int | bool) -> ScoreWrite:
    read = {name: Score(int(value), isinstance(value, bool)) for name, value in scores.items()}
    return ScoreWrite(organization_id, request_id, read, NOON, ORIGIN)


@asynccontextmanager
async def running(
    database: Database, *, accept_unknown: bool = True, lock_timeout_ms: int = PATIENCE
) -> AsyncIterator[Writer]:
    writer = Writer(database, ScoreIds(), accept_unknown=accept_unknown, lock_timeout_ms=lock_timeout_ms)
    try:
        yield writer
    finally:
        await within(writer.close())


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[Writer]:
    async with running(database) as writer:
        yield writer


async def within(awaitable: Awaitable[object], seconds: float = 30) -> None:
    """Wait for something that might hang."""
    async with asyncio.timeout(seconds):
        await awaitable


async def sent(writer: Writer, posts: Iterable[ScoreWrite]) -> list[Caller]:
    """Callers whose posts have arrived, in this order."""
    callers = [asyncio.create_task(writer.record(post)) for post in posts]
    await asyncio.sleep(0)
    return callers


async def answers(callers: Iterable[Caller]) -> list[bool | BaseException]:
    async with asyncio.timeout(30):
        return await asyncio.gather(*callers, return_exceptions=True)


@asynccontextmanager
async def under_way(
    writer: Writer, dsn: str, organization_id: int, *posts: ScoreWrite
) -> AsyncIterator[list[Caller]]:
    """Callers of a statement, for the request `held` and those posts, that does not end before the context
    does. (The posts come first, so that a statement of one post is enough to keep them company.)"""
    locker = await asyncpg.connect(dsn)
    try:
        await record(locker, ScoreIds(), [post(organization_id, "held", before=1)])
        async with locker.transaction():
            await locker.execute("SELECT FROM request WHERE request_id = 'held' FOR UPDATE")
            callers = await sent(writer, [*posts, post(organization_id, "held", held=1)])
            await locked_out(dsn)
            yield callers
    finally:
        await locker.close()


async def locked_out(dsn: str) -> int:
    """Wait until a backend waits for the lock, and say which."""
    connection = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(30):
            while True:
                pid: int | None = await connection.fetchval(
                    "SELECT pid FROM pg_stat_activity "
                    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
                if pid is not None:
                    return pid
                await asyncio.sleep(0.005)
    finally:
        await connection.close()


async def transactions(connection: Connection) -> dict[str, int]:
    """Which transaction wrote a request's scores, its transactions numbered in order."""
    rows = await connection.fetch(
        """
        SELECT r.request_id, dense_rank() OVER (ORDER BY max(s.xmin::text::bigint))
        FROM request AS r JOIN score AS s USING (organization_id, request_no)
        GROUP BY r.request_id
        """
    )
    return {row[0]: row[1] for row in rows}


# Alone


async def test_lone_posts_are_written_one_by_one(
    writer: Writer, connection: Connection, organization_id: int
) -> None:
    for request_id in "abc":
        assert await writer.record(post(organization_id, request_id, accuracy=95, cited=True))
        assert await values(connection, organization_id, request_id) == {"accuracy": 95, "cited": 1}
    assert await transactions(connection) == {"a": 1, "b": 2, "c": 3}


async def test_lone_post_waits_for_nothing_but_its_statement(
    writer: Writer, connection: Connection, organization_id: int
) -> None:
    ids = ScoreIds()
    by_writer, by_statement = [], []
    for number in range(30):
        began_s = time.perf_counter()
        await writer.record(post(organization_id, f"writer {number}", a=1))
        by_writer.append(time.perf_counter() - began_s)
        began_s = time.perf_counter()
        await record(connection, ids, [post(organization_id, f"statement {number}", a=1)])
        by_statement.append(time.perf_counter() - began_s)
    assert min(by_writer) < min(by_statement) + 0.005


# Together


async def test_posts_gather_while_a_statement_is_under_way(
    writer: Writer, dsn: str, connection: Connection, organization_id: int
) -> None:
    async with under_way(writer, dsn, organization_id) as first:
        gathered = await sent(writer, [post(organization_id, f"{n}", a=n) for n in range(50)])
    assert await answers(first + gathered) == [True] * 51
    assert await transactions(connection) == {"held": 1} | {f"{n}": 2 for n in range(50)}


async def test_statement_takes_a_limited_number_of_scores(
    writer: Writer,
    dsn: str,
    connection: Connection,
    organization_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A post is never divided, and one that is larger than the limit goes alone."""
    monkeypatch.setattr(writer_module, "_MAX_BATCH_SCORES", 3)
    async with under_way(writer, dsn, organization_id) as first:
        posts = [
            post(organization_id, "one", a=1),
            post(organization_id, "two", a=1, b=2),
            post(organization_id, "four", a=1, b=2, c=3, d=4),
            post(organization_id, "three", a=1, b=2, c=3),
        ]
        gathered = await sent(writer, posts)
    assert await answers(first + gathered) == [True] * 5
    assert await transactions(connection) == {"held": 1, "one": 2, "two": 2, "four": 3, "three": 4}


async def test_caller_is_answered_after_its_rows_are_committed(
    writer: Writer, dsn: str, connection: Connection, organization_id: int
) -> None:
    one_at_a_time = asyncio.Lock()

    async def record_and_read(number: int) -> dict[str, int]:
        await writer.record(post(organization_id, f"{number}", a=number))
        async with one_at_a_time:
            return await values(connection, organization_id, f"{number}")

    async with under_way(writer, dsn, organization_id) as first:
        gathered = [asyncio.create_task(record_and_read(number)) for number in range(20)]
        await asyncio.sleep(0.05)
        assert not any(caller.done() for caller in [*first, *gathered])
    async with asyncio.timeout(30):
        assert await asyncio.gather(*gathered) == [{"a": number} for number in range(20)]


async def test_later_post_wins_name_by_name(
    writer: Writer, dsn: str, connection: Connection, organization_id: int
) -> None:
    async with under_way(writer, dsn, organization_id) as first:
        posts = [
            post(organization_id, "r", a=1, b=1),
            post(organization_id, "s", a=9),
            post(organization_id, "r", b=2, c=2),
            post(organization_id, "r", c=3),
        ]
        gathered = await sent(writer, posts)
    assert await answers(first + gathered) == [True] * 5
    assert await values(connection, organization_id, "r") == {"a": 1, "b": 2, "c": 3}
    assert await values(connection, organization_id, "s") == {"a": 9}


async def test_order_of_arrival_holds_across_statements(
    writer: Writer, connection: Connection, organization_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_MAX_BATCH_SCORES", 7)
    callers = await sent(writer, [post(organization_id, "r", a=n, **{f"n{n % 5}": n}) for n in range(100)])
    assert await answers(callers) == [True] * 100
    assert await values(connection, organization_id) == {"a": 99} | {f"n{n}": 95 + n for n in range(5)}


async def test_gathered_posts_of_two_organizations_are_apart(
    writer: Writer, dsn: str, connection: Connection, organization_id: int
) -> None:
    other = await organizations.ensure(connection, "other")
    async with under_way(writer, dsn, organization_id) as first:
        gathered = await sent(writer, [post(organization_id, "r", a=1), post(other, "r", a=2)])
    assert await answers(first + gathered) == [True] * 3
    assert await values(connection, organization_id) == {"a": 1}
    assert await values(connection, other) == {"a": 2}


def with_key(organization_id: int, key: str, call_hash: bytes = bytes(32)) -> AnsweredCall:
    return AnsweredCall(IdempotentCall(organization_id, key, call_hash), KeptAnswer(200, "a: b", b"done"))


async def test_gathered_posts_with_one_key_are_written_once(
    database: Database, dsn: str, connection: Connection, organization_id: int
) -> None:
    """In one transaction with others: the first one with each key, unless its request is unknown."""
    other = await organizations.ensure(connection, "other")
    known = [post(organization_id, "r", before=1), post(other, "r", before=1)]
    await record(connection, ScoreIds(), known)
    posts = [
        (post(organization_id, "r", a=1), with_key(organization_id, "k")),
        (post(organization_id, "r", a=2), None),
        (post(organization_id, "r", a=1), with_key(organization_id, "k")),
        (post(organization_id, "r", a=3), with_key(organization_id, "k", b"x" * 32)),
        (post(organization_id, "r", b=4), with_key(organization_id, "l")),
        (post(organization_id, "unknown", b=5), with_key(organization_id, "m")),
        (post(other, "r", a=6), with_key(other, "k")),
    ]
    async with running(database, accept_unknown=False) as writer:
        async with under_way(writer, dsn, organization_id) as first:
            gathered = [asyncio.create_task(writer.record(*one)) for one in posts]
            await asyncio.sleep(0)
        assert await answers(first) == [True]
        told = await answers(gathered)
        for _ in range(2):
            repeated = told.pop(2)
            assert isinstance(repeated, Repeated)
            assert (repeated.call_hash, repeated.answer) == (bytes(32), KeptAnswer(200, "a: b", b"done"))
        assert told == [True, True, True, False, True]
        # The key of a post that was not written is free.
        assert await writer.record(post(organization_id, "r", c=7), with_key(organization_id, "m"))
    assert await values(connection, organization_id, "r") == {"before": 1, "a": 2, "b": 4, "c": 7}
    assert await values(connection, other, "r") == {"before": 1, "a": 6}


# Faults


NO_ORGANIZATION = 2**31 - 1

REFUSED: dict[str, dict[str, object]] = {
    "NUL in the name": {"scores": {"bad\0": Score(1, False)}},
    "NUL in the request id": {"request_id": "bad\0"},
    "unknown organization": {"organization_id": NO_ORGANIZATION},
    "half a surrogate pair": {"request_id": "\ud800"},
    "value beyond 64 bits": {"scores": {"a": Score(2**63, False)}},
    "request id too long for an index": {"request_id": random.Random(1).randbytes(10_000).hex()},
}


@pytest.mark.parametrize("error", REFUSED.values(), ids=REFUSED)
async def test_refused_post_fails_alone(
    writer: Writer, dsn: str, connection: Connection, organization_id: int, error: dict[str, object]
) -> None:
    good = {"organization_id": organization_id, "request_id": "bad", "scores": {"a": Score(1, False)}}
    bad = ScoreWrite(**(good | error | {"posted_at": NOON, "origin": ORIGIN}))  # type: ignore[arg-type]
    async with under_way(writer, dsn, organization_id) as first:
        posts = [post(organization_id, "r", a=1), bad, post(organization_id, "s", a=2)]
        gathered = await sent(writer, [*posts, post(organization_id, "r", a=3)])
    told = await answers(first + gathered)
    assert isinstance(told.pop(2), Exception)
    assert told == [True] * 4
    assert await values(connection, organization_id, "r") == {"a": 3}
    assert await values(connection, organization_id, "s") == {"a": 2}


async def test_unknown_requests_are_refused_one_by_one(
    database: Database, dsn: str, connection: Connection, organization_id: int, ids: ScoreIds
) -> None:
    other = await organizations.ensure(connection, "other")
    await record(connection, ids, [post(organization_id, "known", a=1), post(other, "theirs", a=1)])
    async with running(database, accept_unknown=False) as writer:
        async with under_way(writer, dsn, organization_id) as first:
            posts = [
                post(organization_id, "unknown", a=2),
                post(organization_id, "known", a=2),
                post(organization_id, "theirs", a=2),
                post(organization_id, "known", b=2),
            ]
            gathered = await sent(writer, posts)
        assert await answers(first + gathered) == [True, False, True, False, True]
    assert await values(connection, organization_id, "known") == {"a": 2, "b": 2}
    assert await values(connection, other, "theirs") == {"a": 1}
    assert await connection.fetchval("SELECT count(*) FROM request") == 3


async def test_too_many_waiting_are_refused_at_once(
    writer: Writer,
    dsn: str,
    connection: Connection,
    organization_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And there is room again when those that waited are written."""
    monkeypatch.setattr(writer_module, "_MAX_WAITING_SCORES", 4)  # one of them under way
    async with under_way(writer, dsn, organization_id) as first:
        gathered = await sent(writer, [post(organization_id, "r", a=1, b=1), post(organization_id, "s", a=1)])
        with pytest.raises(Unavailable, match="too many"):
            await writer.record(post(organization_id, "t", a=1))
    assert await answers(first + gathered) == [True] * 3
    assert await transactions(connection) == {"held": 1, "r": 2, "s": 2}
    assert await writer.record(post(organization_id, "t", a=1, b=1, c=1))


# Locked requests


@pytest.fixture
async def hasty(database: Database) -> AsyncIterator[Writer]:
    async with running(database, lock_timeout_ms=20) as writer:
        yield writer


async def test_nobody_waits_for_a_lock_on_anothers_request(
    hasty: Writer, dsn: str, connection: Connection, organization_id: int
) -> None:
    """Neither in the batch that meets the lock nor in those that come after it."""
    neighbours = [post(organization_id, f"n{n}", a=n) for n in range(50)]
    async with under_way(hasty, dsn, organization_id, *neighbours) as callers:
        *written, held = callers
        assert await answers(written) == [True] * 50
        later = await sent(hasty, [post(organization_id, "n1", a=100), post(organization_id, "new", a=1)])
        assert await answers(later) == [True] * 2
        assert not held.done()
    assert await answers([held]) == [True]
    assert await values(connection, organization_id, "n1") == {"a": 100}
    assert await values(connection, organization_id, "held") == {"before": 1, "held": 1}


async def test_request_that_another_transaction_is_making_is_waited_for_alone(
    hasty: Writer, dsn: str, connection: Connection, organization_id: int
) -> None:
    locker, ids = await asyncpg.connect(dsn), ScoreIds()
    await ids.origins.ensure(locker, organization_id, {ORIGIN})
    async with locker.transaction():
        await record(locker, ids, [post(organization_id, "held", before=1)])
        callers = await sent(hasty, [post(organization_id, id_, a=1) for id_ in ("r", "held", "s")])
        assert await answers([callers[0], callers[2]]) == [True, True]
        assert not callers[1].done()
    await locker.close()
    assert await answers(callers) == [True] * 3
    assert await values(connection, organization_id, "held") == {"before": 1, "a": 1}


async def test_order_of_arrival_holds_across_a_lock(
    hasty: Writer, dsn: str, connection: Connection, organization_id: int
) -> None:
    async with under_way(hasty, dsn, organization_id) as first:
        later = await sent(hasty, [post(organization_id, "held", held=n, last=n) for n in range(2, 6)])
        await asyncio.sleep(0.1)
        later += await sent(hasty, [post(organization_id, "held", held=6)])
        await asyncio.sleep(0.1)
        assert not any(caller.done() for caller in [*first, *later])
    assert await answers(first + later) == [True] * 6
    assert await values(connection, organization_id, "held") == {"before": 1, "held": 6, "last": 5}


async def test_request_that_stays_locked_is_refused_in_the_end_and_free_again(
    dsn: str, connection: Connection, organization_id: int
) -> None:
    database = await open_database(Settings(database_url=dsn, statement_timeout_ms=2000))
    async with running(database, lock_timeout_ms=20) as writer:
        async with under_way(writer, dsn, organization_id, post(organization_id, "r", a=1)) as callers:
            error = Unavailable("the scores could not be written in time, please try again")
            assert list(map(repr, await answers(callers))) == ["True", repr(error)]
        assert await answers(await sent(writer, [post(organization_id, "held", after=1)])) == [True]
    await database.close()
    assert await values(connection, organization_id, "held") == {"before": 1, "after": 1}


async def test_close_finishes_what_waits_for_a_lock(
    hasty: Writer, dsn: str, connection: Connection, organization_id: int
) -> None:
    async with under_way(hasty, dsn, organization_id) as callers:
        later = await sent(hasty, [post(organization_id, "held", later=1)])
        await asyncio.sleep(0.1)
        closing = asyncio.create_task(hasty.close())
        await asyncio.sleep(0.05)
        assert not closing.done()
    assert await answers(callers + later) == [True, True]
    await within(closing)
    assert await values(connection, organization_id, "held") == {"before": 1, "held": 1, "later": 1}


# Callers that go away


async def test_cancelled_caller_in_the_queue_takes_nobodys_write_with_it(
    writer: Writer, dsn: str, connection: Connection, organization_id: int
) -> None:
    async with under_way(writer, dsn, organization_id) as first:
        before, gone, after = await sent(writer, [post(organization_id, id_, a=1) for id_ in ("r", "x", "s")])
        gone.cancel()
    assert await answers([*first, before, after]) == [True] * 3
    assert gone.cancelled()
    assert await values(connection, organization_id, "r") == {"a": 1}
    assert await values(connection, organization_id, "s") == {"a": 1}


async def test_caller_cancelled_while_its_statement_is_under_way_takes_nobodys_write_with_it(
    writer: Writer, dsn: str, connection: Connection, organization_id: int
) -> None:
    posts = [post(organization_id, id_, a=1) for id_ in ("r", "s")]
    async with under_way(writer, dsn, organization_id, *posts) as (gone, neighbour, held):
        gone.cancel()
        gathered = await sent(writer, [post(organization_id, "t", a=1)])
    assert await answers([neighbour, held, *gathered]) == [True] * 3
    assert gone.cancelled()
    assert await values(connection, organization_id, "s") == {"a": 1}
    assert await values(connection, organization_id, "held") == {"before": 1, "held": 1}


# A database that goes away


async def test_lost_connection_fails_those_under_way_and_no_others(
    writer: Writer, dsn: str, connection: Connection, organization_id: int
) -> None:
    async with under_way(writer, dsn, organization_id, post(organization_id, "r", a=1)) as lost:
        gathered = await sent(writer, [post(organization_id, "s", a=1), post(organization_id, "t", a=1)])
        await connection.execute("SELECT pg_terminate_backend($1)", await locked_out(dsn))
        told = await answers(lost)
        assert [type(answer) for answer in told] == [Unavailable, Unavailable]
        assert await answers(gathered) == [True, True]
    assert await transactions(connection) == {"held": 1, "s": 2, "t": 2}


async def test_post_after_a_lost_connection_succeeds_by_itself(
    writer: Writer, dsn: str, connection: Connection, organization_id: int
) -> None:
    async with under_way(writer, dsn, organization_id) as lost:
        await connection.execute("SELECT pg_terminate_backend($1)", await locked_out(dsn))
        await answers(lost)
        await within(writer.record(post(organization_id, "r", a=1)))
    assert await values(connection, organization_id) == {"a": 1}


# The end


async def test_close_finishes_what_waits(
    writer: Writer, dsn: str, connection: Connection, organization_id: int
) -> None:
    async with under_way(writer, dsn, organization_id) as first:
        gathered = await sent(writer, [post(organization_id, f"{n}", a=n) for n in range(5)])
        closing = asyncio.create_task(writer.close())
        await asyncio.sleep(0.05)
        assert not closing.done()
    assert await answers(first + gathered) == [True] * 6
    await within(closing)
    assert await values(connection, organization_id, "4") == {"a": 4}


async def test_close_finishes_what_is_under_way(
    writer: Writer, dsn: str, connection: Connection, organization_id: int
) -> None:
    async with under_way(writer, dsn, organization_id) as callers:
        closing = asyncio.create_task(writer.close())
        await asyncio.sleep(0.05)
    assert await answers(callers) == [True]
    await within(closing)
    assert await values(connection, organization_id, "held") == {"before": 1, "held": 1}


async def test_close_finishes_what_waits_before_a_cancelled_caller(
    writer: Writer, dsn: str, connection: Connection, organization_id: int
) -> None:
    async with under_way(writer, dsn, organization_id) as first:
        stays, gone = await sent(writer, [post(organization_id, id_, a=1) for id_ in ("r", "s")])
        gone.cancel()
        closing = asyncio.create_task(writer.close())
        await asyncio.sleep(0.05)
    assert await answers([*first, stays]) == [True, True]
    await within(closing)
    assert await values(connection, organization_id) == {"a": 1}


async def test_post_after_close_is_refused(writer: Writer, organization_id: int) -> None:
    await within(writer.close())
    with pytest.raises(Unavailable, match="shutting down"):
        await within(writer.record(post(organization_id, "r", a=1)))


async def test_close_of_an_idle_writer_returns(writer: Writer, organization_id: int) -> None:
    await writer.record(post(organization_id, "r", a=1))
    await within(writer.close())
