"""Agreement of two raters from sums alone: how far apart their values are, and whether they go together."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import sqrt
from operator import mul, sub
from typing import Final, Self

import msgspec

from heliscore.domain.statistics.pair_tables import PairLists, dot
from heliscore.domain.statistics.reliability import Disagreement

_LIMITS_Z: Final = 1.96
"""Bland and Altman's limits hold 95 % of the differences."""


class AgreementSums(msgspec.Struct, frozen=True):
    """Sums over the requests that both raters scored: x by the first, y by the second."""

    count: int
    x: int
    y: int
    xx: int
    yy: int
    xy: int
    absolute: int
    """Σ|x - y|"""

    squares: int
    """Σ(x - y)²"""

    equal: int
    within: int
    """How many have |x - y| of at most the tolerance."""

    def rest(self, part: AgreementSums) -> AgreementSums:
        """The sums of the other requests."""
        return AgreementSums(*map(sub, msgspec.structs.astuple(self), msgspec.structs.astuple(part)))


class PairColumns(msgspec.Struct, frozen=True):
    """The terms of the sums, of each pair."""

    columns: list[list[int]]

    @classmethod
    def of(cls, pairs: PairLists, tolerance: int) -> Self:
        return cls(_columns(pairs, tolerance))

    def sums(self, counts: list[int]) -> AgreementSums:
        return AgreementSums(*(dot(column, counts) for column in self.columns))

    def without_one(self, counts: list[int]) -> Iterator[AgreementSums]:
        """Of each pair in turn, the sums without one of its requests."""
        all_ = self.sums(counts)
        return (all_.rest(AgreementSums(*terms)) for terms in zip(*self.columns, strict=True))


def _columns(pairs: PairLists, tolerance: int) -> list[list[int]]:
    x, y = pairs.x, pairs.y
    apart = [abs(left - right) for left, right in zip(x, y, strict=True)]
    return [
        [1] * len(x),
        x,
        y,
        list(map(mul, x, x)),
        list(map(mul, y, y)),
        list(map(mul, x, y)),
        apart,
        list(map(mul, apart, apart)),
        [int(distance == 0) for distance in apart],
        [int(distance <= tolerance) for distance in apart],
    ]


def has_constant_rater(sums: AgreementSums) -> bool:
    n = sums.count
    return n * sums.xx == sums.x * sums.x or n * sums.yy == sums.y * sums.y


def quadratic_kappa(sums: AgreementSums) -> float | None:
    expected = sums.count * (sums.xx + sums.yy) - 2 * sums.x * sums.y
    return 1 - sums.count * sums.squares / expected if expected else None


def interval_disagreement(sums: AgreementSums) -> Disagreement:
    """Of Krippendorff's alpha at the level of intervals."""
    ratings = 2 * sums.count
    return Disagreement(ratings, sums.squares, ratings * (sums.xx + sums.yy) - (sums.x + sums.y) ** 2)


def pearson(sums: AgreementSums) -> float | None:
    n = sums.count
    return correlation(
        n * sums.xy - sums.x * sums.y, n * sums.xx - sums.x * sums.x, n * sums.yy - sums.y * sums.y
    )


def correlation(product: int, left: int, right: int) -> float | None:
    """A product over the root of two squares; exactly 1 or -1 where it is, None where a square is 0."""
    if not left or not right:
        return None
    if product * product == left * right:
        return 1.0 if product > 0 else -1.0
    return min(max(product / (sqrt(left) * sqrt(right)), -1.0), 1.0)


def mean_absolute_error(sums: AgreementSums) -> float | None:
    return sums.absolute / sums.count if sums.count else None


def root_mean_square_error(sums: AgreementSums) -> float | None:
    return sqrt(sums.squares / sums.count) if sums.count else None


def bias(sums: AgreementSums) -> float | None:
    """By how much the first rater is above the second on average."""
    return (sums.x - sums.y) / sums.count if sums.count else None


def half_limits(sums: AgreementSums) -> float | None:
    """How far Bland and Altman's limits of agreement are from the bias; None below two requests."""
    if sums.count < 2:
        return None
    squares = sums.count * sums.squares - (sums.x - sums.y) ** 2
    return _LIMITS_Z * sqrt(Fraction(squares, sums.count * (sums.count - 1)))
