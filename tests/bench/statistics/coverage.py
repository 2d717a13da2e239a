"""How often the intervals cover the truth."""

from __future__ import annotations

from functools import partial

from tests.unit.statistics import experiments
from tests.unit.statistics.experiments import SCORES, Draw, lognormal, normal, wide

from .tables import Table, figure

_SIZES = ((2, 2), (5, 5), (10, 10), (30, 30), (300, 300), (10, 300), (30, 300))
_SHARES = ((0.01, 0.01), (0.5, 0.5), (0.99, 0.99), (0.01, 0.05), (0.5, 0.6), (0.9, 0.99), (0.99, 0.01))


def _names(sizes: tuple[tuple[int, int], ...]) -> tuple[str, ...]:
    return tuple(str(n) if n == m else f"{n} against {m}" for n, m in sizes)


def means(draws: int) -> Table:
    rows = [
        (name, *(figure(experiments.welch(draw, sizes, draws)) for sizes in _SIZES))
        for name, draw in SCORES.items()
    ]
    unequal = (figure(experiments.welch(normal, sizes, draws, other=wide)) for sizes in _SIZES)
    return Table(
        "Means, Welch's interval, both groups alike:",
        ("scores", *_names(_SIZES)),
        [*rows, ("normal, the second with 4 times the deviation", *unequal)],
    )


def shares() -> Table:
    return Table(
        "Shares, Newcombe's interval, from all possible results:",
        ("shares", *_names(_SIZES)),
        [
            (f"{p[0]} and {p[1]}", *(figure(experiments.newcombe(p, sizes)) for sizes in _SIZES))
            for p in _SHARES
        ],
    )


def pairs(draws: int) -> Table:
    counts = (5, 10, 30, 300)
    noises: dict[str, Draw] = {"normal": partial(normal, mean=0), "lognormal": lognormal}
    changes = ((0.05, 0.05), (0.1, 0.05), (0.3, 0.1))
    return Table(
        "The same items in both groups:",
        ("differences", *map(str, counts)),
        [
            *(
                (
                    f"means, {name} noise",
                    *(figure(experiments.paired(normal, noise, count, draws)) for count in counts),
                )
                for name, noise in noises.items()
            ),
            *(
                (
                    f"shares, {gained:.0%} of the items gain and {lost:.0%} lose",
                    *(figure(experiments.bonett_price(gained, lost, count, draws)) for count in counts),
                )
                for gained, lost in changes
            ),
        ],
    )


def clustered(draws: int) -> Table:
    units = (5, 10, 30, 60)
    return Table(
        "Means of 10 requests of each user, whose requests are alike by the correlation given:",
        ("interval", *(f"{count} users a group" for count in units)),
        [
            (
                f"{'by user' if by_unit else 'by request'}, {icc}",
                *(figure(experiments.clustered(count, 10, icc, draws, by_unit=by_unit)) for count in units),
            )
            for icc in (0.1, 0.3)
            for by_unit in (True, False)
        ],
    )


def covariates(draws: int) -> Table:
    counts = (5, 10, 30, 300)
    return Table(
        "Means with a covariate that explains half of the variance:",
        ("", *map(str, counts)),
        [("coverage", *(figure(experiments.cuped(count, draws)) for count in counts))],
    )


def lifts(draws: int) -> Table:
    counts = (5, 10, 30, 60)
    found = [experiments.fieller(count, draws) for count in counts]
    return Table(
        "The lift where it is 10 % and the deviation 29 % of the mean, Fieller's interval:",
        ("", *map(str, counts)),
        [
            ("coverage", *(figure(coverage) for coverage, _ in found)),
            ("has an interval", *(figure(shown) for _, shown in found)),
        ],
    )
