"""`python -m tests.bench`: measure the service beside its rivals and its limits, and write the report.

Everything runs on this machine, on an embedded PostgreSQL in a temporary folder, and is ended with the run.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from functools import partial
from pathlib import Path

import click
import msgspec

from tests.servers import temporary_server

from . import bulk, disk, machine, plot, posts, reading, seed
from .databases import connected, create, drop
from .load import require_wrk
from .plan import FULL, QUICK, Plan, progress
from .processes import service
from .report import Findings, written


def _read_sizes(_: click.Context, __: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        sizes = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        raise click.BadParameter("expected numbers, such as 100000,1000000") from None
    if sizes[0] < 1000:
        raise click.BadParameter("expected at least 1000 requests")
    return sizes


@click.command()
@click.option("--quick", is_flag=True, help="Everything once and small, about a minute.")
@click.option("--sizes", callback=_read_sizes, help="Requests to search, e.g. 100000,1000000,5000000.")
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), help="Folder for RESULTS.md and bench.svg."
)
def main(quick: bool, sizes: tuple[int, ...] | None, output: Path | None) -> None:
    """Measure Heliscore; the report goes to stdout, progress to stderr."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, and so ends every process
    require_wrk()
    plan = QUICK if quick else FULL
    if sizes is not None:
        plan = msgspec.structs.replace(plan, sizes=sizes)
    with temporary_server() as server:
        findings = _measure(server, plan)
    text = written(findings)
    click.echo(text, nl=False)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        (output / "RESULTS.md").write_text(text)
        plot.draw(findings, output / "bench.svg")
        progress(f"written to {output}")


def _measure(server: str, plan: Plan) -> Findings:
    posted = posts.measure(server, plan)
    uploaded = bulk.measure(server, plan)
    readings: list[reading.Reading] = []
    for size in plan.sizes:
        dsn = create(server, "bench_search")
        connected(dsn, partial(seed.fill, size=size))
        asyncio.run(seed.count(dsn))
        with service(dsn) as running:
            readings += reading.measure(dsn, running, size, plan)
        if size == plan.sizes[-1]:
            kept = connected(dsn, partial(disk.measure, size=size, upserts=min(plan.upserts, size)))
        drop(server, "bench_search")
    command = " ".join(["python -m tests.bench", *sys.argv[1:]])
    return Findings(machine.described(server), command, posted, uploaded, readings, kept)


if __name__ == "__main__":
    main()
