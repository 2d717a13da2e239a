"""`python -m tests.bench.exporting`: export everything in each format, beside what COPY alone takes."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any, Final

import click
import httpx
from heliscore.store.connections.pool import Connection

from tests.servers import temporary_server

from . import seed
from .databases import KEY, connected, create
from .processes import Server, service

_TIMEOUT_S: Final = 3600

_COPIED: Final = {
    "COPY of requests": "SELECT * FROM request ORDER BY created_at DESC, request_id",
    "COPY of requests as JSON, with scores": """
        SELECT json_build_object('request', to_json(r), 'scores', s.scores)
        FROM request AS r
        LEFT JOIN (
            SELECT s.request_no, json_object_agg(n.name, s.value) AS scores
            FROM score AS s JOIN score_name AS n ON n.id = s.name_id
            GROUP BY s.request_no
        ) AS s ON s.request_no = r.request_no
        ORDER BY r.created_at DESC, r.request_id
    """,
}

_FORMATS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "JSONL": ({"format": "jsonl"}, "identity"),
    "JSONL, gzip": ({"format": "jsonl"}, "gzip"),
    "CSV": ({"format": "csv"}, "identity"),
    "CSV of five columns": (
        {"format": "csv", "columns": ["request_id", "created_at", "model", "latency_ms", "scores"]},
        "identity",
    ),
    "CSV by user": ({"format": "csv", "sort": {"user_id": "asc"}}, "identity"),
    "Parquet": ({"format": "parquet"}, "identity"),
}


@click.command()
@click.option("--size", type=click.IntRange(1000), default=1_000_000, show_default=True, help="Requests.")
def main(size: int) -> None:
    """Measure exports of so many requests with five scores each."""
    with temporary_server() as server:
        dsn = create(server, "bench_export")
        connected(dsn, partial(seed.fill, size=size))
        for what, query in _COPIED.items():
            seconds, copied = connected(dsn, partial(_copy, query=query))
            click.echo(f"{what}: {seconds:.1f} s, {copied / 1e6:.0f} MB")
        with service(dsn) as running:
            for what, (body, encoding) in _FORMATS.items():
                click.echo(f"{what}: {asyncio.run(_export(running, body, encoding))}")


async def _copy(connection: Connection, query: str) -> tuple[float, int]:
    copied = 0

    async def take(piece: bytes) -> None:
        nonlocal copied
        copied += len(piece)

    begun = time.perf_counter()
    await connection.copy_from_query(query, output=take, timeout=_TIMEOUT_S)
    return time.perf_counter() - begun, copied


async def _export(running: Server, body: dict[str, Any], encoding: str) -> str:
    headers = {"Authorization": f"Bearer {KEY}", "Accept-Encoding": encoding}
    running.forget_peak()
    computed, received, first = running.processor_s(), 0, 0.0
    begun = time.perf_counter()
    async with (
        httpx.AsyncClient(base_url=running.url, headers=headers, timeout=_TIMEOUT_S) as client,
        client.stream("POST", "/v1/export", json={"filter": "all", **body}) as response,
    ):
        response.raise_for_status()
        async for piece in response.aiter_raw():
            first = first or time.perf_counter() - begun
            received += len(piece)
    return (
        f"{time.perf_counter() - begun:.1f} s, the first bytes after {first:.2f} s, {received / 1e6:.0f} MB, "
        f"{running.processor_s() - computed:.1f} s of the service's processor, "
        f"at most {running.peak_mib():.0f} MiB in it"
    )


if __name__ == "__main__":
    main()
