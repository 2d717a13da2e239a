"""`python -m tests.bench.design.aggregates`: ways to add up all scores, beside counts made beforehand.

The same three questions of the same scores: sums by hour, counts of values, and these of one week alone.
Each way is built in the same database, one after the other, and taken away again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Final

import click
from heliscore.domain.filter_tree import Everything
from heliscore.store.connections.pool import Connection
from heliscore.store.evaluations import distributions, over_time
from heliscore.store.score_scan import ScoreSelection
from heliscore.store.scores import ScoreNames

from tests.servers import temporary_server

from ..databases import ORGANIZATION_ID, connected, create
from ..seed import PERIOD, START, count, fill

_ROUNDS: Final = 3
_TIMEOUT_S: Final = 3600

_WEEK: Final = START + PERIOD / 2, START + PERIOD / 2 + timedelta(days=7)
_ALL: Final = START, START + PERIOD + timedelta(days=1)

_BY_HOUR: Final = """
SELECT name_id, date_bin('1 hour', request_created_at, timestamptz '2000-01-01Z'), count(*), sum(value)
FROM {} WHERE organization_id = 1 AND request_created_at >= $1 AND request_created_at < $2 GROUP BY 1, 2
"""
_BY_VALUE: Final = """
SELECT name_id, value, count(*)
FROM {} WHERE organization_id = 1 AND request_created_at >= $1 AND request_created_at < $2 GROUP BY 1, 2
"""

_COLUMNS: Final = "organization_id, name_id, request_created_at, value"

WAYS: Final = {
    "the table": ("score", "SELECT 0", "SELECT 0::bigint", "SELECT 0"),
    "a covering index": (
        "score",
        "CREATE INDEX covering ON score (organization_id, name_id, request_created_at) INCLUDE (value)",
        "SELECT pg_relation_size('covering')",
        "DROP INDEX covering",
    ),
    "BRIN by time": (
        "score",
        "CREATE INDEX brin ON score USING brin (request_created_at)",
        "SELECT pg_relation_size('brin')",
        "DROP INDEX brin",
    ),
    "partitions by week": (
        "parted",
        f"""
        CREATE TABLE parted (LIKE score) PARTITION BY RANGE (request_created_at);
        DO $$ BEGIN FOR n IN 0..5 LOOP
            EXECUTE format(
                'CREATE TABLE part_%s PARTITION OF parted FOR VALUES FROM (%L) TO (%L)', n,
                timestamptz '{START}' + n * interval '7 days',
                timestamptz '{START}' + (n + 1) * interval '7 days'
            );
        END LOOP; END $$;
        INSERT INTO parted SELECT * FROM score;
        """,
        "SELECT 0::bigint",
        "DROP TABLE parted",
    ),
    "four columns, in order": (
        "narrow",
        f"CREATE TABLE narrow AS SELECT {_COLUMNS} FROM score ORDER BY {_COLUMNS}",
        "SELECT pg_relation_size('narrow')",
        "DROP TABLE narrow",
    ),
}
"""By name: the table to ask, how the way is made, the bytes that it adds, and how it goes."""

COUNTED_BYTES: Final = (
    "SELECT pg_total_relation_size('score_hour') + pg_total_relation_size('score_day') "
    "+ pg_total_relation_size('score_group')"
)


@click.command()
@click.option("--size", type=click.IntRange(1000), default=1_000_000, show_default=True, help="Requests.")
def main(size: int) -> None:
    """Measure each way for so many requests with five scores each; the quickest of three."""
    with temporary_server() as server:
        dsn = create(server, "bench_aggregates")
        connected(dsn, partial(fill, size=size))
        for name in WAYS:
            click.echo(f"{name}: {connected(dsn, partial(_measure, name=name))}")
        begun = time.perf_counter()
        asyncio.run(count(dsn))
        click.echo(f"counted in {time.perf_counter() - begun:.1f} s, with rests")
        click.echo(f"counts: {connected(dsn, _measure_counts)}")


async def _measure(connection: Connection, name: str) -> str:
    table, make, added, remove = WAYS[name]
    await connection.execute(make, timeout=_TIMEOUT_S)
    await connection.execute(f"VACUUM (ANALYZE) {table}", timeout=_TIMEOUT_S)
    times = [
        await _quickest(partial(connection.fetch, query.format(table), *period, timeout=_TIMEOUT_S))
        for query, period in ((_BY_HOUR, _ALL), (_BY_VALUE, _ALL), (_BY_VALUE, _WEEK))
    ]
    answer = await _describe(connection, times, added)
    await connection.execute(remove)
    return answer


async def _measure_counts(connection: Connection) -> str:
    names = ScoreNames()
    everything, week = (ScoreSelection(ORGANIZATION_ID, Everything(), *period) for period in (_ALL, _WEEK))
    times = [
        await _quickest(partial(over_time, connection, names, everything, "hour", 0)),
        await _quickest(partial(distributions, connection, names, everything, 10)),
        await _quickest(partial(distributions, connection, names, week, 10)),
    ]
    return await _describe(connection, times, COUNTED_BYTES)


async def _quickest(call: Callable[[], Awaitable[object]]) -> float:
    times = []
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        await call()
        times.append(time.perf_counter() - begun)
    return min(times)


async def _describe(connection: Connection, times: list[float], added: str) -> str:
    scores = await connection.fetchval("SELECT count(*) FROM score", timeout=_TIMEOUT_S)
    by_hour, by_value, of_week = (f"{seconds * 1000:,.0f} ms" for seconds in times)
    more = await connection.fetchval(added) / scores
    return f"by hour {by_hour}, by value {by_value}, of a week {of_week}, {more:.1f} bytes a score more"


if __name__ == "__main__":
    main()
