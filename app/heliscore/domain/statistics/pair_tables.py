"""How often each pair of values occurs: two raters scored the same requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import nsmallest
from itertools import repeat
from operator import add, mul
from typing import Literal, Self

import msgspec

PairTable = Mapping[tuple[int, int], int]
"""How many requests have this value of the first rater and this of the second."""

Level = Literal["nominal", "ordinal", "interval"]
"""Which comparisons of values mean something: whether they are equal, which is higher, or how far apart."""


class PairLists(msgspec.Struct, frozen=True):
    """The different pairs of a table in order, one list for each thing that is known of a pair."""

    values: list[int]
    """The different values of either rater, ascending."""

    x: list[int]
    y: list[int]
    first: list[int]
    """The place of x in `values`."""

    second: list[int]
    """The place of y in `values`."""

    counts: list[int]

    @classmethod
    def of(cls, table: PairTable) -> Self:
        x, y, counts = [], [], []
        for (left, right), count in sorted(table.items()):
            x.append(left)
            y.append(right)
            counts.append(count)
        values = sorted({*x, *y})
        places = {value: place for place, value in enumerate(values)}
        return cls(values, x, y, [places[value] for value in x], [places[value] for value in y], counts)

    def counts_of(self, part: PairTable) -> list[int]:
        """How often each pair occurs in a part of the table."""
        return list(map(part.get, zip(self.x, self.y, strict=True), repeat(0)))

    def __iter__(self) -> Iterator[tuple[int, int, int, int]]:
        """Of each pair its values, then their places."""
        return zip(self.x, self.y, self.first, self.second, strict=True)


class Margins(msgspec.Struct, frozen=True):
    """How often each rater gave each of the values."""

    first: list[int]
    second: list[int]

    @classmethod
    def of(cls, pairs: PairLists, counts: Sequence[int]) -> Self:
        firsts, seconds = [0] * len(pairs.values), [0] * len(pairs.values)
        for first, second, count in zip(pairs.first, pairs.second, counts, strict=True):
            firsts[first] += count
            seconds[second] += count
        return cls(firsts, seconds)

    def pooled(self) -> list[int]:
        return list(map(add, self.first, self.second))


def dot(numbers: Iterable[int], counts: Iterable[int]) -> int:
    return sum(map(mul, numbers, counts))


def level_of(values: Iterable[int]) -> Level:
    """Take 0 and 1 for names, and other values for ranks: how far apart they are is not known."""
    return "nominal" if set(values) <= {0, 1} else "ordinal"


def worst_pairs(table: PairTable, limit: int) -> list[tuple[int, int]]:
    """The pairs whose values are furthest apart, the more frequent first where equally far; no equal ones."""
    apart = (item for item in table.items() if item[0][0] != item[0][1])
    worst = nsmallest(limit, apart, key=lambda item: (-abs(item[0][0] - item[0][1]), -item[1], item[0]))
    return [pair for pair, _ in worst]
