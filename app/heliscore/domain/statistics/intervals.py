"""95 % confidence intervals of the difference between two groups of scores."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist
from typing import Final

import msgspec

from heliscore.domain.statistics.distributions import t_quantile
from heliscore.domain.statistics.samples import Sample

_Z: Final = NormalDist().inv_cdf(0.975)

_MIN_COUNT: Final = 10
"""Smaller samples get no interval of means."""


class Interval(msgspec.Struct, frozen=True):
    low: float
    high: float

    @property
    def reach(self) -> float:
        """The greatest distance from 0."""
        return max(abs(self.low), abs(self.high))


def interval_of_means(base: Sample, other: Sample) -> Interval | None:
    """Welch's interval of `other.mean - base.mean`; None where a sample is too small or has no variance."""
    if min(base.count, other.count) < _MIN_COUNT or not base.variance or not other.variance:
        return None
    a, b = base.variance / base.count, other.variance / other.count
    degrees = (a + b) ** 2 / (a**2 / (base.count - 1) + b**2 / (other.count - 1))
    margin = t_quantile(0.975, degrees) * sqrt(a + b)
    difference = other.mean - base.mean
    return Interval(difference - margin, difference + margin)


def interval_of_shares(base: Sample, other: Sample) -> Interval:
    """Newcombe's interval of the difference of two proportions, which is valid for 0 and 1 too."""
    (a_low, a_high), (b_low, b_high) = _wilson(base), _wilson(other)
    difference = other.mean - base.mean
    return Interval(
        difference - sqrt((other.mean - b_low) ** 2 + (a_high - base.mean) ** 2),
        difference + sqrt((b_high - other.mean) ** 2 + (base.mean - a_low) ** 2),
    )


def _wilson(sample: Sample) -> tuple[float, float]:
    """Wilson's interval of one proportion."""
    n, p, z2 = sample.count, sample.mean, _Z**2
    middle = p + z2 / (2 * n)
    margin = _Z * sqrt(p * (1 - p) / n + z2 / (4 * n**2))
    return (middle - margin) / (1 + z2 / n), (middle + margin) / (1 + z2 / n)
