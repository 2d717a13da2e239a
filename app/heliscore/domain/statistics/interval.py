"""An interval, and that of a single proportion."""

from __future__ import annotations

from math import sqrt

import msgspec

from heliscore.domain.statistics.distributions import normal_quantile


class Interval(msgspec.Struct, frozen=True):
    low: float
    high: float

    @property
    def reach(self) -> float:
        """The greatest distance from 0."""
        return max(abs(self.low), abs(self.high))


def wilson(successes: float, trials: float, confidence: float) -> Interval:
    """Wilson's interval of a proportion of trials, at least one."""
    return wilson_at(successes, trials, normal_quantile((1 + confidence) / 2))


def wilson_at(successes: float, trials: float, z: float) -> Interval:
    """Wilson's interval that reaches z standard errors to either side."""
    p, z2 = successes / trials, z**2
    middle = p + z2 / (2 * trials)
    margin = z * sqrt(p * (1 - p) / trials + z2 / (4 * trials**2))
    # The ends are 0 and 1 where all trials are alike, up to rounding.
    low = (middle - margin) / (1 + z2 / trials) if successes > 0 else 0.0
    high = (middle + margin) / (1 + z2 / trials) if successes < trials else 1.0
    return Interval(low, high)
