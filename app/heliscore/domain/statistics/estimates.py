"""Estimates of the difference between two groups, each with an interval at any confidence and a p value.

p is the error rate at which the interval would just touch 0: it is below alpha exactly where 0 is outside the
interval at 1 - alpha. McNemar's exact test is the exception.
"""

from __future__ import annotations

from math import exp, log, sqrt
from typing import Final

import msgspec

from heliscore.domain.statistics.distributions import (
    binomial_half_cdf,
    bisect,
    normal_quantile,
    normal_two_sided,
    t_quantile,
    t_two_sided,
)
from heliscore.domain.statistics.interval import Interval, wilson_at

_GREATEST_Z: Final = 40.0
"""Further out than that, a double has no probability above 0."""


class Student(msgspec.Struct, frozen=True, tag=True):
    """A difference of means that is Student's t when divided by its standard error."""

    difference: float
    variance: float
    """Of the difference, above 0."""

    degrees: float

    def interval(self, confidence: float) -> Interval:
        margin = t_quantile((1 + confidence) / 2, self.degrees) * sqrt(self.variance)
        return Interval(self.difference - margin, self.difference + margin)

    @property
    def p(self) -> float:
        return t_two_sided(self.difference / sqrt(self.variance), self.degrees)


class AlwaysValid(msgspec.Struct, frozen=True, tag=True):
    """A difference of means with an interval that holds at all looks together.

    The asymptotic confidence sequence of Waudby-Smith et al. (arXiv:2103.06476), as in GrowthBook's gbstats.
    It counts looks in the order of arrival: scores that are replaced later are outside its promise.
    """

    difference: float
    variance: float
    """Of the difference, above 0."""

    count: int
    """Of the independent observations in both groups."""

    rho2: float

    def interval(self, confidence: float) -> Interval:
        margin = always_valid_z(self.count * self.rho2, 1 - confidence) * sqrt(self.variance)
        return Interval(self.difference - margin, self.difference + margin)

    @property
    def p(self) -> float:
        time = self.count * self.rho2
        exponent = self.difference**2 * time / (2 * (time + 1) * self.variance)
        return min(1.0, sqrt(time + 1) * exp(-exponent))


def always_valid_z(time: float, alpha: float) -> float:
    """How many standard errors an always-valid interval reaches; `time` is observations times rho squared."""
    return sqrt(2 * (time + 1) * log(sqrt(time + 1) / alpha) / time)


def rho_squared(tuning: int, alpha: float) -> float:
    """The rho with which an always-valid interval is narrowest at `tuning` observations."""
    return (-2 * log(alpha) + log(-2 * log(alpha) + 1)) / tuning


class Newcombe(msgspec.Struct, frozen=True, tag=True):
    """A difference of independent proportions, by Newcombe's method 10: Wilson's intervals put together.

    R. G. Newcombe, Statistics in Medicine 17 (1998).
    """

    base: int
    base_count: int
    other: int
    other_count: int

    @property
    def difference(self) -> float:
        difference = self.other * self.base_count - self.base * self.other_count
        return difference / (self.base_count * self.other_count)

    def interval(self, confidence: float) -> Interval:
        return self._reaching(normal_quantile((1 + confidence) / 2))

    @property
    def p(self) -> float:
        if not self.difference:
            return 1.0
        upwards = self.difference > 0
        z = bisect(lambda z: _is_clear(self._reaching(z), upwards), 0.0, _GREATEST_Z)
        return normal_two_sided(z)

    def _reaching(self, z: float) -> Interval:
        base, other = self.base / self.base_count, self.other / self.other_count
        a = wilson_at(self.base, self.base_count, z)
        b = wilson_at(self.other, self.other_count, z)
        return Interval(
            self.difference - sqrt((other - b.low) ** 2 + (a.high - base) ** 2),
            self.difference + sqrt((b.high - other) ** 2 + (base - a.low) ** 2),
        )


def _is_clear(interval: Interval, upwards: bool) -> bool:
    return interval.low > 0 if upwards else interval.high < 0


class McNemar(msgspec.Struct, frozen=True, tag=True):
    """A difference of proportions of the same items: McNemar's exact p and Bonett and Price's interval.

    They are two methods and may disagree near alpha. D. G. Bonett, R. M. Price, Journal of Educational and
    Behavioral Statistics 37 (2012).
    """

    losses: int
    """Items with 1 in the base and 0 in the other group."""

    gains: int
    pairs: int

    @property
    def difference(self) -> float:
        return (self.gains - self.losses) / self.pairs

    def interval(self, confidence: float) -> Interval:
        total = self.pairs + 2
        gained, lost = (self.gains + 1) / total, (self.losses + 1) / total
        middle = gained - lost
        margin = normal_quantile((1 + confidence) / 2) * sqrt((gained + lost - middle**2) / total)
        return Interval(max(middle - margin, -1.0), min(middle + margin, 1.0))

    @property
    def p(self) -> float:
        return sign_test(self.losses, self.gains)


class Bare(msgspec.Struct, frozen=True, tag=True):
    """A difference that has no interval at any confidence, for a reason."""

    difference: float
    p: float | None
    reason: str

    def interval(self, confidence: float) -> None:  # noqa: ARG002
        return None


Estimate = Student | AlwaysValid | Newcombe | McNemar | Bare


def sign_test(downs: int, ups: int) -> float:
    """The two-sided probability that fair coins fall at least as unequally; 1 without any."""
    return min(1.0, 2 * binomial_half_cdf(min(downs, ups), downs + ups)) if downs + ups else 1.0
