"""Confidence intervals against published examples and tables."""

from __future__ import annotations

import statistics

import pytest
from heliscore.domain.statistics.arms import compare_arms
from heliscore.domain.statistics.compared import Arm, Question
from heliscore.domain.statistics.interval import Interval
from heliscore.domain.statistics.samples import Sample


def interval_of(base: Sample, other: Sample, question: Question) -> Interval | None:
    return compare_arms(Arm(sample=base), Arm(sample=other), question).interval


def sample(*values: int) -> Sample:
    return Sample(len(values), sum(values), sum(value * value for value in values))


A = sample(275, 219, 208, 238, 206, 197, 240, 230, 228, 212, 241, 237, 235, 245, 212)
B = sample(282, 227, 239, 241, 249, 256, 214, 239, 233, 201, 245, 250, 251, 228, 252)


def test_deviation_is_the_samples() -> None:
    values = (-3, 5, 5, 90, 2**62)
    assert sample(*values).deviation == pytest.approx(statistics.stdev(values), rel=1e-12)
    assert sample(2**62, 2**62, 2**62 + 1).variance == pytest.approx(1 / 3)
    assert sample(4).deviation is None


def test_interval_of_means_is_welchs() -> None:
    # By the definition, with t(27.9528, 0.975) = 2.048563 from the integral of its density.
    found = interval_of(A, B, Question(measure="mean"))
    assert found is not None
    assert (found.low, found.high) == pytest.approx((-2.24101, 26.77434), abs=1e-4)


@pytest.mark.parametrize(
    ("base", "other", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998), table II, method 10.
        ((48, 80), (56, 70), 0.0524, 0.3339),
        ((3, 10), (9, 10), 0.1705, 0.8090),
        ((2, 7), (6, 7), 0.0582, 0.8062),
        ((0, 29), (5, 56), -0.0381, 0.1926),
        ((0, 20), (0, 10), -0.1611, 0.2775),
        ((0, 10), (10, 10), 0.6075, 1.0),
    ],
)
def test_interval_of_shares_is_newcombes(
    base: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    a, b = (Sample(count, true, true) for true, count in (base, other))
    found = interval_of(a, b, Question(measure="share"))
    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)
