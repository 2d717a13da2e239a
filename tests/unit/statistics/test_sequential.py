"""Always-valid intervals against their published formula."""

from __future__ import annotations

from math import log, sqrt

import pytest
from heliscore.domain.statistics.arms import compare_arms
from heliscore.domain.statistics.compared import Arm, Pairs, Question, UnitSums
from heliscore.domain.statistics.paired import compare_pairs
from heliscore.domain.statistics.samples import Sample

from .tables import arm, arm_of, compare_twice, ends, random_items, random_tables, shares

LOOKING = Question(measure="mean", tuning=5000)


def test_interval_is_the_asymptotic_confidence_sequence() -> None:
    base, other = arm(*range(40)), arm(*range(3, 63))
    found = compare_arms(base, other, LOOKING)
    a, b = 40 * 41 / 12 / 40, 60 * 61 / 12 / 60
    n, variance, rho2 = 100, a + b, (-2 * log(0.05) + log(-2 * log(0.05) + 1)) / 5000
    time = n * rho2
    margin = sqrt(n * variance) * sqrt(2 * (time + 1) * log(sqrt(time + 1) / 0.05)) / (n * sqrt(rho2))
    difference = 32.5 - 19.5
    assert (found.method, found.warnings) == ("sequential", ("arrivalOrder",))
    assert ends(found.interval) == pytest.approx((difference - margin, difference + margin))


def test_p_is_below_alpha_exactly_where_0_is_outside() -> None:
    seen = set()
    for number, (base, table) in enumerate(random_tables(200, seed=1)):
        shift = number % 3 * (max(table) - min(table))
        other = {value + shift: count for value, count in table.items()}
        for question in (LOOKING, Question(measure="mean", tuning=200, confidence=0.9)):
            found = compare_arms(arm_of(base), arm_of(other), question)
            if found.interval is None:
                continue
            assert found.p is not None
            is_outside = found.interval.low > 0 or found.interval.high < 0
            assert (found.p < 1 - question.confidence) == is_outside
            seen.add(is_outside)
    assert seen == {True, False}


def test_pairs_and_units_count_as_what_is_independent() -> None:
    (items,) = random_items(1, seed=2)
    pairs = compare_pairs(Pairs(items=items), LOOKING)
    units = UnitSums(units=30, count=60, sum=90, sum_squares=500, products=200, count_squares=150)
    clustered = compare_twice(Arm(sample=Sample(60, 90, 300), units=units), LOOKING)
    counts = []
    for found in (pairs, clustered):
        assert found.basis is not None
        counts.append(getattr(found.basis.estimate, "count", None))
    assert counts == [sum(items.values()), 60]


def test_numbers_for_one_look_are_left_out() -> None:
    found = compare_arms(arm(*range(40)), arm(*range(3, 63)), LOOKING)
    assert found.effect is not None
    assert found.effect.interval is None
    assert (found.superiority_p, found.lift_interval) == (None, None)
    assert found.reasons == {
        "lift_interval": "sequential",
        "effect_interval": "sequential",
        "superiority_p": "sequential",
        "needed_per_arm": "notAsked",
        "needed_more": "notAsked",
        "needed_days": "notAsked",
    }


@pytest.mark.parametrize(
    ("base", "other", "verdict", "p", "reason"),
    [
        (arm(1, 2, 3, 4), arm(*range(50)), "tooFew", None, "tooFew"),
        (arm(*[3] * 9), arm(*[3] * 9), "identical", 1, "noVariance"),
        (arm(*[3] * 9), arm(*[4] * 9), "noDifferenceShown", None, "noVariance"),
        (shares(9, 9), shares(9, 9), "identical", 1, "noVariance"),
    ],
)
def test_too_little_data_gives_no_interval(
    base: Arm, other: Arm, verdict: str, p: float | None, reason: str
) -> None:
    found = compare_arms(base, other, LOOKING)
    assert (found.verdict, found.p, found.interval) == (verdict, p, None)
    assert found.reasons["interval"] == reason
