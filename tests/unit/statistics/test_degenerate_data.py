"""Data that has no usual answer: empty groups, single values, no variance, the ends of int64."""

from __future__ import annotations

import math
from collections import Counter
from math import comb
from random import Random
from statistics import stdev
from typing import Any

import msgspec
import pytest
from heliscore.domain.statistics.arms import compare_arms
from heliscore.domain.statistics.compared import (
    Arm,
    Comparison,
    CovariateSums,
    Pairs,
    Question,
    Summary,
    UnitSums,
)
from heliscore.domain.statistics.distributions import t_quantile
from heliscore.domain.statistics.interval import Interval
from heliscore.domain.statistics.lifts import lift_interval
from heliscore.domain.statistics.means import means_of_samples
from heliscore.domain.statistics.paired import compare_pairs
from heliscore.domain.statistics.samples import Sample
from heliscore.domain.statistics.single_groups import interval_of_mean

from .tables import (
    MAX_INT64,
    MIN_INT64,
    arm,
    arm_of,
    compare_twice,
    ends,
    random_items,
    random_tables,
    shares,
)

MEAN = Question(measure="mean")
SHARE = Question(measure="share")
NONE = Arm(sample=None)
ASKED = ("difference", "interval", "p", "lift", "lift_interval", "effect", "superiority", "superiority_p")
NEEDED = ("needed_per_arm", "needed_more", "needed_days")


def outcome(found: Comparison) -> tuple[object, ...]:
    return found.difference, found.interval, found.p, found.verdict, found.reasons.get("interval")


@pytest.mark.parametrize(
    ("base", "other", "expected"),
    [
        (NONE, arm(1, 2), (None, None, None, "tooFew", "tooFew")),
        (arm(1, 2), NONE, (None, None, None, "tooFew", "tooFew")),
        (NONE, NONE, (None, None, None, "tooFew", "tooFew")),
        (arm(1), arm(2), (1, None, None, "tooFew", "tooFew")),
        (arm(1), arm(2, 3, 4), (2, None, None, "tooFew", "tooFew")),
        (arm(7, 7, 7), arm(7, 7), (0, None, 1, "identical", "noVariance")),
        (arm(7, 7), arm(8, 8), (1, None, pytest.approx(2 / 6), "noDifferenceShown", "noVariance")),
        (arm(7, 7), arm(8), (1, None, None, "tooFew", "tooFew")),
        (arm(*[7] * 5), arm(*[6] * 4), (-1, None, pytest.approx(2 / comb(9, 4)), "worse", "noVariance")),
        (arm(*[7] * 900), arm(*[8] * 900), (1, None, 0, "better", "noVariance")),
    ],
)
def test_means_without_variance_or_scores(base: Arm, other: Arm, expected: tuple[object, ...]) -> None:
    found = compare_arms(base, other, MEAN)
    assert outcome(found) == expected
    assert found.uncorrected_verdict == found.verdict


def test_empty_group_is_all_null_with_reasons() -> None:
    found = compare_arms(arm(5, 8), NONE, MEAN)
    assert found == Comparison(
        method=None,
        base=Summary(2, 13, 6.5, math.sqrt(4.5)),
        other=Summary(0, 0, None, None),
        verdict="tooFew",
        uncorrected_verdict="tooFew",
        reasons=dict.fromkeys([*ASKED, *NEEDED], "tooFew"),
    )


def test_one_constant_group_has_welchs_interval_with_the_other_ones_degrees() -> None:
    values = [*[40, 60, 80] * 333, 80]
    found = compare_arms(arm(*[100] * 1000), arm(*values), MEAN)
    assert found.interval is not None
    assert found.difference == pytest.approx(-39.98)
    margin = 1.962341 * stdev(values) / math.sqrt(1000)  # Student's t with 999 degrees of freedom.
    assert found.interval.high == pytest.approx(-39.98 + margin, abs=1e-4)
    assert found.verdict == "worse"


def test_smaller_constant_group_is_given_the_variance_of_both() -> None:
    most = [100] * 285 + [0] * 15
    small, equal, large = (compare_arms(arm(*[100] * n), arm(*most), MEAN) for n in (10, 300, 301))
    assert (small.verdict, small.warnings) == ("noDifferenceShown", ("skewed", "pooledVariance"))
    # From as many on, it is Welch's.
    assert (equal.verdict, equal.warnings, large.warnings) == ("worse", (), ())
    assert ends(small.interval) == pytest.approx((-18.6, 8.6), abs=0.1)


@pytest.mark.parametrize("true", [0, 20])
def test_shares_that_are_all_alike_keep_newcombes_interval(true: int) -> None:
    found = compare_arms(shares(true, 20), shares(true // 2, 10), SHARE)
    expected = (-0.1611, 0.2775) if not true else (-0.2775, 0.1611)
    assert ends(found.interval) == pytest.approx(expected, abs=6e-5)
    assert (found.p, found.verdict, found.reasons.get("interval")) == (1, "identical", None)


def test_single_score_of_a_share_keeps_its_interval_but_has_no_verdict() -> None:
    found = compare_arms(shares(1, 1), shares(0, 1), SHARE)
    assert found.interval is not None
    assert (found.verdict, found.warnings) == ("tooFew", ("fewScores",))


@pytest.mark.parametrize(
    ("items", "question", "expected"),
    [
        ({}, MEAN, (None, None, None, "tooFew", "tooFew")),
        ({(3, 1, 5, 1): 1}, MEAN, (2, None, None, "tooFew", "tooFew")),
        ({(1, 1, 0, 1): 1}, SHARE, (-1, None, None, "tooFew", "tooFew")),
        ({(3, 1, 5, 1): 4, (4, 1, 6, 1): 3}, MEAN, (2, None, 2**-6, "better", "noVariance")),
        ({(3, 1, 5, 1): 3}, MEAN, (2, None, 0.25, "noDifferenceShown", "noVariance")),
        ({(3, 1, 3, 1): 4, (4, 1, 8, 2): 3}, MEAN, (0, None, 1, "identical", "noVariance")),
    ],
)
def test_pairs_without_variance(
    items: dict[Any, int], question: Question, expected: tuple[object, ...]
) -> None:
    assert outcome(compare_pairs(Pairs(items=items), question)) == expected


def test_effect_of_pairs_that_differ_alike_has_no_interval() -> None:
    found = compare_pairs(Pairs(items={(3, 1, 5, 1): 4, (4, 1, 6, 1): 3, (9, 1, 11, 1): 1}), MEAN)
    assert found.effect is not None
    assert (found.effect.name, found.effect.interval) == ("g_av", None)
    assert "effect_interval" in found.reasons


def test_single_score_beside_many_has_no_warning_of_an_interval_that_is_not_there() -> None:
    many = Arm(sample=Sample.of({1: 50, 9: 50}), counts={1: 50, 9: 50})
    found = compare_arms(Arm(sample=Sample.of({4: 1}), counts={4: 1}), many, MEAN)
    assert (found.interval, found.verdict, found.warnings) == (None, "tooFew", ())


def test_pairs_of_shares_that_are_all_alike_keep_their_interval() -> None:
    found = compare_pairs(Pairs(items={(1, 1, 1, 1): 30}, only_base=2, only_other=5), SHARE)
    assert (found.p, found.verdict) == (1, "identical")
    assert found.interval is not None
    assert (found.pairs, found.only_base, found.only_other) == (30, 2, 5)


def test_pairs_of_shares_with_several_scores_an_item_are_compared_by_means() -> None:
    found = compare_pairs(Pairs(items={(1, 2, 1, 1): 5, (0, 1, 1, 1): 3, (1, 1, 0, 1): 1}), SHARE)
    assert (found.method, found.effect and found.effect.name) == ("paired", "g_av")


def test_int64_is_exact() -> None:
    found = compare_arms(arm(MAX_INT64, MAX_INT64 - 1), arm(MAX_INT64 - 2, MAX_INT64 - 3), MEAN)
    assert (found.base.sum, found.other.sum) == (2 * MAX_INT64 - 1, 2 * MAX_INT64 - 5)
    assert (found.difference, found.base.sd) == (-2, math.sqrt(0.5))
    wide = compare_arms(arm(MIN_INT64, MAX_INT64, 0), arm(*[MAX_INT64] * 3), MEAN)
    assert wide.difference == pytest.approx(float(MAX_INT64))
    assert wide.interval is not None
    assert wide.p is not None
    pairs = compare_pairs(
        Pairs(items={(MAX_INT64, 1, MAX_INT64 - 1, 1): 2, (MIN_INT64, 1, MIN_INT64, 1): 1}), MEAN
    )
    assert pairs.difference == pytest.approx(-2 / 3)
    assert pairs.p == pytest.approx(0.18350341907227397)


def test_constant_covariate_has_no_answer() -> None:
    sums = CovariateSums(count=3, x=6, y=6, xx=12, yy=14, xy=12)
    found = compare_twice(Arm(sample=Sample(3, 6, 14), covariate=sums), MEAN)
    assert outcome(found) == (0, None, None, "noDifferenceShown", "constantCovariate")
    assert found.warnings == ("covariateUnused",)
    assert found.reasons["lift"] == found.reasons["lift_interval"] == "constantCovariate"


def test_group_without_units_or_covariate_has_no_answer() -> None:
    sample, sums = Sample(3, 6, 14), CovariateSums(count=3, x=6, y=6, xx=14, yy=14, xy=13)
    found = compare_arms(
        Arm(sample=sample, covariate=sums),
        Arm(sample=sample, covariate=CovariateSums(0, 0, 0, 0, 0, 0)),
        MEAN,
    )
    assert outcome(found) == (0, None, None, "noDifferenceShown", "constantCovariate")
    found = compare_twice(Arm(sample=sample, units=UnitSums(0, 0, 0, 0, 0, 0)), MEAN)
    assert outcome(found) == (None, None, None, "tooFew", "tooFew")


def test_covariate_gives_way_to_units() -> None:
    sums = CovariateSums(count=3, x=6, y=6, xx=14, yy=14, xy=13)
    units = UnitSums(3, 3, 6, 14, 6, 3)
    found = compare_twice(Arm(sample=Sample(3, 6, 14), covariate=sums, units=units), MEAN)
    assert (found.method, found.warnings) == ("clustered", ("covariateUnused",))


def test_one_unit_is_too_few() -> None:
    units = UnitSums(1, 3, 6, 36, 18, 9)
    found = compare_twice(Arm(sample=Sample(3, 6, 14), units=units), MEAN)
    assert outcome(found) == (0, None, None, "tooFew", "tooFew")


def test_lift_needs_a_base_that_is_not_0() -> None:
    zero = compare_arms(arm(-1, 0, 1), arm(4, 5, 6), MEAN)
    near = compare_arms(arm(-10, 30, 1), arm(4, 5, 6), MEAN)
    for found in (zero, near):
        assert (found.lift, found.lift_interval, found.reasons["lift"]) == (None, None, "baseMayBe0")
    assert compare_arms(arm(*[10] * 5), arm(*[15] * 5), MEAN).lift == 0.5


def test_lifts_interval_holds_the_ratios_that_fieller_does_not_reject() -> None:
    base, other = arm(90, 100, 105, 98, 120), arm(100, 130, 125, 140)
    found = compare_arms(base, other, MEAN)
    assert found.lift_interval is not None
    assert base.sample is not None
    assert other.sample is not None
    means = means_of_samples(base.sample, other.sample)
    t = t_quantile(0.975, means.degrees)
    a, b = means.base_variance, means.variance - means.base_variance
    for lift in ends(found.lift_interval):
        distance = other.sample.mean - (1 + lift) * base.sample.mean
        assert abs(distance) / math.sqrt(b + (1 + lift) ** 2 * a) == pytest.approx(t)
    assert lift_interval(means, 1 - 1e-7) is None


def test_interval_of_one_mean_needs_two_different_values() -> None:
    assert interval_of_mean(Sample.of({4: 1}), 0.95) is None
    assert interval_of_mean(Sample.of({4: 9}), 0.95) is None


QUESTIONS = [
    MEAN,
    Question(measure="mean", tuning=500, minimum_effect=1),
    Question(measure="mean", margin=2, direction="down"),
]
ENDS = [MIN_INT64, MIN_INT64 + 1, 0, MAX_INT64 - 1, MAX_INT64]


def assert_finite_or_explained(found: Comparison) -> None:
    fields = msgspec.structs.asdict(found)
    for field in fields.values():
        for number in (field.low, field.high) if isinstance(field, Interval) else (field,):
            assert not isinstance(number, float) or math.isfinite(number), found
    assert {name for name in ASKED if fields[name] is None} == found.reasons.keys() & set(ASKED)
    assert (found.needed_per_arm is None) == ("needed_per_arm" in found.reasons)


def test_numbers_are_never_nan_and_missing_ones_have_a_reason() -> None:
    random = Random(10)
    tables = [*random_tables(300, seed=9)]
    tables += [
        [dict(Counter(random.choices(ENDS, k=random.randint(2, 9)))) for _ in range(2)] for _ in range(100)
    ]
    for number, groups in enumerate(tables):
        a, b = (arm_of(dict(list(group.items())[: 1 + number % 3])) for group in groups)
        for question in QUESTIONS:
            assert_finite_or_explained(compare_arms(a, b, question))


def test_numbers_of_pairs_are_never_nan_and_missing_ones_have_a_reason() -> None:
    random = Random(11)
    items = [
        {(random.choice(ENDS), 1, random.choice(ENDS), 1): 1 for _ in range(random.randint(1, 9))}
        for _ in range(100)
    ]
    for table in [*random_items(200, seed=12, most=2), *items]:
        for question in QUESTIONS:
            assert_finite_or_explained(compare_pairs(Pairs(items=table), question))
