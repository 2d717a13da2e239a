"""`python -m tests.bench.deletion`: delete half of an organization's requests, and watch it post meanwhile.

Each request has five scores and a body of 2 kB. They are written straight into the tables.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import click
import httpx
from heliscore.store.connections.pool import Connection

from tests.servers import temporary_server

from .databases import KEY, ORGANIZATION_ID, checkpoint, connected, create
from .processes import service
from .quantiles import spread

_PAUSE_S: Final = 0.01
_BEFORE_S: Final = 10
_FILTER: Final = {"request_response_rmt": {"user_id": {"equals": "gone"}}}

_REQUESTS: Final = """
INSERT INTO request (organization_id, request_id, created_at, updated_at, user_id, request_body, properties)
SELECT $1, md5(n::text)::uuid::text, at, at, CASE WHEN n % 2 = 0 THEN 'gone' ELSE 'stays' END,
    to_jsonb(repeat(md5(n::text), 64)), '{"env": "prod"}'
FROM (SELECT n, now() - interval '2 hours' + n * interval '1 ms' AS at FROM generate_series(1, $2) AS n) AS a
"""

_SCORES: Final = """
WITH name AS (
    INSERT INTO score_name (organization_id, name)
    SELECT $1, 's' || n FROM generate_series(1, 5) AS n
    RETURNING id
)
INSERT INTO score (value, request_no, request_created_at, scored_at, organization_id, name_id)
SELECT request_no % 100, request_no, created_at, created_at, $1, name.id
FROM request CROSS JOIN name WHERE organization_id = $1 ORDER BY request_no, name.id
"""


async def _fill(connection: Connection, requests: int) -> None:
    await connection.execute(_REQUESTS, ORGANIZATION_ID, 2 * requests)
    await connection.execute(_SCORES, ORGANIZATION_ID)
    await connection.execute("VACUUM ANALYZE request, score, score_history")


async def _post_on(client: httpx.AsyncClient, over: asyncio.Event) -> list[float]:
    """Post scores to new requests until it is over; the times in milliseconds."""
    times: list[float] = []
    while not over.is_set():
        begun = time.perf_counter()
        scores = {f"s{number}": number for number in range(1, 6)}
        response = await client.post(f"/v1/request/new-{len(times)}/score", json={"scores": scores})
        response.raise_for_status()
        times.append((time.perf_counter() - begun) * 1000)
        await asyncio.sleep(_PAUSE_S)
    return times


async def _delete(client: httpx.AsyncClient, path: str, **first: object) -> dict[str, Any]:
    """Call until it is done, or the first time where it only counts; returns the numbers of all calls."""
    total: dict[str, Any] = dict.fromkeys(("requests", "scores", "calls"), 0)
    body = first
    while True:
        response = await client.post(path, json={"filter": _FILTER, **body})
        response.raise_for_status()
        part = response.json()["data"] | {"calls": 1}
        total = {name: count + part[name] for name, count in total.items()}
        if part["done"] or first.get("dryRun"):
            return total
        body = {"next": part["next"]} if part["next"] else {"expect": part["remaining"]}


async def _measure(url: str) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:

        async def watch(name: str, over: asyncio.Event) -> None:
            times = await _post_on(client, over)
            found = spread(times)
            shown = f"p50 {found.p50:.1f} ms, p95 {found.p95:.1f} ms, p99 {found.p99:.1f} ms"
            click.echo(f"posts {name}: {len(times)}, {shown}")

        over = asyncio.Event()
        watching = asyncio.create_task(watch("before", over))
        await asyncio.sleep(_BEFORE_S)
        over.set()
        await watching
        counted = await _delete(client, "/v1/requests/delete", dryRun=True)
        over, begun = asyncio.Event(), time.perf_counter()
        watching = asyncio.create_task(watch("during the deletion", over))
        total = await _delete(client, "/v1/requests/delete", expect=counted["requests"])
        seconds = time.perf_counter() - begun
        over.set()
        await watching
        click.echo(
            f"deletion: {seconds:.1f} s, {total['requests'] / seconds:,.0f} requests a second, {total}"
        )


@click.command()
@click.option("--requests", type=click.IntRange(1000), default=100_000, show_default=True)
def main(requests: int) -> None:
    """Measure a deletion: its time, and the latency of the organization's posts meanwhile."""
    with temporary_server() as server:
        dsn = create(server, "deletion")
        connected(dsn, lambda connection: _fill(connection, requests))
        checkpoint(server)
        with service(dsn) as running:
            asyncio.run(_measure(running.url))


if __name__ == "__main__":
    main()
