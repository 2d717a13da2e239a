"""Comparisons as sentences: the numbers that they rest on, and no more digits than these have."""

from __future__ import annotations

import pytest
from heliscore.domain.statistics.arms import compare_arms, measure_of
from heliscore.domain.statistics.compared import Arm, Pairs, Question
from heliscore.domain.statistics.corrections import correct
from heliscore.domain.statistics.paired import compare_pairs
from heliscore.domain.statistics.samples import Counts, Sample
from heliscore.domain.statistics.wording import MINUS, decimals_for, describe


def sentence(base: Counts, other: Counts, *, of: int = 1, effect: float | None = None) -> str:
    """The comparison of two groups as one of so many alike."""
    samples = [Sample.of(counts) for counts in (base, other)]
    question = Question(measure=measure_of(samples), minimum_effect=effect)
    arms = [
        Arm(sample=sample, counts=counts, last_week=sample.count)
        for sample, counts in zip(samples, (base, other), strict=True)
    ]
    comparison = compare_arms(arms[0], arms[1], question)
    found = correct([comparison] * of, "holm", question.confidence)[0]
    return describe("accuracy", "A", "B", question, found).replace(MINUS, "-")


SCORES = {75: 30, 80: 40, 85: 30}
HIGHER = {79: 30, 84: 40, 89: 30}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            sentence(SCORES, HIGHER),
            "accuracy: B is better than A, 84.00 against 80.00, +4.00 (95 % 2.91 to 5.09), p below 0.0001; "
            "100 against 100 scores",
        ),
        (
            sentence(HIGHER, SCORES, of=4),
            "accuracy: B is worse than A, 80.00 against 84.00, -4.00 (95 % together -5.39 to -2.61), "
            "p below 0.0001; 100 against 100 scores",
        ),
        (
            sentence(SCORES, {75: 31, 80: 40, 85: 29}, effect=1),
            "accuracy: no difference shown between B and A, 79.90 against 80.00, -0.10 (95 % -1.19 to 0.99), "
            "p 0.86; 100 against 100 scores; 138 more scores a group needed",
        ),
        (
            sentence({1: 139, 0: 61}, {1: 170, 0: 30}),
            "accuracy: B is better than A, 85.0 % against 69.5 %, +15.5 points (95 % 7.3 to 23.5), "
            "p 0.00023; 200 against 200 scores",
        ),
        (
            sentence({5: 1}, {4: 3}),
            "accuracy: too few scores to compare B with A, 4.00 against 5.00, -1.00; 3 against 1 scores",
        ),
        (
            sentence({5: 9}, {5: 9}),
            "accuracy: all values of B and A are the same, 5.00 against 5.00, 0.00, p 1; 9 against 9 scores",
        ),
    ],
)
def test_comparison_is_a_sentence(found: str, expected: str) -> None:
    assert found == expected


def test_pairs_and_requests_without_a_value_are_named() -> None:
    question = Question(measure="mean")
    found = compare_pairs(Pairs(items={(70, 1, 73, 1): 5, (80, 1, 84, 1): 5}), question)
    assert describe("tone", None, "B", question, found) == (
        "tone: B is better than requests without a value, 78.50 against 75.00, +3.50 (95 % 3.12 to 3.88); "
        "10 pairs"
    )


@pytest.mark.parametrize(
    ("reach", "decimals"), [(1234, 0), (99.9, 1), (10, 1), (9.99, 2), (1, 2), (0.02, 3), (0, 2)]
)
def test_three_digits_are_shown(reach: float, decimals: int) -> None:
    assert (decimals_for(reach), decimals_for(-reach)) == (decimals, decimals)
