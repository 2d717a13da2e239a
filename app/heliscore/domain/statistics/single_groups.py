"""One group's mean, share and size against a number that was expected."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import sqrt

from heliscore.domain.statistics.compared import UnitSums
from heliscore.domain.statistics.distributions import chi_square_tail, t_quantile
from heliscore.domain.statistics.interval import Interval, wilson
from heliscore.domain.statistics.means import unit_variance
from heliscore.domain.statistics.samples import Sample


def interval_of_mean(sample: Sample, confidence: float) -> Interval | None:
    """Student's interval of the mean; None for a single value and where all are equal."""
    if not sample.variance:
        return None
    margin = t_quantile((1 + confidence) / 2, sample.count - 1) * sqrt(sample.variance / sample.count)
    return Interval(sample.mean - margin, sample.mean + margin)


def interval_of_share(sample: Sample, confidence: float) -> Interval:
    """Wilson's interval of values that are 0 or 1."""
    return wilson(int(sample.sum), sample.count, confidence)


def interval_of_units(units: UnitSums, confidence: float) -> Interval | None:
    """Student's interval of the mean of scores of which those of one unit depend on each other; None for a
    single unit and where all units are equal."""
    variance = unit_variance(units)
    if not variance:
        return None
    mean = float(Fraction(units.sum, units.count))
    margin = t_quantile((1 + confidence) / 2, units.units - 1) * sqrt(variance)
    return Interval(mean - margin, mean + margin)


def sample_ratio_p(observed: Sequence[int], expected_shares: Sequence[float]) -> float | None:
    """Test the groups' sizes against the proportions in which requests should come (chi-square).

    Below 0.001 the groups were hardly filled as they should be, and their comparison may be biased. None
    without requests. Proportions are above 0; they need not add up to 1.
    """
    total, whole = sum(observed), sum(expected_shares)
    if not total:
        return None
    expected = [total * share / whole for share in expected_shares]
    distance = sum((count - wanted) ** 2 / wanted for count, wanted in zip(observed, expected, strict=True))
    return chi_square_tail(distance, len(expected) - 1)
