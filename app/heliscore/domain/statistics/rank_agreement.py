"""Agreement of two raters in order alone: Spearman's rho and Kendall's tau-b, corrected for ties."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import mul
from typing import Self

import msgspec

from heliscore.domain.statistics.agreement_sums import correlation
from heliscore.domain.statistics.mid_ranks import doubled_ranks, sign_sums, signs_before
from heliscore.domain.statistics.pair_tables import Margins, PairLists, dot


class RankSums(msgspec.Struct, frozen=True):
    """Of n requests, a(v) having a value v by the first rater and b(v) by the second."""

    count: int
    first_squares: int
    """Σ a(v)²"""

    second_squares: int
    first_cubes: int
    """Σ a(v)³"""

    second_cubes: int
    products: int
    """Σ u w, the doubled ranks of x and y"""

    signs: int
    """Σ sign(x - x') sign(y - y') over all requests and all requests"""

    @classmethod
    def of(cls, pairs: PairLists, counts: Sequence[int], margins: Margins, signs: int) -> Self:
        u, w = doubled_ranks(margins.first), doubled_ranks(margins.second)
        products = map(mul, map(u.__getitem__, pairs.first), map(w.__getitem__, pairs.second))
        return cls(
            sum(counts),
            dot(margins.first, margins.first),
            dot(margins.second, margins.second),
            sum(count**3 for count in margins.first),
            sum(count**3 for count in margins.second),
            dot(products, counts),
            signs,
        )

    @classmethod
    def without_one(cls, pairs: PairLists, signs: Sequence[int]) -> Iterator[Self]:
        """Of each pair in turn, the sums without one of its requests; `signs` are those by `signs_of`.

        Without a request (p, q), the doubled rank u(x) loses t(x): 2 where x is above p, 1 where it is equal.
        The products lose Σ t(x) w(y) and Σ u(x) t(y), and get Σ t(x) t(y) back. As sign(x - p) is t(x) - 1,
        that follows from the sum of signs, by which Kendall's tau changes.
        """
        margins = Margins.of(pairs, pairs.counts)
        all_ = cls.of(pairs, pairs.counts, margins, dot(signs, pairs.counts))
        n, u, w = all_.count, doubled_ranks(margins.first), doubled_ranks(margins.second)
        lost_first, lost_second = _lost(pairs, u, w)
        for i, j, sign in zip(pairs.first, pairs.second, signs, strict=True):
            a, b = margins.first[i], margins.second[j]
            both = sign + 3 * n - u[i] - w[j]
            yield cls(
                n - 1,
                all_.first_squares - 2 * a + 1,
                all_.second_squares - 2 * b + 1,
                all_.first_cubes - a**3 + (a - 1) ** 3,
                all_.second_cubes - b**3 + (b - 1) ** 3,
                all_.products - lost_first[i] - lost_second[j] + both - (u[i] - 1) * (w[j] - 1),
                all_.signs - 2 * sign,
            )


def signs_of(pairs: PairLists) -> list[int]:
    """For each pair (x, y): Σ sign(x - x') sign(y - y') over all requests."""
    return sign_sums(list(zip(pairs.first, pairs.second, strict=True)), pairs.counts, len(pairs.values))


def signs_within(pairs: PairLists, counts: Sequence[int]) -> int:
    """Σ sign(x - x') sign(y - y') over the requests of a part and those of the part."""
    places = zip(pairs.first, pairs.second, strict=True)
    part = [(place, count) for place, count in zip(places, counts, strict=True) if count]
    numbers = [count for _, count in part]
    return 2 * dot(signs_before([place for place, _ in part], numbers, len(pairs.values)), numbers)


def _lost(pairs: PairLists, u: Sequence[int], w: Sequence[int]) -> tuple[list[int], list[int]]:
    """Of each place p: Σ t(x) w(y) where p is taken from the first rater, Σ u(x) t(y) from the second."""
    by_first, by_second = [0] * len(u), [0] * len(w)
    for i, j, count in zip(pairs.first, pairs.second, pairs.counts, strict=True):
        by_first[i] += w[j] * count
        by_second[j] += u[i] * count
    return _at_or_above(by_first), _at_or_above(by_second)


def _at_or_above(sums: Sequence[int]) -> list[int]:
    """Of each place: twice the sum above it and once that at it."""
    total = sum(sums)
    return [2 * (total - up_to) + at for up_to, at in zip(accumulate(sums), sums, strict=True)]


def spearman(sums: RankSums) -> float | None:
    cube = sums.count**3
    return correlation(3 * (sums.products - cube), cube - sums.first_cubes, cube - sums.second_cubes)


def kendall_tau_b(sums: RankSums) -> float | None:
    square = sums.count**2
    return correlation(sums.signs, square - sums.first_squares, square - sums.second_squares)
