"""Effect sizes that do not depend on a score's unit, with normal approximations of their intervals.

Hedges' g of independent groups has the variance (n+m)/(nm) + g²/(2(n+m)), that of pairs by their average
deviation (g_av) has 2(1-r)(1/n + g²/(2n)) where r is the pairs' correlation. Cohen's h has 1/n + 1/m, that of
pairs 2(1-r)/n. They are for large samples (L. V. Hedges, I. Olkin, Statistical Methods for Meta-Analysis,
1985; M. Borenstein et al., Introduction to Meta-Analysis, 2009).
"""

from __future__ import annotations

from fractions import Fraction
from math import asin, sqrt

from heliscore.domain.statistics.compared import Effect, PairSums
from heliscore.domain.statistics.distributions import normal_quantile
from heliscore.domain.statistics.interval import Interval
from heliscore.domain.statistics.samples import Sample


def effect_of_samples(base: Sample, other: Sample, is_share: bool, confidence: float | None) -> Effect | None:
    """Of independent groups with two values each; None where they do not vary. Without an interval where
    `confidence` is None."""
    n, m = base.count, other.count
    if is_share:
        value = _h(base.mean, other.mean)
        return Effect("h", value, _around(value, 1 / n + 1 / m, confidence))
    g = _g(base, other)
    if g is None:
        return None
    return Effect("g", g, _around(g, (n + m) / (n * m) + g * g / (2 * (n + m)), confidence))


def effect_of_pairs(sums: PairSums, is_share: bool, confidence: float | None) -> Effect | None:
    """Of two pairs or more: h where every value is 0 or 1, else g_av; None where the values do not vary."""
    base, other = Sample(sums.count, sums.x, sums.xx), Sample(sums.count, sums.y, sums.yy)
    n, apart = sums.count, 2 * (1 - _correlation(sums))
    if is_share:
        value = _h(base.mean, other.mean)
        return Effect("h", value, _around(value, apart / n, confidence))
    g = _g(base, other)
    return None if g is None else Effect("g_av", g, _around(g, apart * (1 + g * g / 2) / n, confidence))


def _h(base: float, other: float) -> float:
    return 2 * asin(sqrt(other)) - 2 * asin(sqrt(base))


def _g(base: Sample, other: Sample) -> float | None:
    n, m = base.count, other.count
    pooled = ((n - 1) * (base.variance or 0.0) + (m - 1) * (other.variance or 0.0)) / (n + m - 2)
    if not pooled:
        return None
    difference = float(Fraction(other.sum) / m - Fraction(base.sum) / n)
    return difference / sqrt(pooled) * (1 - 3 / (4 * (n + m) - 9))


def _correlation(sums: PairSums) -> float:
    """Pearson's of the pairs; 0 where a group does not vary."""
    n = sums.count
    xx, yy = n * sums.xx - sums.x**2, n * sums.yy - sums.y**2
    xy = n * (sums.xx + sums.yy - sums.dd) / 2 - sums.x * sums.y
    if xx * yy == xy * xy:  # exactly 1, without what roots and divisions lose
        return (xy > 0) - (xy < 0)
    return float(xy) / (sqrt(xx) * sqrt(yy)) if xx and yy else 0.0


def _around(value: float, variance: float, confidence: float | None) -> Interval | None:
    if confidence is None or variance <= 0:
        return None
    margin = normal_quantile((1 + confidence) / 2) * sqrt(variance)
    return Interval(value - margin, value + margin)
