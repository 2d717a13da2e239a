"""How far apart ranks are once a rating is left out, which moves the ranks of all higher values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import accumulate, combinations
from typing import Self

import msgspec

from heliscore.domain.statistics.mid_ranks import doubled_ranks, sign_sums


class RankShift(msgspec.Struct, frozen=True):
    """How the distances of doubled ranks F change where one rating p is left out.

    F(v) loses t(v): 2 where v is above p, 1 where it is equal. So the distance of a pair changes by
    the difference T of its t: 2 where p is between the two, 1 where it is one of them, else 0.
    """

    ranks: list[int]
    distances: list[int]
    """Of each place p: the sum of distance times T."""

    squares: list[int]
    """Of each place p: ΣT²"""

    products: dict[tuple[int, int], int]
    """Of each pair p < q: the sum of T by p times T by q."""

    @classmethod
    def of(cls, pairs: list[tuple[int, int]], counts: list[int], ranks: list[int]) -> Self:
        table: Counter[tuple[int, int]] = Counter()
        for pair, count in zip(pairs, counts, strict=True):
            table[pair] += count
        far = {(low, high): (ranks[high] - ranks[low]) * count for (low, high), count in table.items()}
        size = len(ranks)
        return cls(ranks, _between(far, 2, size), _between(table, 4, size), _spanning(table, size))

    def change(self, item: tuple[int, ...]) -> int:
        """By how much the sum of squared distances changes without the ratings of an item."""
        single = sum(self.squares[place] - 2 * self.distances[place] for place in item)
        return single + 2 * sum(
            self.squares[low] if low == high else self.products[low, high]
            for low, high in combinations(item, 2)
        )

    def ranks_without(self, item: tuple[int, ...]) -> list[int]:
        """The doubled ranks of an item's places without its ratings."""
        return [
            self.ranks[place] - sum(2 * (place > other) + (place == other) for other in item)
            for place in item
        ]


def _between(table: Mapping[tuple[int, int], int], inner: int, size: int) -> list[int]:
    """Of each place: `inner` times the sum of the pairs around it, and once that of the pairs it ends."""
    ends, steps = [0] * size, [0] * (size + 1)
    for (low, high), count in table.items():
        ends[low] += count
        ends[high] += count
        steps[low + 1] += count
        steps[high] -= count
    return [inner * around + end for around, end in zip(accumulate(steps), ends, strict=False)]


def _spanning(table: Mapping[tuple[int, int], int], size: int) -> dict[tuple[int, int], int]:
    """Of each pair p < q: the sum of the pairs around it, doubled for each end that is not the same."""
    pairs = sorted(table)
    counts = [table[pair] for pair in pairs]
    lows, highs = [0] * size, [0] * size
    for (low, high), count in zip(pairs, counts, strict=True):
        lows[low] += count
        highs[high] += count
    u, w, n = doubled_ranks(lows), doubled_ranks(highs), sum(counts)
    signs = sign_sums(pairs, counts, size)
    # The sum over pairs of (1 + sign(p - low)) (1 - sign(q - high)): of q - high, the signs sum up to w - n.
    return {(low, high): u[low] + n - w[high] - sign for (low, high), sign in zip(pairs, signs, strict=True)}
