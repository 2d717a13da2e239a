"""Statements that are carried to the shards that they concern, on a single PostgreSQL with the functions of a
cluster: there the tables themselves are the shards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from uuid import UUID

import asyncpg
import pytest
from heliscore.domain.score import Score
from heliscore.settings import Settings
from heliscore.store import organizations
from heliscore.store.connections import carrying
from heliscore.store.connections.carrying import CarryingConnection
from heliscore.store.connections.pool import open_database
from heliscore.store.schema import bootstrap
from heliscore.store.scores import ScoreIds, ScoreWrite, find_scores, record, record_by_shard
from heliscore.store.statements import load
from hypothesis import given
from hypothesis import strategies as st

from tests.origins import ORIGIN
from tests.store.cluster_functions import prepare_carrying

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

ECHO = """-- runs on the node of $1
SELECT $1::integer AS number, $2::text AS text, $3::text[] AS texts, $4::timestamptz AS at, $5::bytea AS raw,
    $6::uuid AS id, $7::boolean AS is_true, $8::bigint[] AS numbers, $9::float8 AS real, $10::date AS day"""

characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
texts = st.text(characters, max_size=20) | st.sampled_from(["NULL", "", "'", "\\", '"', "{}", "a,b", "$1"])


@pytest.fixture
async def carrying_dsn(dsn: str, connection: asyncpg.Connection[asyncpg.Record]) -> str:
    await prepare_carrying(connection)
    return dsn


@pytest.fixture
async def carrier(carrying_dsn: str) -> AsyncIterator[CarryingConnection]:
    connection = await bootstrap.connect(carrying_dsn)
    assert connection.carries
    try:
        yield connection
    finally:
        await connection.close()


async def count_carried(connection: CarryingConnection) -> int:
    """How many rows the table that carries has had so far, of which none stays."""
    assert await connection.fetchval("SELECT count(*) FROM carried") == 0
    return int(await connection.fetchval("SELECT pg_stat_get_xact_tuples_inserted('carried'::regclass)"))


def test_values_arrive_as_they_were_sent(carrying_dsn: str) -> None:
    with asyncio.Runner() as runner:
        connection = runner.run(bootstrap.connect(carrying_dsn))

        @given(
            text=st.none() | texts,
            many=st.lists(st.none() | texts, max_size=4),
            at=st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
            raw=st.binary(max_size=8),
            id_=st.uuids(),
            is_true=st.booleans() | st.none(),
            numbers=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3),
            real=st.floats(allow_nan=False),
        )
        def check(
            text: str | None,
            many: list[str | None],
            at: datetime,
            raw: bytes,
            id_: UUID,
            is_true: bool | None,
            numbers: list[int],
            real: float,
        ) -> None:
            sent = (7, text, many, at, raw, id_, is_true, numbers, real, date(2026, 3, 1))
            assert tuple(runner.run(connection.fetchrow(ECHO, *sent))) == sent

        check()
        runner.run(connection.close())


async def test_every_way_to_ask_answers_as_without_carrying(carrier: CarryingConnection) -> None:
    several = "-- runs on the node of $1\nSELECT n, n::text AS text FROM generate_series(1, $1::integer) AS n"
    carried = (
        await carrier.fetch(several, 3),
        await carrier.fetchrow(several, 3),
        await carrier.fetchval(several, 3, column=1),
        await carrier.fetch(several, 0),
        await carrier.fetchrow(several, 0),
        await carrier.fetchval(several, 0),
    )
    carrier.carries = False
    assert carried == (
        await carrier.fetch(several, 3),
        await carrier.fetchrow(several, 3),
        await carrier.fetchval(several, 3, column=1),
        await carrier.fetch(several, 0),
        await carrier.fetchrow(several, 0),
        await carrier.fetchval(several, 0),
    )


async def test_statement_about_no_organization_does_nothing(carrier: CarryingConnection) -> None:
    statement = "-- runs on the node of $1\nSELECT n FROM unnest($1::integer[]) AS n"
    assert await carrier.fetch(statement, []) == []
    await carrier.execute(statement, [])


async def test_only_marked_statements_are_carried(carrier: CarryingConnection) -> None:
    async with carrier.transaction():
        await carrier.execute("DELETE FROM score WHERE organization_id = $1", 1)
        assert await count_carried(carrier) == 0
        await carrier.fetch("-- runs on the node of $1\nSELECT $1::integer AS one", 1)
        assert await count_carried(carrier) == 1


async def test_error_is_the_statements_own_and_leaves_the_session_usable(carrier: CarryingConnection) -> None:
    statement = "-- runs on the node of $1\nSELECT 1 / ($1::integer - 1) AS one"
    for _ in range(2):  # prepared in a transaction that fails, and found the second time
        with pytest.raises(asyncpg.DivisionByZeroError):
            await carrier.fetch(statement, 1)
    assert await carrier.fetchval(statement, 2) == 1


async def test_batches_of_several_shards_are_one_transaction(carrier: CarryingConnection) -> None:
    ids = ScoreIds()
    both = [await organizations.ensure(carrier, name) for name in ("one", "other")]
    batches = [
        [ScoreWrite(id_, f"r{number}", {"a": Score(number, False)}, NOON, ORIGIN) for number in range(3)]
        for id_ in both
    ]
    written = await record_by_shard(carrier, ids, batches, lock_timeout_ms=0)
    assert written == {(id_, f"r{number}") for id_ in both for number in range(3)}
    for id_ in both:
        assert await find_scores(carrier, id_, "r2") == {"a": Score(2, False)}
    rows = await carrier.fetch("SELECT DISTINCT xmin::text FROM score")
    assert len(rows) == 1


async def test_scores_are_written_read_and_kept_as_without_carrying(
    carrier: CarryingConnection, dsn: str
) -> None:
    database = await open_database(Settings(database_url=dsn))
    ids = ScoreIds()
    organization_id = await organizations.ensure(carrier)
    async with database.connection() as connection:
        assert carrying.carries(connection)
        for value in (1, 2, 2):
            post = ScoreWrite(organization_id, "r", {"a": Score(value, False)}, NOON, ORIGIN)
            await record(connection, ids, [post])
        unknown = ScoreWrite(organization_id, "unknown", {"a": Score(1, False)}, NOON, ORIGIN)
        known = ScoreWrite(organization_id, "r", {"a": Score(3, False)}, NOON, ORIGIN)
        assert await record(connection, ids, [unknown, known], accept_unknown=False) == {
            (organization_id, "r")
        }
        assert await find_scores(connection, organization_id, "r") == {"a": Score(3, False)}
        history = await connection.fetch("SELECT value FROM score_history ORDER BY scored_at")
        assert [value for (value,) in history] == [1, 2]
        assert await connection.fetchval("SELECT count(*) FROM touched_hour") == 1
    await database.close()


async def test_locked_request_is_not_waited_for_longer_than_said(
    carrier: CarryingConnection, dsn: str
) -> None:
    ids = ScoreIds()
    organization_id = await organizations.ensure(carrier)
    post = ScoreWrite(organization_id, "r", {"a": Score(1, False)}, NOON, ORIGIN)
    await record(carrier, ids, [post])
    other = await bootstrap.connect(dsn)
    async with other.transaction():
        await record(other, ids, [post])
        with pytest.raises(asyncpg.LockNotAvailableError):
            await record(carrier, ids, [post], lock_timeout_ms=5)
    await other.close()
    assert await carrier.fetchval("SELECT current_setting('lock_timeout')") == "0"


async def test_statements_of_the_schemas_triggers_are_the_same_for_shards(
    connection: asyncpg.Connection[asyncpg.Record],
) -> None:
    """A trigger of the schema whose function has no form for shards would write to the wrong tables there."""
    functions = "SELECT DISTINCT tgfoid::regproc::text FROM pg_trigger WHERE NOT tgisinternal"
    of_schema = {name for (name,) in await connection.fetch(functions)}
    before = dict(
        map(
            tuple,
            await connection.fetch(
                "SELECT proname, prosrc FROM pg_proc WHERE proname = ANY ($1)", list(of_schema)
            ),
        )
    )
    await prepare_carrying(connection)
    after = dict(
        map(
            tuple,
            await connection.fetch(
                "SELECT proname, prosrc FROM pg_proc WHERE proname = ANY ($1)", list(of_schema)
            ),
        )
    )
    assert of_schema
    assert [name for name in of_schema if before[name] == after[name]] == []


def test_marks_are_read() -> None:
    assert carrying._MARK.search(load("score")["record"])
    assert not carrying._MARK.search(load("score")["find_names"])
