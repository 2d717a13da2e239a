"""The means of two groups and their difference's variance: of requests, units, pairs, or with a covariate."""

from __future__ import annotations

from fractions import Fraction
from math import exp, log
from typing import Final

import msgspec

from heliscore.domain.statistics.compared import CovariateSums, PairSums, Question, UnitSums
from heliscore.domain.statistics.distributions import log_choose
from heliscore.domain.statistics.estimates import AlwaysValid, Bare, Estimate, Student, rho_squared
from heliscore.domain.statistics.samples import Sample

_LEAST: Final = 2
_LEAST_FOR_LOOKS: Final = 5
"""An always-valid interval starts here: below, its variance is too uncertain."""


class Means(msgspec.Struct, frozen=True, kw_only=True):
    base: Fraction
    difference: Fraction
    variance: float
    """Of the difference; 0 where no value differs from its group's mean."""

    degrees: float
    base_variance: float
    """Of the base's mean."""

    base_degrees: int
    covariance: float
    """Of the base's mean with the difference."""

    count: int
    """Of the independent observations in all."""

    least: int
    """Of the independent observations in the smaller group."""

    chance: float
    """p of the exact permutation test where the groups do not vary and differ."""

    is_pooled: bool = False
    """Whether each group was given the variance of both; else only a smaller one that does not vary is."""


class _Group(msgspec.Struct, frozen=True):
    mean: Fraction
    variance: float
    """Of the mean."""

    count: int


def means_of_samples(base: Sample, other: Sample) -> Means:
    """Welch's: each request counts, and each group has its own variance."""
    return _unpaired(*_groups_of(base, other))


def cautious_means_of_samples(base: Sample, other: Sample) -> Means:
    """The same with the greater of Welch's and Student's variance, for many groups of any size.

    Where one score in two hundred is far from the others, a small group without any of them has a small
    variance, and differs by Welch's from a large group of the same kind as if by more than chance.
    """
    groups = _groups_of(base, other)
    separate, pooled = _separate(*groups), _pooled(*groups)
    return _unpaired(*groups, is_pooled=sum(pooled[:2]) > sum(separate[:2]))


def _groups_of(base: Sample, other: Sample) -> tuple[_Group, _Group]:
    first, second = (_Group(_mean(s), (s.variance or 0.0) / s.count, s.count) for s in (base, other))
    return first, second


def means_of_units(base: UnitSums, other: UnitSums) -> Means:
    """Of units that may have many scores each: the ratio estimator's variance between units."""
    return _unpaired(*(_Group(Fraction(u.sum, u.count), unit_variance(u), u.units) for u in (base, other)))


def unit_variance(units: UnitSums) -> float:
    """The variance of the mean of one group, 0 of a single unit."""
    if units.units < _LEAST:
        return 0.0
    squares = units.count**2 * units.sum_squares
    squares += units.sum**2 * units.count_squares - 2 * units.sum * units.count * units.products
    return float(Fraction(units.units * squares, (units.units - 1) * units.count**4))


def means_with_covariate(base: CovariateSums, other: CovariateSums) -> Means | None:
    """CUPED's: the difference that is left where the covariate is alike, by the slope within the groups.

    None where the covariate does not vary within any group, or a group has none.
    """
    if not base.count or not other.count:
        return None
    total = _within(base.count, base.x, base.x, base.xx) + _within(other.count, other.x, other.x, other.xx)
    if not total:
        return None
    slope = _within(base.count, base.x, base.y, base.xy) + _within(other.count, other.x, other.y, other.xy)
    slope /= total
    groups = [_Group(_at_0(s, slope), _residual(s, slope), s.count) for s in (base, other)]
    n, degrees = base.count, max(base.count - 1, 1)
    spread = _within(n, base.y, base.y, base.yy)
    shared = spread - slope * _within(n, base.x, base.y, base.xy)
    return msgspec.structs.replace(
        _unpaired(*groups),
        base=Fraction(base.y, n),
        base_variance=float(spread / (degrees * n)),
        covariance=-float(shared / (degrees * n)),
    )


def _within(count: int, x: int | Fraction, y: int | Fraction, xy: int | Fraction) -> Fraction:
    """The sum of products of deviations from the means."""
    return Fraction(xy) - Fraction(x * y) / count


def _at_0(sums: CovariateSums, slope: Fraction) -> Fraction:
    return (sums.y - slope * sums.x) / sums.count


def _residual(sums: CovariateSums, slope: Fraction) -> float:
    """The variance of the mean that the covariate leaves."""
    n = sums.count
    if n < _LEAST:
        return 0.0
    squares = _within(n, sums.y, sums.y, sums.yy) - 2 * slope * _within(n, sums.x, sums.y, sums.xy)
    squares += slope**2 * _within(n, sums.x, sums.x, sums.xx)
    return float(squares / (n * (n - 1)))


def means_of_pairs(sums: PairSums) -> Means:
    """Of the same items in both groups, at least one, by the differences within them."""
    n, degrees = sums.count, max(sums.count - 1, 1)
    with_difference = (sums.yy - sums.xx - sums.dd) / 2
    difference = sums.y - sums.x
    return Means(
        base=sums.x / n,
        difference=difference / n,
        variance=float(_within(n, difference, difference, sums.dd) / (degrees * n)),
        degrees=degrees,
        base_variance=float(_within(n, sums.x, sums.x, sums.xx) / (degrees * n)),
        base_degrees=degrees,
        covariance=float(_within(n, sums.x, difference, with_difference) / (degrees * n)),
        count=n,
        least=n,
        chance=2.0 ** (1 - n),
    )


def _unpaired(base: _Group, other: _Group, *, is_pooled: bool = False) -> Means:
    is_pooled = is_pooled or _is_smaller_constant(base, other)
    a, b, degrees = _pooled(base, other) if is_pooled else _separate(base, other)
    chance = exp(min(0.0, log(2) - log_choose(base.count + other.count, base.count)))
    return Means(
        base=base.mean,
        difference=other.mean - base.mean,
        variance=a + b,
        degrees=degrees,
        base_variance=a,
        base_degrees=base.count - 1,
        covariance=-a,
        count=base.count + other.count,
        least=min(base.count, other.count),
        chance=chance,
        is_pooled=is_pooled,
    )


def _is_smaller_constant(base: _Group, other: _Group) -> bool:
    """Whether one group does not vary and is smaller than the other, which does.

    Ten scores of 100 are likely where one in twenty is 0. With a variance of 0 they would differ from 300 of
    the same kind in 0.60 of experiments.
    """
    small, large = sorted((base, other), key=lambda group: group.count)
    return small.count < large.count and not small.variance and bool(large.variance)


def _separate(base: _Group, other: _Group) -> tuple[float, float, float]:
    """Welch's: the variances of the means, and degrees of freedom."""
    a, b = base.variance, other.variance
    inverse = a**2 / max(base.count - 1, 1) + b**2 / max(other.count - 1, 1)
    return a, b, (a + b) ** 2 / inverse if inverse else 0.0


def _pooled(base: _Group, other: _Group) -> tuple[float, float, float]:
    """Student's: the same with one variance for both groups."""
    n, m = base.count, other.count
    degrees = n + m - 2
    squares = base.variance * n * (n - 1) + other.variance * m * (m - 1)
    return squares / degrees / n, squares / degrees / m, degrees


def _mean(sample: Sample) -> Fraction:
    return Fraction(sample.sum) / sample.count


def estimate_difference(means: Means, question: Question) -> Estimate:
    """Estimate the difference for one look, or for all looks where the question has a tuning."""
    difference = float(means.difference)
    if means.least < (_LEAST_FOR_LOOKS if question.tuning else _LEAST):
        return Bare(difference, None, "tooFew")
    if not means.variance:
        chance = None if question.tuning else means.chance
        return Bare(difference, chance if means.difference else 1.0, "noVariance")
    if question.tuning:
        rho2 = rho_squared(question.tuning, 1 - question.confidence)
        return AlwaysValid(difference, means.variance, means.count, rho2)
    return Student(difference, means.variance, means.degrees)
