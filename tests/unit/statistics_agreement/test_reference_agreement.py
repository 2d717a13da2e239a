"""A judge is measured by a reference as scikit-learn measures a classifier."""

from __future__ import annotations

import warnings
from random import Random

import pytest
from heliscore.domain.statistics.interval import wilson
from heliscore.domain.statistics.jackknife import Coefficient
from heliscore.domain.statistics.reference_agreement import COEFFICIENTS, Outcomes, against_reference
from hypothesis import assume, given, settings
from sklearn import metrics

from tests.unit.statistics_agreement.tables import observations, small_values, table_of


@given(observations(small_values))
@settings(max_examples=40, deadline=None)
def test_coefficients_equal_those_of_sklearn(pairs: list[tuple[int, int]]) -> None:
    reference, judge = [x > 1 for x, _ in pairs], [y > 1 for _, y in pairs]
    assume(len({*reference}) == len({*judge}) == 2)
    found = against_reference(
        table_of(pairs), positive=lambda value: value > 1, reference_is_first=True, confidence=0.95
    ).coefficients
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "precision": metrics.precision_score(reference, judge),
            "recall": metrics.recall_score(reference, judge),
            "trueNegativeRate": metrics.recall_score(reference, judge, pos_label=False),
            "f1": metrics.f1_score(reference, judge),
            "balancedAccuracy": metrics.balanced_accuracy_score(reference, judge),
            "matthewsCorrelation": metrics.matthews_corrcoef(reference, judge),
            "cohenKappa": metrics.cohen_kappa_score(reference, judge),
        }
    assert {name: found[name].value for name in expected} == pytest.approx(expected, abs=1e-12)


def test_the_reference_may_be_second() -> None:
    table = {(1, 1): 40, (1, 0): 7, (0, 0): 30, (0, 1): 3}
    turned = {(y, x): count for (x, y), count in table.items()}
    first = against_reference(table, positive=bool, reference_is_first=True, confidence=0.95)
    assert first == against_reference(turned, positive=bool, reference_is_first=False, confidence=0.95)
    assert first.outcomes == Outcomes(40, 3, 7, 30)
    assert first.coefficients["precision"] == Coefficient(40 / 43, wilson(40, 43, 0.95))
    assert first.coefficients["recall"] == Coefficient(40 / 47, wilson(40, 47, 0.95))
    assert first.coefficients["trueNegativeRate"] == Coefficient(30 / 33, wilson(30, 33, 0.95))


def test_the_share_of_positives_is_corrected_for_the_errors_of_the_judge() -> None:
    table = {(1, 1): 80, (1, 0): 20, (0, 0): 90, (0, 1): 10}
    of_all = against_reference(
        table, positive=bool, reference_is_first=True, confidence=0.95, judged=(450, 1000)
    ).coefficients["correctedShare"]
    assert of_all.value == pytest.approx((0.45 + 0.9 - 1) / 0.7)
    of_table = against_reference(table, positive=bool, reference_is_first=True, confidence=0.95)
    assert of_table.coefficients["correctedShare"] == Coefficient(0.5, wilson(100, 200, 0.95))


def test_the_interval_of_the_corrected_share_holds_the_true_one() -> None:
    random, true, draws, hits = Random(3), 0.3, 300, 0
    for _ in range(draws):
        labelled = table_of([judged(random, true) for _ in range(100)])
        positives = sum(judge for _, judge in (judged(random, true) for _ in range(300)))
        share = against_reference(
            labelled, positive=bool, reference_is_first=True, confidence=0.95, judged=(positives, 300)
        ).coefficients["correctedShare"]
        assert share.interval is not None
        hits += share.interval.low <= true <= share.interval.high
    assert 0.93 <= hits / draws <= 0.98


def judged(random: Random, share: float) -> tuple[int, int]:
    """A request that is positive by that share, which the judge finds in 9 of 10 cases."""
    positive = random.random() < share
    return int(positive), int(positive == (random.random() < 0.9))


@pytest.mark.parametrize(
    ("table", "reasons"),
    [
        ({}, dict.fromkeys(COEFFICIENTS, "noPairs")),
        (
            {(1, 1): 60},
            {
                "precision": None,
                "recall": None,
                "trueNegativeRate": "noSuchRequests",
                "f1": "perfect",
                "balancedAccuracy": "constantRater",
                "matthewsCorrelation": "constantRater",
                "cohenKappa": "oneValueOnly",
                "correctedShare": "constantRater",
            },
        ),
        (
            {(1, 0): 30, (0, 1): 30},
            {
                "precision": None,
                "recall": None,
                "trueNegativeRate": None,
                "f1": "noVariance",
                "balancedAccuracy": "noVariance",
                "matthewsCorrelation": "perfect",
                "cohenKappa": "perfect",
                "correctedShare": "notBetterThanChance",
            },
        ),
    ],
)
def test_data_without_an_answer_gets_a_reason(
    table: dict[tuple[int, int], int], reasons: dict[str, str | None]
) -> None:
    found = against_reference(table, positive=bool, reference_is_first=True, confidence=0.95)
    assert {name: one.reason for name, one in found.coefficients.items()} == reasons


def test_calibration_says_the_reference_of_each_value_of_the_judge() -> None:
    table = {(1, 5): 8, (0, 5): 2, (1, 3): 4, (0, 3): 4, (0, 1): 7}
    found = against_reference(
        table,
        positive=bool,
        judge_positive=bool,
        reference_is_first=True,
        confidence=0.95,
    ).calibration
    assert [(one.low, one.high, one.count, one.mean, one.share) for one in found] == [
        (1, 1, 7, 0.0, Coefficient(0.0, wilson(0, 7, 0.95))),
        (3, 3, 8, 0.5, Coefficient(0.5, wilson(4, 8, 0.95))),
        (5, 5, 10, 0.8, Coefficient(0.8, wilson(8, 10, 0.95))),
    ]


def test_calibration_has_at_most_25_ranges() -> None:
    table = {(value // 50, value): 1 for value in range(100)}
    found = against_reference(
        table,
        positive=bool,
        judge_positive=bool,
        reference_is_first=True,
        confidence=0.95,
    ).calibration
    assert [(one.low, one.high, one.count) for one in found] == [
        (low, low + 4, 5) for low in range(0, 100, 5)
    ]
