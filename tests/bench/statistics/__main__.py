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
from .tables import Table
from .wrong_findings import gates, looks, pages, quiet_weeks


def tables(draws: int) -> Iterator[Table]:
    yield means(draws)
    yield shares()
    yield pairs(draws)
    yield clustered(draws)
    yield covariates(draws)
    yield lifts(draws)
    yield looks(draws // 5)
    yield pages(draws // 5)
    yield quiet_weeks(draws // 10)
    yield gates(draws)
    yield agreements(draws // 5)


@click.command()
@click.option(
    "--draws",
    default=10_000,
    help="experiments a cell; pages, looks and agreement take a fifth, weeks a tenth",
)
def main(draws: int) -> None:
    started = monotonic()
    for table in tables(draws):
        click.echo(table.markdown())
    click.echo(f"Took {monotonic() - started:.0f} s.", err=True)


if __name__ == "__main__":
    main()
