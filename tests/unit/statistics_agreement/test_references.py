"""Each coefficient equals that of the library that is the reference for it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from random import Random

import krippendorff
import numpy as np
import pytest
from heliscore.domain.statistics.many_raters import agree_many
from heliscore.domain.statistics.pair_tables import Level
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics
from statsmodels.stats import inter_rater
from statsmodels.stats.proportion import proportion_confint

from tests.unit.statistics_agreement.tables import (
    TOLERANCE,
    all_coefficients,
    any_values,
    observations,
    small_values,
    table_of,
)

Observations = list[tuple[int, int]]

quick = settings(max_examples=30, deadline=None)
LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval")


def value(pairs: Observations, name: str, level: Level = "ordinal") -> float | None:
    return all_coefficients(table_of(pairs), level)[name].value


def columns(pairs: Observations) -> tuple[list[int], list[int]]:
    return [x for x, _ in pairs], [y for _, y in pairs]


def differ(pairs: Observations) -> bool:
    return len({value for pair in pairs for value in pair}) > 1


@pytest.fixture(autouse=True)
def _no_noise() -> None:
    """The references warn of divisions by 0 and of rounding."""
    warnings.simplefilter("ignore")


@given(observations(any_values))
@quick
def test_kappas_equal_those_of_sklearn(pairs: Observations) -> None:
    assume(differ(pairs))
    x, y = columns(pairs)
    places = {value: place for place, value in enumerate(sorted({*x, *y}))}
    # It weighs places, not values: the weighted kappas are compared where both are the same.
    even = [(places[a], places[b]) for a, b in pairs]
    x, y = columns(even)
    assert value(pairs, "cohenKappa") == pytest.approx(metrics.cohen_kappa_score(x, y), abs=1e-12)
    for name, weights in (("linearKappa", "linear"), ("quadraticKappa", "quadratic")):
        found = value(even, name)
        assert found == pytest.approx(metrics.cohen_kappa_score(x, y, weights=weights), abs=1e-12)


@given(observations(small_values))
@quick
def test_kappas_equal_those_of_statsmodels(pairs: Observations) -> None:
    assume(differ(pairs))
    values = sorted({value for pair in pairs for value in pair})
    places = {value: place for place, value in enumerate(values)}
    square = np.zeros((len(values), len(values)))
    for x, y in pairs:
        square[places[x], places[y]] += 1
    assert value(pairs, "cohenKappa") == pytest.approx(
        inter_rater.cohens_kappa(square, return_results=False), abs=1e-12
    )
    weights = np.array(values)
    for name, kind, scores in (("linearKappa", "linear", weights), ("quadraticKappa", "quadratic", weights)):
        distances = np.abs(scores[:, None] - scores) ** (1 if kind == "linear" else 2)
        expected = inter_rater.cohens_kappa(square, weights=distances, return_results=False)
        assert value(pairs, name) == pytest.approx(expected, abs=1e-12)
    counted, _ = inter_rater.aggregate_raters(np.array(pairs))
    assert value(pairs, "fleissKappa") == pytest.approx(inter_rater.fleiss_kappa(counted), abs=1e-12)


@given(observations(small_values), st.sampled_from(LEVELS))
@quick
def test_alpha_of_two_raters_equals_that_of_krippendorff(pairs: Observations, level: Level) -> None:
    assume(differ(pairs))
    expected = krippendorff.alpha(np.array(pairs, float).T, level_of_measurement=level)
    assert value(pairs, "krippendorffAlpha", level) == pytest.approx(expected, abs=1e-11)


@given(
    st.integers(3, 5), st.integers(2, 60), st.integers(1, 11), st.sampled_from(LEVELS), st.integers(0, 2**32)
)
@quick
def test_alpha_of_many_raters_equals_that_of_krippendorff(
    raters: int, count: int, highest: int, level: Level, seed: int
) -> None:
    items = ratings(Random(seed), raters, count, highest, missing=0.25)
    usable = [item for item in items if sum(value is not None for value in item) > 1]
    assume(len({value for item in usable for value in item if value is not None}) > 1)
    data = np.array([[np.nan if value is None else value for value in item] for item in items], float).T
    agreement = agree_many(counted(items), level=level, confidence=0.95, folds=None)
    expected = krippendorff.alpha(data, level_of_measurement=level)
    assert agreement.coefficients["krippendorffAlpha"].value == pytest.approx(expected, abs=1e-11)
    assert agreement.count == len(usable)


@given(st.integers(3, 5), st.integers(2, 60), st.integers(1, 11), st.integers(0, 2**32))
@quick
def test_fleiss_kappa_of_many_raters_equals_that_of_statsmodels(
    raters: int, count: int, highest: int, seed: int
) -> None:
    items = ratings(Random(seed), raters, count, highest, missing=0)
    assume(len({value for item in items for value in item}) > 1)
    table, _ = inter_rater.aggregate_raters(np.array(items))
    agreement = agree_many(counted(items), level="ordinal", confidence=0.95, folds=None)
    assert agreement.coefficients["fleissKappa"].value == pytest.approx(
        inter_rater.fleiss_kappa(table), abs=1e-12
    )
    equal = sum(len({*item}) == 1 for item in items)
    assert agreement.coefficients["allEqual"].value == equal / count


def ratings(
    random: Random, raters: int, count: int, highest: int, missing: float
) -> list[tuple[int | None, ...]]:
    items = []
    for _ in range(count):
        true = random.randint(0, highest)
        item = [true if random.random() < 0.6 else random.randint(0, highest) for _ in range(raters)]
        items.append(tuple(None if random.random() < missing else value for value in item))
    return items


def counted(items: list[tuple[int | None, ...]]) -> dict[tuple[int | None, ...], int]:
    return {item: items.count(item) for item in items}


@pytest.mark.parametrize(
    ("name", "reference"),
    [("spearman", stats.spearmanr), ("kendallTauB", stats.kendalltau), ("pearson", stats.pearsonr)],
)
def test_correlations_equal_those_of_scipy(
    name: str, reference: Callable[[list[int], list[int]], tuple[float, float]]
) -> None:
    @given(observations(small_values if name == "pearson" else any_values))
    @quick
    def check(pairs: Observations) -> None:
        x, y = columns(pairs)
        assume(len({*x}) > 1 and len({*y}) > 1)
        assert value(pairs, name) == pytest.approx(reference(x, y)[0], abs=1e-12)

    check()


@given(observations(any_values))
@quick
def test_errors_equal_those_of_numpy(pairs: Observations) -> None:
    x, y = (np.array(column, float) for column in columns(pairs))
    expected = {
        "observedAgreement": np.mean([a == b for a, b in pairs]),
        "withinTolerance": np.mean([abs(a - b) <= TOLERANCE for a, b in pairs]),
        "meanAbsoluteError": np.mean(np.abs(x - y)),
        "rootMeanSquareError": np.sqrt(np.mean((x - y) ** 2)),
        "bias": np.mean(x - y),
    }
    scale = float(np.max(np.abs(x - y)))
    for name, number in expected.items():
        assert value(pairs, name) == pytest.approx(number, rel=1e-9, abs=1e-9 * max(scale, 1))


@given(observations(small_values))
@quick
def test_intervals_of_bias_and_agreement_are_the_usual_ones(pairs: Observations) -> None:
    found = all_coefficients(table_of(pairs))
    differences = np.array([x - y for x, y in pairs], float)
    n, sd = len(pairs), float(np.std(differences, ddof=1))
    limits = found["limitsOfAgreement"]
    assert limits.interval is not None
    middle = float(np.mean(differences))
    expected = pytest.approx((middle - 1.96 * sd, middle + 1.96 * sd), abs=1e-9)
    assert (limits.interval.low, limits.interval.high) == expected
    if sd:
        low, high = stats.t.interval(0.95, n - 1, middle, sd / np.sqrt(n))
        interval = found["bias"].interval
        assert interval is not None
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-7)
    agreement = found["observedAgreement"].interval
    assert agreement is not None
    low, high = proportion_confint(sum(x == y for x, y in pairs), n, method="wilson")
    assert (agreement.low, agreement.high) == pytest.approx((low, high), abs=1e-12)


def test_ac1_equals_its_formula_on_published_data() -> None:
    """Gwet, Handbook of Inter-Rater Reliability: of 125 cases, two raters find 118 positive alike."""
    table = {(1, 1): 118, (1, 0): 5, (0, 1): 2, (0, 0): 0}
    found = all_coefficients(table, "nominal")
    positive = (123 + 120) / 250
    chance = 2 * positive * (1 - positive)
    assert found["gwetAC1"].value == pytest.approx((118 / 125 - chance) / (1 - chance), abs=1e-15)
    assert found["gwetAC1"].value == pytest.approx(0.9408, abs=5e-5)
    assert found["cohenKappa"].value == pytest.approx(-0.0234, abs=5e-5)
