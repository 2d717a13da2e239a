"""How often each pair of values occurs, in few enough cells to be drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from itertools import count as count_from
from typing import Final

import msgspec

from heliscore.domain.score import MAX_VALUE, MIN_VALUE
from heliscore.domain.statistics.pair_tables import PairTable

MAX_BINS: Final = 25


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """Values from x_from to x_to of the first rater and y_from to y_to of the second, ends included."""

    x_from: int
    x_to: int
    y_from: int
    y_to: int
    count: int


class Bins(msgspec.Struct, frozen=True):
    """Ranges of values that begin at multiples of their width."""

    width: int

    def around(self, value: int) -> tuple[int, int]:
        """The lowest and the highest value of the range that a value is in, which a score can have."""
        low = value // self.width * self.width
        return max(low, MIN_VALUE), min(low + self.width - 1, MAX_VALUE)


def bins_of(values: Collection[int]) -> Bins:
    """At most 25 ranges: one value each where that is enough, else of 1, 2 or 5 times a power of ten."""
    if len({*values}) <= MAX_BINS:
        return Bins(1)
    return bins_between(min(values), max(values), MAX_BINS)


def bins_between(low: int, high: int, most: int) -> Bins:
    """At most so many ranges: 1, 2 or 5 times a power of ten wide, the least width that is enough."""
    widths = (step * 10**power for power in count_from() for step in (1, 2, 5))
    return Bins(next(width for width in widths if high // width - low // width < most))


def confusion(table: PairTable, *, one_scale: bool) -> tuple[Cell, ...]:
    """Count the cells that occur, in order. On one scale the ranges of both raters are the same."""
    xs, ys = {x for x, _ in table}, {y for _, y in table}
    of_x, of_y = (bins_of(xs | ys),) * 2 if one_scale else (bins_of(xs), bins_of(ys))
    cells: Counter[tuple[tuple[int, int], tuple[int, int]]] = Counter()
    for (x, y), count in table.items():
        cells[of_x.around(x), of_y.around(y)] += count
    return tuple(
        Cell(x_from=x[0], x_to=x[1], y_from=y[0], y_to=y[1], count=count)
        for (x, y), count in sorted(cells.items())
    )
