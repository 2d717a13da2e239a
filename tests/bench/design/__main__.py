"""`python -m tests.bench.design --database-url URL`: build each candidate, write to it, measure it.

Prints one line of JSON per finding. RESULTS.md holds the tables of one such run.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import Any

import asyncpg
import click
import msgspec
import uvloop

from tests.servers import temporary_server

from .candidates import Candidate, load
from .measure import hot_share, map_time, race, settle, sizes, write
from .searches import FORMS
from .workload import arrivals, corrections, identifiers

DEFAULT = ("a_text_key", "b_computed_key", "c_request_no", "c_request_no+t_bare+by_arrival")


class Study(msgspec.Struct, frozen=True):
    """How to measure: the server, the amounts, each session's settings and the forms of search to race."""

    url: str
    requests: int
    per_ms: float
    batch: int
    writers: int
    late: bool
    settings: dict[str, str]
    forms: tuple[str, ...]


def report(label: str, question: str, answer: object) -> None:
    """Print one finding as a line of JSON."""
    line = msgspec.json.encode({"design": label, "question": question, "answer": answer})
    click.echo(line.decode())
    sys.stdout.flush()


async def build(url: str, candidate: Candidate) -> None:
    """Create the candidate's database, replacing an earlier one, with its tables."""
    server = await asyncpg.connect(url)
    await server.execute(f"DROP DATABASE IF EXISTS {candidate.database}")
    await server.execute(f"CREATE DATABASE {candidate.database}")
    await server.close()
    connection = await asyncpg.connect(url, database=candidate.database)
    for statement in candidate.schema:
        await connection.execute(statement)
    await connection.close()


async def run(study: Study, candidate: Candidate, ids: list[str]) -> None:
    """Load the candidate, correct it at random, search it, and report each step."""
    await build(study.url, candidate)
    connections: list[asyncpg.Connection[Any]] = [
        await asyncpg.connect(study.url, database=candidate.database, server_settings=study.settings)
        for _ in range(study.writers)
    ]
    first, label = connections[0], candidate.label
    try:
        loaded = await write(connections, candidate, arrivals(ids, study.per_ms, study.batch, study.late))
        report(label, "load", loaded)
        await settle(first)
        report(label, "bytes fresh", await sizes(first))
        report(label, "corrections", await write(connections, candidate, corrections(ids, len(ids), 200)))
        report(label, "bytes before vacuum", await sizes(first))
        await settle(first)
        report(label, "bytes corrected", await sizes(first))
        report(label, "hot", await hot_share(first))
        if study.forms:
            report(label, "searches", await race(first, candidate.key, study.forms))
            report(label, "maps of 100 requests", await map_time(first, candidate.key))
    finally:
        for connection in connections:
            await connection.close()


@click.command()
@click.option("--database-url", help="A superuser's; databases design_* are replaced. Default: embedded.")
@click.option("--requests", default=1_000_000, show_default=True)
@click.option("--per-ms", default=3.0, show_default=True, help="Requests that arrive in one millisecond.")
@click.option("--batch", default=400, show_default=True, help="Posts in one statement of the load.")
@click.option("--writers", default=1, show_default=True, help="Connections that write at once.")
@click.option("--late", is_flag=True, help="Log all requests first, score them in random order after.")
@click.option("--set", "settings", multiple=True, help="A server setting for the session, name=value.")
@click.option("--form", "forms", multiple=True, type=click.Choice([*FORMS, "none"]), help="Default: all.")
@click.argument("labels", nargs=-1)
def main(
    database_url: str | None,
    requests: int,
    per_ms: float,
    batch: int,
    writers: int,
    late: bool,
    settings: tuple[str, ...],
    forms: tuple[str, ...],
    labels: tuple[str, ...],
) -> None:
    """Measure the candidates LABELS (a base, then patches joined by +)."""
    chosen = dict(setting.split("=", 1) for setting in settings)
    raced = tuple(form for form in forms or FORMS if form != "none")
    ids = identifiers(requests)
    with ExitStack() as stack:
        url = database_url or stack.enter_context(temporary_server())
        study = Study(url, requests, per_ms, batch, writers, late, chosen, raced)
        for label in labels or DEFAULT:
            uvloop.run(run(study, load(label), ids))


if __name__ == "__main__":
    main()
