"""What is measured of a candidate: bytes, posts a second and WAL of its writes, ms of its searches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from statistics import median
from typing import Any

import asyncpg
import msgspec

from .candidates import Candidate
from .searches import COLUMNS, FORMS, SHAPES, maps, sent
from .workload import ORGANIZATION, ScoreWrite, arguments

_TABLES = """
SELECT relname FROM pg_class WHERE relname IN ('score', 'score_history', 'request') AND relkind = 'r'
"""


class Writing(msgspec.Struct):
    """One phase of writes. Rates count the time inside the database only."""

    posts: int
    posts_per_s: int
    rows_per_s: int
    wal_per_post: int
    full_page_wal_per_post: int


async def settle(connection: asyncpg.Connection[Any]) -> None:
    """Vacuum (never FULL) and analyse, then start from a fresh checkpoint."""
    await connection.execute("VACUUM (ANALYZE) request")
    await connection.execute("VACUUM (ANALYZE) score")
    await connection.execute("CHECKPOINT")


async def write(
    connections: list[asyncpg.Connection[Any]], candidate: Candidate, batches: Iterable[list[ScoreWrite]]
) -> Writing:
    """Send the batches over the connections, one statement a batch, and time them."""
    posts = rows = 0
    seconds = [0.0] * len(connections)
    source: Iterator[list[ScoreWrite]] = iter(batches)
    before = await wal(connections[0])

    async def send(place: int) -> None:
        nonlocal posts, rows
        statement = await connections[place].prepare(candidate.upsert)
        for batch in source:
            sent = arguments(batch, candidate.key)
            started = time.perf_counter()
            await statement.fetch(*sent)
            seconds[place] += time.perf_counter() - started
            posts += len(batch)
            rows += sum(len(post.scores) for post in batch)

    await asyncio.gather(*(send(place) for place in range(len(connections))))
    after = await wal(connections[0])
    elapsed = max(seconds)
    return Writing(
        posts,
        round(posts / elapsed),
        round(rows / elapsed),
        (after[0] - before[0]) // posts,
        (after[1] - before[1]) * 8192 // posts,
    )


async def wal(connection: asyncpg.Connection[Any]) -> tuple[int, int]:
    """Return the position of the write-ahead log, in bytes, and the full pages in it so far."""
    await connection.execute("SELECT pg_stat_force_next_flush()")
    row = await connection.fetchrow(
        "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint AS lsn, wal_fpi FROM pg_stat_wal"
    )
    assert row is not None
    return row["lsn"], row["wal_fpi"]


async def sizes(connection: asyncpg.Connection[Any]) -> dict[str, float]:
    """Return bytes per row of each table that holds any, and of its indexes."""
    counts = {
        table: await connection.fetchval(f"SELECT count(*) FROM {table}")
        for (table,) in await connection.fetch(_TABLES)
    }
    rows = await connection.fetch(
        """
        SELECT t.relname AS owner, t.relname AS name, pg_table_size(t.oid) AS bytes
        FROM pg_class t WHERE t.relname = ANY ($1) AND t.relkind = 'r'
        UNION ALL
        SELECT t.relname, c.relname, pg_relation_size(c.oid)
        FROM pg_class t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class c ON c.oid = i.indexrelid
        WHERE t.relname = ANY ($1)
        """,
        [table for table, count in counts.items() if count],
    )
    found = {row["name"]: round(row["bytes"] / counts[row["owner"]], 1) for row in rows}
    for owner in {row["owner"] for row in rows}:
        parts = [found[row["name"]] for row in rows if row["owner"] == owner]
        found[f"{owner} in all"] = round(sum(parts), 1)
    return dict(sorted(found.items(), key=lambda item: item[0], reverse=True))


async def hot_share(connection: asyncpg.Connection[Any]) -> dict[str, float]:
    """Return the share of updates that were HOT, per table."""
    await connection.execute("SELECT pg_stat_force_next_flush()")
    rows = await connection.fetch(
        "SELECT relname, n_tup_hot_upd / greatest(n_tup_upd, 1)::float8 AS share, autovacuum_count"
        " FROM pg_stat_user_tables WHERE relname IN ('request', 'score')"
    )
    return {row["relname"]: round(row["share"], 2) for row in rows} | {
        f"{row['relname']} autovacuums": row["autovacuum_count"] for row in rows
    }


async def p50(
    connection: asyncpg.Connection[Any], sql: str, sent: tuple[object, ...], runs: int = 31
) -> tuple[float, int]:
    """Return the median milliseconds of a prepared, warm statement and the number of rows it found."""
    statement = await connection.prepare(sql)
    for _ in range(2):
        rows = await statement.fetch(*sent)
    times: list[float] = []
    limit = time.perf_counter() + 1
    while len(times) < runs and time.perf_counter() < limit:
        started = time.perf_counter()
        await statement.fetch(*sent)
        times.append((time.perf_counter() - started) * 1000)
    return round(median(times) if times else float("nan"), 2), len(rows)


async def race(
    connection: asyncpg.Connection[Any], key: str, forms: Iterable[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """Return shape, form and plan mode -> p50 in ms."""
    columns = COLUMNS[key]
    answer: dict[str, dict[str, dict[str, float]]] = {}
    for shape, conditions in SHAPES.items():
        answer[shape] = {}
        for form in forms:
            sql = FORMS[form](columns, len(conditions))
            answer[shape][form] = {}
            for mode in ("generic", "custom"):
                await connection.execute(f"SET plan_cache_mode = force_{mode}_plan")
                answer[shape][form][mode], _ = await p50(connection, sql, sent(columns, conditions))
        await connection.execute("SET plan_cache_mode = auto")
    return answer


async def map_time(connection: asyncpg.Connection[Any], key: str) -> float:
    """Return the p50 of fetching the score maps of one page of requests."""
    columns = COLUMNS[key]
    found = await connection.fetch(FORMS["ties"](columns, 1), *sent(columns, SHAPES["10 %"]))
    times, _ = await p50(
        connection, maps(columns), (ORGANIZATION, [row[columns.request[-1]] for row in found])
    )
    return times
