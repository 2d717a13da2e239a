"""`python -m tests.bench.cluster`: a cluster beside one PostgreSQL, and what faults do to it.

The servers are there already: a database on each, of which the cluster's is distributed (`heliscore migrate`,
`heliscore distribute`).
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from tests.bench.cluster import beside, events, faults
from tests.bench.load import require_wrk
from tests.bench.processes import service

EVENTS = ("worker", "coordinator", "frozen", "moves", "split")


@click.group()
def main() -> None:
    """Measure a cluster."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, and so ends every process


@main.command()
@click.argument("plain")
@click.argument("cluster")
@click.option("--rounds", default=3, show_default=True)
@click.option("--seconds", default=5, show_default=True, help="Of one load in one round.")
@click.option("--uploaded", default=20_000, show_default=True, help="Score maps of an upload.")
@click.option(
    "--searched", default=100_000, show_default=True, help="Requests to search, each of five scores."
)
def posts(plain: str, cluster: str, rounds: int, seconds: int, uploaded: int, searched: int) -> None:
    """Post, upload and search on PLAIN and CLUSTER, the addresses of two databases, in turns."""
    require_wrk()
    plan = beside.Plan(rounds=rounds, seconds=seconds, uploaded=uploaded, searched=searched)
    click.echo(beside.describe(beside.measure(plain, cluster, plan)))


@main.command("faults")
@click.argument("cluster")
@click.argument("happening", nargs=-1, type=click.Choice(EVENTS))
@click.option("--worker", type=click.Path(path_type=Path), help="The data folder of a worker.")
@click.option("--coordinator", type=click.Path(path_type=Path), help="The data folder of the coordinator.")
@click.option("--start", default="pg_ctl -D {folder} -w start", show_default=True, help="Starts a server.")
@click.option("--away", default=5.0, show_default=True, help="Seconds for which a server is.")
@click.option("--rounds", default=1, show_default=True)
@click.option("--moves", default=6, show_default=True)
@click.option("--before", default=5.0, show_default=True, help="Seconds of posts before an event.")
@click.option("--after", default=8.0, show_default=True, help="Seconds of posts after it.")
def run_faults(
    cluster: str,
    happening: tuple[str, ...],
    worker: Path | None,
    coordinator: Path | None,
    start: str,
    away: float,
    rounds: int,
    moves: int,
    before: float,
    after: float,
) -> None:
    """Post to CLUSTER, the address of a database, while events happen, and read what was acknowledged."""
    tenants = faults.prepare(cluster)
    ids = [tenant.organization_id for tenant in tenants]
    with service(cluster) as running:
        for number in range(rounds):
            for name in happening:
                event, struck = _event(name, cluster, ids, worker, coordinator, start, away, moves)
                found = faults.run(cluster, running, tenants, event, struck, before_s=before, after_s=after)
                click.echo(faults.describe(f"{name}, round {number + 1}", found))


def _event(
    name: str,
    cluster: str,
    ids: list[int],
    worker: Path | None,
    coordinator: Path | None,
    start: str,
    away: float,
    moves: int,
) -> tuple[Callable[[], None], int | None]:
    """What is to happen, and the port of the server that it happens to."""
    if name == "moves":
        return partial(events.move, cluster, ids, moves), None
    if name == "split":
        return partial(events.split, cluster, ids), None
    folder = coordinator if name == "coordinator" else worker
    if folder is None:
        raise click.UsageError(f"the event {name!r} needs the data folder of its server")
    server = events.Server(folder, start)
    happens = events.freeze if name == "frozen" else events.kill
    return partial(happens, server, away), server.port


if __name__ == "__main__":
    main()
