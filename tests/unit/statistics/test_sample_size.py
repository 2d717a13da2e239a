"""The number of scores that is needed, against statsmodels."""

from __future__ import annotations

from collections import Counter
from math import ceil, sqrt
from operator import mul
from random import Random

import pytest
from heliscore.domain.statistics.arms import compare_arms
from heliscore.domain.statistics.compared import Arm, CovariateSums, Pairs, Question, UnitSums
from heliscore.domain.statistics.paired import compare_pairs
from heliscore.domain.statistics.samples import Sample
from statsmodels.stats.power import NormalIndPower

from .tables import arm, compare_twice, shares


def needed(
    difference: float, base_variance: float, other_variance: float, ratio: float, power: float
) -> float:
    """As statsmodels finds it. It knows one variance: that of the base, the other's is put into the ratio."""
    found: float = NormalIndPower().solve_power(
        effect_size=difference / sqrt(base_variance),
        alpha=0.05,
        power=power,
        ratio=ratio * base_variance / other_variance,
    )
    return found


def test_means_need_what_statsmodels_says() -> None:
    random = Random(1)
    for _ in range(40):
        base = [random.randint(0, 100) for _ in range(random.randint(5, 60))]
        other = [random.randint(20, 90) for _ in range(random.randint(5, 60))]
        effect, power = random.uniform(2, 6), random.choice((0.8, 0.9))
        found = compare_arms(
            arm(*base), arm(*other), Question(measure="mean", minimum_effect=effect, power=power)
        )
        variances = [Sample.of(Counter(values)).variance or 0.0 for values in (base, other)]
        expected = needed(effect, variances[0], variances[1], len(other) / len(base), power)
        assert found.needed_per_arm == pytest.approx(expected, rel=1e-4, abs=1.01)
        assert found.needed_more == max(0, (found.needed_per_arm or 0) - len(base))


def test_shares_need_what_their_expected_shares_vary() -> None:
    up, down = (
        compare_arms(
            shares(60, 100),
            shares(150, 200),
            Question(measure="share", minimum_effect=0.1, direction=direction),
        )
        for direction in ("up", "down")
    )
    assert up.needed_per_arm == ceil(needed(0.1, 0.6 * 0.4, 0.7 * 0.3, 2, 0.8))
    assert down.needed_per_arm == ceil(needed(0.1, 0.6 * 0.4, 0.5 * 0.5, 2, 0.8))


def test_share_that_cannot_rise_needs_nothing_that_is_known() -> None:
    found = compare_arms(shares(50, 50), shares(40, 50), Question(measure="share", minimum_effect=0.1))
    assert (found.needed_per_arm, found.reasons["needed_per_arm"]) == (None, "noVariance")


def test_pairs_need_the_variance_of_their_differences() -> None:
    items = {(x, 1, x + d, 1): 1 for x, d in enumerate((-9, -3, 4, 8, 0, 1, 6, -2))}
    found = compare_pairs(Pairs(items=items, last_week=4), Question(measure="mean", minimum_effect=2))
    spread = Sample.of(Counter((-9, -3, 4, 8, 0, 1, 6, -2))).variance or 0.0
    expected = ceil((1.959963984540054 + 0.8416212335729143) ** 2 * spread / 4)
    assert (found.needed_per_arm, found.needed_more) == (expected, expected - 8)
    assert found.needed_days == pytest.approx(7 * (expected - 8) / 4)


def test_margin_needs_what_keeps_the_end_of_the_interval_above_it() -> None:
    base, other = arm(*range(50)), arm(*range(50))
    margin = compare_arms(base, other, Question(measure="mean", margin=3))
    effect = compare_arms(base, other, Question(measure="mean", minimum_effect=3))
    assert margin.needed_per_arm == effect.needed_per_arm
    share = compare_arms(shares(90, 100), shares(90, 100), Question(measure="share", margin=0.05))
    assert share.needed_per_arm == ceil(needed(0.05, 0.09, 0.09, 1, 0.8))


def test_units_multiply_by_their_design_effect() -> None:
    # Twenty units with ten equal scores each: as good as twenty scores.
    values = list(range(20))
    sample = Sample.of(dict.fromkeys(values, 10))
    s = [10 * value for value in values]
    units = UnitSums(20, 200, sum(s), sum(v * v for v in s), 10 * sum(s), 20 * 100)
    question = Question(measure="mean", minimum_effect=2)
    clustered = compare_twice(Arm(sample=sample, units=units), question)
    single = compare_twice(arm(*values), question)
    assert clustered.needed_per_arm == pytest.approx(10 * (single.needed_per_arm or 0), abs=10)


def test_covariate_lessens_what_is_needed_of_the_scores_that_have_it() -> None:
    x = range(40)
    y = [3 * value + noise for value, noise in zip(x, [0, 5, -5, 2] * 10, strict=True)]
    products = [sum(map(mul, *pair)) for pair in ((x, x), (y, y), (x, y))]
    with_covariate = CovariateSums(40, sum(x), sum(y), *products)
    question = Question(measure="mean", minimum_effect=1)
    plain = arm(*y, *y)
    adjusted = Arm(sample=plain.sample, covariate=with_covariate)
    found = [compare_twice(one, question) for one in (plain, adjusted)]
    assert (found[0].needed_per_arm or 0) > 50 * (found[1].needed_per_arm or 0)
    assert (found[1].needed_more or 0) == (found[1].needed_per_arm or 0) - 40


def test_many_looks_need_more() -> None:
    base, other = arm(*range(50)), arm(*range(50))
    once = compare_arms(base, other, Question(measure="mean", minimum_effect=3))
    often = compare_arms(base, other, Question(measure="mean", minimum_effect=3, tuning=1000))
    assert once.needed_per_arm is not None
    assert often.needed_per_arm is not None
    assert 1.2 * once.needed_per_arm < often.needed_per_arm < 3 * once.needed_per_arm


@pytest.mark.parametrize(
    ("base_week", "other_week", "days", "reason"),
    [(None, 20, None, "unknownRate"), (20, 0, None, "noneLastWeek"), (20, 10, 0.7, None)],
)
def test_days_are_those_of_the_slower_group(
    base_week: int | None, other_week: int, days: float | None, reason: str | None
) -> None:
    values = list(range(10))
    question = Question(measure="mean", minimum_effect=1)
    found = compare_arms(arm(*values, last_week=base_week), arm(*values, last_week=other_week), question)
    more = found.needed_more or 0
    assert found.needed_days == (None if days is None else pytest.approx(days * more))
    assert found.reasons.get("needed_days") == reason


@pytest.mark.parametrize("effect", [1e-200, 1e-7])
def test_hardly_any_difference_needs_too_many_to_be_counted(effect: float) -> None:
    question = Question(measure="mean", minimum_effect=effect)
    found = compare_twice(arm(*range(50)), question)
    assert (found.needed_per_arm, found.reasons["needed_per_arm"]) == (None, "tooMany")


def test_enough_needs_no_more_days() -> None:
    found = compare_arms(arm(*range(50)), arm(*range(50)), Question(measure="mean", minimum_effect=30))
    assert (found.needed_more, found.needed_days) == (0, 0)
