"""`python -m tests.bench.statistics`: simulate comparisons, and print as Markdown how often they are right.

The experiments, and smaller numbers of them as tests, are in tests/unit/statistics. Seeds are fixed: the same
command prints the same tables.
"""

from __future__ import annotations

from time import monotonic

import click

from .coverage import clustered, covariates, lifts, means, pairs, shares
from .tables import Table
from .wrong_findings import gates, looks, pages


def tables(draws: int) -> list[Table]:
    return [
        means(draws),
        shares(),
        pairs(draws),
        clustered(draws),
        covariates(draws),
        lifts(draws),
        looks(draws // 5),
        pages(draws // 5),
        gates(draws),
    ]


@click.command()
@click.option("--draws", default=10_000, help="experiments a cell; pages and many looks take a fifth")
def main(draws: int) -> None:
    started = monotonic()
    for table in tables(draws):
        click.echo(table.markdown())
    click.echo(f"Took {monotonic() - started:.0f} s.", err=True)


if __name__ == "__main__":
    main()
