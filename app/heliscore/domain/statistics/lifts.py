"""The difference as a share of the base's mean."""

from __future__ import annotations

from math import sqrt

from heliscore.domain.statistics.distributions import t_quantile
from heliscore.domain.statistics.interval import Interval
from heliscore.domain.statistics.means import Means


def lift_of(means: Means, confidence: float, is_share: bool) -> float | None:
    """The difference over the base's mean; None where that mean may be 0 by its own interval.

    Shares' is Wilson's, which reaches 0 only where all are 0.
    """
    if not means.base:
        return None
    if not is_share and means.base_variance:
        margin = t_quantile((1 + confidence) / 2, means.base_degrees) * sqrt(means.base_variance)
        if abs(means.base) <= margin:
            return None
    return float(means.difference / means.base)


def lift_interval(means: Means, confidence: float) -> Interval | None:
    """Fieller's interval of the lift; None where it is not bounded, or nothing varies."""
    if not means.variance:
        return None
    t2 = t_quantile((1 + confidence) / 2, means.degrees) ** 2
    base, difference = float(means.base), float(means.difference)
    a = base * base - t2 * means.base_variance
    b = base * difference - t2 * means.covariance
    c = difference * difference - t2 * means.variance
    if a <= 0:
        return None
    root = sqrt(max(b * b - a * c, 0.0))
    return Interval((b - root) / a, (b + root) / a)
