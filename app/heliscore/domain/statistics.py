"""How far apart two groups of scores are, and how sure that is: 95 % confidence intervals, pure."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist
from typing import Final

import msgspec

_Z: Final = NormalDist().inv_cdf(0.975)
_FEWEST: Final = 10


class Sample(msgspec.Struct, frozen=True):
    """The values of one score in one group, at least one, by their exact sums."""

    count: int
    sum: int
    squares: int

    @property
    def mean(self) -> float:
        return self.sum / self.count

    @property
    def variance(self) -> float | None:
        """The sample's, None for a single value. In whole numbers up to the division, so that nothing is lost
        where values are large and alike."""
        if self.count < 2:
            return None
        return (self.count * self.squares - self.sum * self.sum) / (self.count * (self.count - 1))

    @property
    def deviation(self) -> float | None:
        return None if self.variance is None else sqrt(self.variance)


class Interval(msgspec.Struct, frozen=True):
    low: float
    high: float

    @property
    def reach(self) -> float:
        """How far from 0 it goes."""
        return max(abs(self.low), abs(self.high))


def interval_of_means(base: Sample, other: Sample) -> Interval | None:
    """Welch's interval of the difference of two means; None where a sample is too small to judge by, or
    shows no variance."""
    if min(base.count, other.count) < _FEWEST or not base.variance or not other.variance:
        return None
    a, b = base.variance / base.count, other.variance / other.count
    freedom = (a + b) ** 2 / (a**2 / (base.count - 1) + b**2 / (other.count - 1))
    reach = _t(freedom) * sqrt(a + b)
    difference = other.mean - base.mean
    return Interval(difference - reach, difference + reach)


def _t(freedom: float) -> float:
    """The 97.5 % point of Student's t, by Cornish and Fisher's expansion: for _FEWEST within 0.03 %."""
    z, n = _Z, freedom
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )


def interval_of_shares(base: Sample, other: Sample) -> Interval:
    """Newcombe's interval of the difference of two shares, which holds for shares of 0 and 1 too."""
    (a_low, a_high), (b_low, b_high) = _wilson(base), _wilson(other)
    difference = other.mean - base.mean
    return Interval(
        difference - sqrt((other.mean - b_low) ** 2 + (a_high - base.mean) ** 2),
        difference + sqrt((b_high - other.mean) ** 2 + (base.mean - a_low) ** 2),
    )


def _wilson(sample: Sample) -> tuple[float, float]:
    """Wilson's interval of one share."""
    n, share, z2 = sample.count, sample.mean, _Z**2
    middle = share + z2 / (2 * n)
    reach = _Z * sqrt(share * (1 - share) / n + z2 / (4 * n**2))
    return (middle - reach) / (1 + z2 / n), (middle + reach) / (1 + z2 / n)
