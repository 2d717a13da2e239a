"""Differences of means against scipy and statsmodels, on random tables."""

from __future__ import annotations

import warnings
from collections import defaultdict
from fractions import Fraction
from random import Random

import numpy as np
import pytest
import scipy.stats
import statsmodels.api
from heliscore.domain.statistics.arms import compare_arms
from heliscore.domain.statistics.compared import Arm, CovariateSums, Pairs, Question, UnitSums
from heliscore.domain.statistics.estimates import Student
from heliscore.domain.statistics.paired import compare_pairs, sum_pairs
from heliscore.domain.statistics.samples import Sample, percentile
from heliscore.domain.statistics.single_groups import interval_of_mean

from .tables import arm_of, ends, random_items, random_tables, spread_out

MEAN = Question(measure="mean")


def test_welch_is_scipys() -> None:
    random = Random(2)
    for base, other in random_tables(300, seed=1):
        confidence = random.choice((0.8, 0.95, 0.999))
        found = compare_arms(arm_of(base), arm_of(other), Question(measure="mean", confidence=confidence))
        if len(base) == len(other) == 1:
            continue  # Degenerate: a case of its own.
        with warnings.catch_warnings(action="ignore"):  # One constant group makes scipy fear for its digits.
            least = min(base)  # Near 0, doubles lose nothing.
            values = (spread_out(other) - least, spread_out(base) - least)
            expected = scipy.stats.ttest_ind(*values, equal_var="pooledVariance" in found.warnings)
        interval = expected.confidence_interval(confidence)
        assert found.method == "welch"
        assert found.interval is not None
        width = interval.high - interval.low
        assert found.interval.low == pytest.approx(interval.low, abs=1e-9 * width)
        assert found.interval.high == pytest.approx(interval.high, abs=1e-9 * width)
        assert found.p == pytest.approx(expected.pvalue, rel=1e-8, abs=1e-290)
        assert found.p is not None
        assert (found.p < 1 - confidence) == (found.interval.low > 0 or found.interval.high < 0)


def test_summary_is_numpys() -> None:
    for base, other in random_tables(50, seed=3):
        found = compare_arms(arm_of(base), arm_of(other), MEAN).base
        values = spread_out(base)
        assert (found.n, found.sum) == (len(values), values.sum())
        assert found.mean == pytest.approx(values.mean())
        assert found.sd == pytest.approx(values.std(ddof=1), rel=1e-6)


def test_interval_of_one_mean_is_scipys() -> None:
    for (table,) in random_tables(50, seed=4, groups=1):
        found = interval_of_mean(Sample.of(table), 0.9)
        if found is None:
            assert len(table) == 1
            continue
        values = spread_out(table)
        expected = scipy.stats.t.interval(0.9, len(values) - 1, values.mean(), scipy.stats.sem(values))
        assert ends(found) == pytest.approx(expected, rel=1e-8, abs=1e-8)


def test_paired_is_scipys_on_the_items_means() -> None:
    for items in random_items(200, seed=5, most=4):
        found = compare_pairs(Pairs(items=items), MEAN)
        x = [s / n for (s, n, _, _), k in items.items() for _ in range(k)]
        y = [s / n for (_, _, s, n), k in items.items() for _ in range(k)]
        if len(x) < 2 or np.ptp(np.subtract(y, x)) < 1e-9:
            continue
        expected = scipy.stats.ttest_rel(y, x)
        interval = expected.confidence_interval()
        assert (found.method, found.pairs) == ("paired", len(x))
        assert found.interval is not None
        assert ends(found.interval) == pytest.approx(ends(interval), rel=1e-8, abs=1e-9)
        assert found.p == pytest.approx(expected.pvalue, rel=1e-8)


def test_pairs_are_the_same_from_sums() -> None:
    for items in random_items(30, seed=6, most=3):
        whole = compare_pairs(Pairs(items=items), MEAN)
        sums = compare_pairs(Pairs(items=None, sums=sum_pairs(items)), MEAN)
        assert (sums.interval, sums.p, sums.effect) == (whole.interval, whole.p, whole.effect)
        assert (sums.base, sums.lift_interval) == (whole.base, whole.lift_interval)
        assert sums.superiority is None
        assert sums.reasons["superiority"] == "tooManyValues"


def unit_sums(units: dict[int, list[int]]) -> UnitSums:
    n = [len(values) for values in units.values()]
    s = [sum(values) for values in units.values()]
    return UnitSums(
        units=len(units),
        count=sum(n),
        sum=sum(s),
        sum_squares=sum(one * one for one in s),
        products=sum(one * count for one, count in zip(s, n, strict=True)),
        count_squares=sum(count * count for count in n),
    )


def test_units_are_statsmodels_clusters() -> None:
    random = Random(7)
    for _ in range(60):
        groups = []
        for _ in range(2):
            units: dict[int, list[int]] = defaultdict(list)
            for _ in range(random.randint(5, 80)):
                unit = random.randrange(random.randint(2, 12))
                units[unit].append(7 * unit + random.randint(0, 30))
            groups.append(units)
        if min(len(units) for units in groups) < 2:
            continue
        variances = []
        for units in groups:
            values = [value for one in units.values() for value in one]
            clusters = [unit for unit, one in units.items() for _ in one]
            fit = statsmodels.api.OLS(values, np.ones(len(values))).fit(
                cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False}
            )
            variances.append(fit.cov_params()[0, 0] * len(units) / (len(units) - 1))
        a, b = variances
        arms = [
            Arm(sample=Sample(len(v), sum(v), sum(x * x for x in v)), units=unit_sums(units))
            for units in groups
            for v in [[value for one in units.values() for value in one]]
        ]
        found = compare_arms(arms[0], arms[1], MEAN)
        assert found.method == "clustered"
        assert found.basis is not None
        assert isinstance(found.basis.estimate, Student)
        assert found.basis.estimate.variance == pytest.approx(a + b, rel=1e-10)
        degrees = (a + b) ** 2 / (a**2 / (len(groups[0]) - 1) + b**2 / (len(groups[1]) - 1))
        assert found.basis.estimate.degrees == pytest.approx(degrees, rel=1e-10)


def test_units_of_one_request_are_welch() -> None:
    for base, other in random_tables(50, seed=8):
        if len(base) == len(other) == 1:
            continue
        arms = []
        for table in (base, other):
            values = [int(value) for value in spread_out(table)]
            arms.append(Arm(sample=Sample.of(table), units=unit_sums({i: [v] for i, v in enumerate(values)})))
        clustered, plain = (
            compare_arms(pair[0], pair[1], MEAN) for pair in (arms, [arm_of(base), arm_of(other)])
        )
        assert clustered.interval is not None
        assert plain.interval is not None
        assert clustered.interval.low == pytest.approx(plain.interval.low, rel=1e-9)
        assert clustered.p == pytest.approx(plain.p, rel=1e-9)


def covariate_sums(x: list[int], y: list[int]) -> CovariateSums:
    both = list(zip(x, y, strict=True))
    return CovariateSums(
        len(both), sum(x), sum(y), sum(a * a for a in x), sum(b * b for b in y), sum(a * b for a, b in both)
    )


def test_cuped_is_the_regression_on_group_and_covariate() -> None:
    random = Random(9)
    for _ in range(80):
        xs = [[random.randint(0, 50) for _ in range(random.randint(3, 60))] for _ in range(2)]
        ys = [[2 * x + random.randint(-20, 20) + 3 * group for x in xs[group]] for group in range(2)]
        arms = [
            Arm(sample=Sample(len(y), sum(y), sum(v * v for v in y)), covariate=covariate_sums(x, y))
            for x, y in zip(xs, ys, strict=True)
        ]
        found = compare_arms(arms[0], arms[1], MEAN)
        rows = [(1, group, x) for group in range(2) for x in xs[group]]
        fit = statsmodels.api.OLS(ys[0] + ys[1], np.array(rows)).fit()
        assert found.method == "cuped"
        assert found.difference == pytest.approx(fit.params[1], rel=1e-9, abs=1e-9)
        # Given the slope, it is Welch's interval of y - slope x.
        residuals = [np.subtract(y, fit.params[2] * np.array(x)) for x, y in zip(xs, ys, strict=True)]
        expected = scipy.stats.ttest_ind(residuals[1], residuals[0], equal_var=False)
        assert found.interval is not None
        assert ends(found.interval) == pytest.approx(
            tuple(expected.confidence_interval()), rel=1e-8, abs=1e-8
        )


def test_percentiles_are_numpys() -> None:
    for (table,) in random_tables(60, seed=10, groups=1):
        for share in (0, 0.1, 0.5, 0.9, 0.99, 1):
            assert percentile(table, share) == pytest.approx(np.percentile(spread_out(table), 100 * share))


def test_percentile_is_exact_where_doubles_are_not() -> None:
    assert percentile({2**53: 1, 2**53 + 1: 9, 2**53 + 2: 1}, 0.9) == float(2**53 + 1)
    assert percentile({5: 3}, 0.3) == 5
    with pytest.raises(ValueError, match="needs a value"):
        percentile({}, 0.5)


def test_sums_of_items_are_exact() -> None:
    sums = sum_pairs({(1, 3, 2, 1): 2, (0, 1, 1, 7): 1})
    assert (sums.count, sums.x, sums.y) == (3, Fraction(2, 3), 4 + Fraction(1, 7))
    assert sums.dd == 2 * Fraction(5, 3) ** 2 + Fraction(1, 49)
