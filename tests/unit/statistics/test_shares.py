"""Differences of shares, and ranks, against scipy and statsmodels."""

from __future__ import annotations

from random import Random

import pytest
import scipy.stats
from heliscore.domain.statistics.arms import compare_arms, measure_of
from heliscore.domain.statistics.compared import Arm, Pairs, Question
from heliscore.domain.statistics.paired import compare_pairs
from heliscore.domain.statistics.samples import Sample
from heliscore.domain.statistics.single_groups import interval_of_share, sample_ratio_p
from heliscore.domain.statistics.superiority import superiority_of
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint, proportion_effectsize

from .tables import ends, random_shares, random_tables, shares, spread_out

SHARE = Question(measure="share")


def test_newcombe_is_statsmodels() -> None:
    for a, n, b, m in random_shares(300, seed=1):
        found = compare_arms(shares(a, n), shares(b, m), SHARE)
        expected = confint_proportions_2indep(b, m, a, n, method="newcomb", compare="diff")
        assert found.method == "newcombe"
        assert found.interval is not None
        assert ends(found.interval) == pytest.approx(expected, abs=1e-14)


def test_p_of_newcombe_is_where_its_interval_touches_0() -> None:
    for a, n, b, m in random_shares(100, seed=2):
        found = compare_arms(shares(a, n), shares(b, m), SHARE)
        assert found.p is not None
        if found.p == 1 or found.p < 1e-12:
            continue
        assert found.basis is not None
        touching = found.basis.estimate.interval(1 - found.p)
        assert touching is not None
        assert min(abs(touching.low), abs(touching.high)) < 1e-6
        assert found.interval is not None
        assert (found.p < 0.05) == (found.interval.low > 0 or found.interval.high < 0)


def test_interval_of_one_share_is_statsmodels_wilson() -> None:
    for true, count, _, _ in random_shares(50, seed=3):
        found = interval_of_share(Sample(count, true, true), 0.95)
        assert ends(found) == pytest.approx(proportion_confint(true, count, method="wilson"), abs=1e-14)


def test_mcnemar_is_statsmodels() -> None:
    random = Random(4)
    for _ in range(200):
        table = [random.randint(0, 30) for _ in range(4)]
        both, losses, gains, neither = table
        pairs = {(1, 1, 1, 1): both, (1, 1, 0, 1): losses, (0, 1, 1, 1): gains, (0, 1, 0, 1): neither}
        if sum(table) < 2:
            continue
        found = compare_pairs(Pairs(items={pair: k for pair, k in pairs.items() if k}), SHARE)
        expected = mcnemar([[both, losses], [gains, neither]], exact=True).pvalue if losses + gains else 1
        assert found.method == "mcnemar"
        assert found.p == pytest.approx(expected, rel=1e-10)
        assert found.difference == pytest.approx((gains - losses) / sum(table))


def test_interval_of_paired_shares_is_bonett_and_prices() -> None:
    # Computed by hand from the formula: n 100, gains 20, losses 8.
    items = {(1, 1, 1, 1): 50, (1, 1, 0, 1): 8, (0, 1, 1, 1): 20, (0, 1, 0, 1): 22}
    found = compare_pairs(Pairs(items=items), SHARE)
    middle, margin = 12 / 102, 1.959963984540054 * ((30 / 102 - (12 / 102) ** 2) / 102) ** 0.5
    assert found.interval is not None
    assert ends(found.interval) == pytest.approx((middle - margin, middle + margin))


def test_effect_of_shares_is_statsmodels() -> None:
    for a, n, b, m in random_shares(50, seed=5):
        found = compare_arms(shares(a, n), shares(b, m), SHARE).effect
        assert found is not None
        assert found.name == "h"
        assert found.value == pytest.approx(proportion_effectsize(b / m, a / n))


def test_effect_of_means_is_hedges() -> None:
    # By the definition: deviations 2 and 4 of five and ten values, difference 3.
    base, other = Sample(5, 0, 16), Sample(10, 30, 90 + 144)
    found = compare_arms(Arm(sample=base), Arm(sample=other), Question(measure="mean")).effect
    pooled = ((4 * 4 + 9 * 16) / 13) ** 0.5
    assert found is not None
    assert found.value == pytest.approx(3 / pooled * (1 - 3 / 51))
    margin = 1.959963984540054 * (15 / 50 + found.value**2 / 30) ** 0.5
    assert ends(found.interval) == pytest.approx((found.value - margin, found.value + margin))


def test_superiority_is_mann_whitneys() -> None:
    for base, other in random_tables(200, seed=6):
        found = superiority_of(base, other)
        if len({*base, *other}) == 1:
            assert (found.value, found.p) == (0.5, None)
            continue
        expected = scipy.stats.mannwhitneyu(
            spread_out(other), spread_out(base), method="asymptotic", use_continuity=False
        )
        pairs = sum(base.values()) * sum(other.values())
        assert found.value == pytest.approx(expected.statistic / pairs, rel=1e-12)
        assert found.p == pytest.approx(expected.pvalue, rel=1e-9)


def test_superiority_of_pairs_counts_items_with_half_of_the_equal_ones() -> None:
    items = {(5, 1, 7, 1): 3, (5, 1, 5, 1): 2, (10, 2, 4, 1): 1}
    found = compare_pairs(Pairs(items=items), Question(measure="mean"))
    assert (found.superiority, found.superiority_p) == pytest.approx(
        (4 / 6, scipy.stats.binomtest(1, 4).pvalue)
    )


def test_measure_is_a_share_only_where_all_values_are_0_or_1() -> None:
    tables = [{0: 3, 1: 4}, {1: 2}, {0: 1, 1: 1, 2: 1}, {-1: 1, 1: 1}, {5: 2}]
    assert [measure_of([Sample.of(table)]) for table in tables] == ["share", "share", "mean", "mean", "mean"]
    assert measure_of([Sample.of({0: 1, 1: 2}), Sample.of({1: 1, 7: 1})]) == "mean"
    assert measure_of([]) == "mean"


def test_sample_ratio_is_scipys() -> None:
    random = Random(7)
    for _ in range(50):
        observed = [random.randint(0, 300) for _ in range(random.randint(2, 6))]
        weights = [random.randint(1, 5) for _ in observed]
        if not sum(observed):
            continue
        expected = [sum(observed) * weight / sum(weights) for weight in weights]
        found = sample_ratio_p(observed, [weight / sum(weights) for weight in weights])
        assert found == pytest.approx(scipy.stats.chisquare(observed, expected).pvalue, rel=1e-9)
    assert sample_ratio_p([0, 0], [0.5, 0.5]) is None
