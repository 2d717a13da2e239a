"""`python -m tests.bench.statistics`: simulate comparisons and agreement, and print how often they are right.

The experiments, and smaller numbers of them as tests, are in tests/unit/statistics. Seeds are fixed: the same
command prints the same tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import click

from .agreement import agreements
from .coverage import clustered, covariates, lifts, means, pairs, shares
from .quiet_monitors import quiet_monitors
from .tables import Table
from .wrong_findings import gates, looks, pages, quiet_weeks


def tables(draws: int, weeks: int) -> Iterator[Table]:
    yield means(draws)
    yield shares()
    yield pairs(draws)
    yield clustered(draws)
    yield covariates(draws)
    yield lifts(draws)
    yield looks(draws // 5)
    yield pages(draws // 5)
    yield quiet_weeks(draws // 10)
    yield quiet_monitors(weeks)
    yield gates(draws)
    yield agreements(draws // 5)


@click.command()
@click.option(
    "--draws",
    default=10_000,
    help="experiments a cell; pages, looks and agreement take a fifth, weeks a tenth",
)
@click.option("--weeks", default=50, help="quiet weeks of each monitor; 1,000 take half an hour")
def main(draws: int, weeks: int) -> None:
    started = monotonic()
    for table in tables(draws, weeks):
        click.echo(table.markdown())
    click.echo(f"Took {monotonic() - started:.0f} s.", err=True)


if __name__ == "__main__":
    main()
