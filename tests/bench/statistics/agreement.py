"""How often intervals of agreement hold the true number."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Final

from heliscore.domain.statistics.pair_tables import level_of

from tests.unit.statistics_agreement.tables import all_coefficients, related, table_of, true_coefficients

from .tables import Table

SIZES: Final = (20, 50, 200)
SCALES: Final = {"5 values": 4, "0 or 1": 1}
NOISE: Final = 0.4
"""The share of the requests that the second rater scores by chance."""

_LEFT_OUT: Final = ("withinTolerance", "limitsOfAgreement")
"""The one is as the observed agreement; the other is no interval of a number."""

_TITLE: Final = "Two raters, of whom the second gives a value at random in 40 % of the requests:"

Coverage = dict[tuple[str, str, int], str]


def agreements(draws: int) -> Table:
    """For each coefficient the share of intervals that hold the number of all requests.

    In brackets, where it is above 1 %: the draws whose interval is null with a reason, which do not count.
    """
    found: Coverage = {}
    for scale, highest in SCALES.items():
        for size in SIZES:
            found |= {(name, scale, size): text for name, text in _coverage(highest, size, draws).items()}
    names = [name for name in true_coefficients(max(SCALES.values()), NOISE) if name not in _LEFT_OUT]
    columns = [(scale, size) for scale in SCALES for size in SIZES]
    head = ("coefficient", *(f"{scale}, n = {size}" for scale, size in columns))
    rows = [(name, *(found[name, *column] for column in columns)) for name in names]
    return Table(_TITLE, head, rows)


def _coverage(highest: int, size: int, draws: int) -> dict[str, str]:
    random, true = Random(size), true_coefficients(highest, NOISE)
    level = level_of(range(highest + 1))
    given: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    for _ in range(draws):
        found = all_coefficients(table_of(related(random, size, highest, NOISE)), level)
        for name, number in true.items():
            interval = found[name].interval
            if interval is not None:
                given[name] += 1
                hits[name] += interval.low <= number <= interval.high
    return {name: _text(hits[name], given[name], draws) for name in true}


def _text(hits: int, given: int, draws: int) -> str:
    without = 100 * (draws - given) / draws
    share = f"{hits / given:.3f}" if given else "-"
    return share if without <= 1 else f"{share} ({without:.0f} % null)"
