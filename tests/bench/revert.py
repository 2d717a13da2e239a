"""`python -m tests.bench.revert`: take back a judge's scores, and watch another organization read meanwhile.

Each request has one score of the judge's; before half of them stood a human's. They are written straight into
the tables and through their indexes.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import click
import httpx
from heliscore.domain.api_key import mint_key
from heliscore.store import keys, organizations
from heliscore.store.connections.pool import Connection

from tests.servers import temporary_server

from .databases import KEY, ORGANIZATION_ID, checkpoint, connected, create
from .processes import service
from .quantiles import spread

_AUTHOR: Final = "judge:relevance-judge@1"
_READERS_REQUESTS: Final = 10_000
_PAUSE_S: Final = 0.02
_BEFORE_S: Final = 10

_ORIGINS: Final = """
INSERT INTO score_origin (organization_id, kind, name, version, call, restored_by)
VALUES ($1, 'judge', 'relevance-judge', '1', 'batch', ''), ($1, 'human', 'ann', '', 'page', '')
"""

_REQUESTS: Final = """
INSERT INTO request (organization_id, request_id, created_at, updated_at)
SELECT $1, md5(n::text)::uuid::text, at, at
FROM (SELECT n, now() - interval '2 hours' + n * interval '1 ms' AS at FROM generate_series(1, $2) AS n) AS a
"""

_SCORES: Final = """
WITH name AS (INSERT INTO score_name (organization_id, name) VALUES ($1, 'relevance') RETURNING id)
INSERT INTO score (value, request_no, request_created_at, scored_at, organization_id, name_id, origin_id)
SELECT request_no % 100, request_no, created_at, created_at, $1, name.id,
    (SELECT min(id) FROM score_origin WHERE organization_id = $1)
FROM request CROSS JOIN name WHERE organization_id = $1 ORDER BY request_no
"""

_HISTORY: Final = """
INSERT INTO score_history (value, request_no, scored_at, organization_id, name_id, origin_id)
SELECT 100 - value, request_no, scored_at - interval '1 hour', organization_id, name_id,
    (SELECT max(id) FROM score_origin WHERE organization_id = $1)
FROM score WHERE organization_id = $1 AND request_no % 2 = 0 ORDER BY request_no
"""


async def _fill(connection: Connection, scores: int) -> str:
    """Returns the key of another organization, which has requests with scores too."""
    other = await organizations.ensure(connection, "reader")
    key = mint_key()
    await keys.register(connection, other, key, name="reader", permissions="r")
    for organization_id, size in ((other, _READERS_REQUESTS), (ORGANIZATION_ID, scores)):
        await connection.execute(_ORIGINS, organization_id)
        await connection.execute(_REQUESTS, organization_id, size)
        await connection.execute(_SCORES, organization_id)
        await connection.execute(_HISTORY, organization_id)
    await connection.execute("VACUUM ANALYZE request, score, score_history")
    return key


async def _read_on(url: str, key: str, over: asyncio.Event) -> list[float]:
    """Search page by page until it is over; the times in milliseconds."""
    body = {"filter": {"request_response_rmt": {"scores": {"relevance": {"gte": 90}}}}, "limit": 20}
    times = []
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}) as client:
        while not over.is_set():
            begun = time.perf_counter()
            response = await client.post("/v1/request/query", json=body, timeout=30)
            response.raise_for_status()
            times.append((time.perf_counter() - begun) * 1000)
            await asyncio.sleep(_PAUSE_S)
    return times


async def _revert(url: str, *, is_dry: bool) -> tuple[float, dict[str, int]]:
    """Returns the seconds, and the numbers of all calls."""
    total = {"requests": 0, "scores": 0, "takenBack": 0, "calls": 0}
    body = {"author": _AUTHOR, "dryRun": is_dry, "next": None}
    begun = time.perf_counter()
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {KEY}"}) as client:
        while True:
            response = await client.post("/v1/scores/revert", json=body, timeout=60)
            response.raise_for_status()
            part = response.json()["data"] | {"calls": 1}
            total = {name: count + part[name] for name, count in total.items()}
            if part["done"]:
                return time.perf_counter() - begun, total
            body["next"] = part["next"]


async def _measure(url: str, key: str) -> None:
    async def watch(name: str, over: asyncio.Event) -> None:
        times = await _read_on(url, key, over)
        found = spread(times)
        shown = f"p50 {found.p50:.1f} ms, p95 {found.p95:.1f} ms, p99 {found.p99:.1f} ms"
        click.echo(f"reads {name}: {len(times)}, {shown}")

    async def stop_later(over: asyncio.Event) -> None:
        await asyncio.sleep(_BEFORE_S)
        over.set()

    over = asyncio.Event()
    await asyncio.gather(watch("before", over), stop_later(over))
    for name, is_dry in (("dry run", True), ("revert", False)):
        over = asyncio.Event()
        watching = asyncio.create_task(watch(f"during the {name}", over))
        seconds, total = await _revert(url, is_dry=is_dry)
        over.set()
        await watching
        click.echo(f"{name}: {seconds:.1f} s, {total['takenBack'] / seconds:,.0f} changes a second, {total}")
    async with httpx.AsyncClient(base_url=url) as client:
        metrics = (await client.get("/metrics", headers={"Authorization": f"Bearer {KEY}"})).text
    click.echo("\n".join(line for line in metrics.splitlines() if "stall" in line and line[0] != "#"))


@click.command()
@click.option("--scores", type=click.IntRange(1000), default=200_000, show_default=True)
def main(scores: int) -> None:
    """Measure a revert: its time, and the latency of another organization's reads meanwhile."""
    with temporary_server() as server:
        dsn = create(server, "revert")
        key = connected(dsn, lambda connection: _fill(connection, scores))
        checkpoint(server)
        with service(dsn) as running:
            asyncio.run(_measure(running.url, key))


if __name__ == "__main__":
    main()
