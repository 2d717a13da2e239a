"""The distributions that intervals and p values come from, against scipy."""

from __future__ import annotations

import pytest
import scipy.stats
from heliscore.domain.statistics.distributions import (
    binomial_half_cdf,
    chi_square_tail,
    t_quantile,
    t_two_sided,
)

DEGREES = (1, 1.0001, 1.5, 2, 3, 4.5, 9, 30, 100, 1999, 2001, 1e4, 1e5, 9e5, 3e6, 1e9)


@pytest.mark.parametrize("degrees", DEGREES)
def test_t_is_scipys(degrees: float) -> None:
    for t in (0, 1e-6, 0.1, 0.5, 1, 2, 5, 10, 37):
        assert t_two_sided(t, degrees) == pytest.approx(2 * scipy.stats.t.sf(t, degrees), rel=2e-8)


@pytest.mark.parametrize("degrees", DEGREES)
def test_quantile_of_t_is_scipys(degrees: float) -> None:
    for probability in (0.5001, 0.6, 0.75, 0.9, 0.975, 0.995, 0.9999, 1 - 1e-8, 1 - 1e-12):
        expected = scipy.stats.t.isf(1 - probability, degrees)
        assert t_quantile(probability, degrees) == pytest.approx(expected, rel=1e-9)


def test_chi_square_is_scipys() -> None:
    for degrees in range(1, 12):
        for value in (0, 1e-9, 0.3, 1, 5, 20, 100, 1000):
            expected = scipy.stats.chi2.sf(value, degrees)
            assert chi_square_tail(value, degrees) == pytest.approx(expected, rel=1e-12)


def test_coin_tosses_are_scipys() -> None:
    for trials in (1, 2, 7, 40, 1001):
        for heads in range(0, trials + 1, max(1, trials // 9)):
            expected = scipy.stats.binom.cdf(heads, trials, 0.5)
            assert binomial_half_cdf(heads, trials) == pytest.approx(expected, rel=1e-11)
