"""95 % confidence intervals of the difference between two groups of scores."""

from __future__ import annotations

from math import sqrt
from typing import Final

from heliscore.domain.statistics.distributions import t_quantile
from heliscore.domain.statistics.interval import Interval, wilson
from heliscore.domain.statistics.samples import Sample

_MIN_COUNT: Final = 10
"""Smaller samples get no interval of means."""


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
    a, b = (wilson(int(sample.sum), sample.count, 0.95) for sample in (base, other))
    difference = other.mean - base.mean
    return Interval(
        difference - sqrt((other.mean - b.low) ** 2 + (a.high - base.mean) ** 2),
        difference + sqrt((b.high - other.mean) ** 2 + (base.mean - a.low) ** 2),
    )
