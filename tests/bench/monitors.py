"""`python -m tests.bench.monitors`: what it costs to evaluate many monitors for one period.

A million scores of five names over the last 30 days, and a thousand monitors of one hour, a quarter of them
of each: an average below a bound, one worse than in the window before, a share worse than a week before, an
average with a filter on the model. The monitors are due at once, as those of one period are.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import httpx
from heliscore.store.connections.pool import Connection

from tests.servers import temporary_server

from . import seed
from .databases import KEY, connected, create
from .plan import progress
from .processes import Server, service

_MINUTE_S: Final = 60
_PERIODS: Final = 3

_CONDITIONS: Final[tuple[dict[str, Any], ...]] = (
    {"score": "broad", "statistic": "average", "condition": {"below": 1}},
    {"score": "broad", "statistic": "average", "condition": {"worseThan": "previous", "margin": 5}},
    {"score": "helpful", "statistic": "share", "condition": {"worseThan": "week", "margin": 0.1}},
    {
        "score": "medium",
        "statistic": "average",
        "condition": {"below": 1},
        "filter": {"request_response_rmt": {"model": {"equals": "gpt-4o"}}},
    },
)


async def _begin_period(connection: Connection) -> None:
    """As if the last period had not been evaluated."""
    await connection.execute(
        "UPDATE monitor SET evaluated_until = evaluated_until - interval '1 day', next_at = now()"
    )


async def _count_waiting(connection: Connection) -> int:
    waiting: int = await connection.fetchval("SELECT count(*) FROM monitor WHERE next_at <= now()")
    return waiting


def _backends_s(dsn: str) -> float:
    """What the connections of the services have computed so far, in seconds of one core."""

    async def list_pids(connection: Connection) -> list[int]:
        rows = await connection.fetch(
            """SELECT pid FROM pg_stat_activity
            WHERE application_name = 'heliscore' AND datname = current_database()"""
        )
        return [pid for (pid,) in rows]

    return sum(_processor_s(pid) for pid in connected(dsn, list_pids))


def _processor_s(pid: int) -> float:
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, parts[11:13])) / os.sysconf("SC_CLK_TCK")


def _evaluate(dsn: str, running: Server) -> tuple[float, float, float]:
    """Seconds of the service's processor, of PostgreSQL's, and until the last one was evaluated."""
    before = running.processor_s(), _backends_s(dsn)
    connected(dsn, _begin_period)
    begun = time.perf_counter()
    while connected(dsn, _count_waiting):
        time.sleep(0.1)
    taken = time.perf_counter() - begun
    return running.processor_s() - before[0], _backends_s(dsn) - before[1], taken


@click.command(help=__doc__)
@click.option("--requests", default=200_000, show_default=True, help="Of five scores each.")
@click.option("--monitors", default=1_000, show_default=True)
def main(requests: int, monitors: int) -> None:
    start = datetime.now(UTC) - seed.PERIOD
    with temporary_server() as server:
        dsn = create(server, "monitors")
        connected(dsn, lambda connection: seed.fill(connection, requests, start))
        with service(dsn) as running:
            headers = {"Authorization": f"Bearer {KEY}"}
            with httpx.Client(base_url=running.url, headers=headers, timeout=60) as client:
                for number in range(monitors):
                    body = {"name": f"{number}", "windowMinutes": 60, "everyMinutes": 1440}
                    answer = client.post("/v1/monitors", json=body | _CONDITIONS[number % len(_CONDITIONS)])
                    answer.raise_for_status()
            while connected(dsn, _count_waiting):
                time.sleep(0.5)
            progress(f"{monitors:,} monitors")
            click.echo("| period | service, s | PostgreSQL, s | of one core, % | until the last, s |")
            click.echo("| --- | --- | --- | --- | --- |")
            for number in range(_PERIODS):
                ours, theirs, taken = _evaluate(dsn, running)
                share = 100 * (ours + theirs) / _MINUTE_S
                click.echo(f"| {number + 1} | {ours:.2f} | {theirs:.2f} | {share:.1f} | {taken:.1f} |")


if __name__ == "__main__":
    main()
