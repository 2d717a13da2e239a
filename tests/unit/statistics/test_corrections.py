"""Corrections for many comparisons, against statsmodels."""

from __future__ import annotations

from random import Random
from typing import get_args

import pytest
from heliscore.domain.statistics.arms import compare_arms
from heliscore.domain.statistics.compared import Arm, Comparison, Correction, Question
from heliscore.domain.statistics.corrections import adjust, correct
from statsmodels.stats.multitest import multipletests

from .tables import arm

MEAN = Question(measure="mean", minimum_effect=1)


@pytest.mark.parametrize(("correction", "method"), [("holm", "holm"), ("bh", "fdr_bh")])
def test_adjusted_p_is_statsmodels(correction: Correction, method: str) -> None:
    random = Random(1)
    for _ in range(5):  # statsmodels collects garbage at each, 0.4 s in a test process.
        p = [
            random.choice((1.0, 0.0, random.random(), random.random() ** 6))
            for _ in range(random.randint(1, 60))
        ]
        assert adjust(p, correction) == pytest.approx(multipletests(p, method=method)[1])


def test_nothing_is_adjusted_of_nothing() -> None:
    assert [adjust([], correction) for correction in get_args(Correction)] == [[], [], []]


def comparisons() -> list[Comparison]:
    """One clear, two near the limit, one of too few."""
    base = arm(*range(20))
    others = [range(20, 40), range(4, 24), range(4, 24), [3]]
    return [compare_arms(base, arm(*values), MEAN) for values in others]


def test_holm_takes_back_what_chance_may_have_found() -> None:
    before = comparisons()
    assert [one.verdict for one in before] == ["better", "better", "better", "tooFew"]
    p = before[1].p
    assert p is not None
    assert 0.025 < p < 0.05
    after = correct(before, "holm", 0.95)
    assert [one.verdict for one in after] == ["better", "noDifferenceShown", "noDifferenceShown", "tooFew"]
    assert [one.uncorrected_verdict for one in after] == ["better", "better", "better", "tooFew"]
    assert [one.p_adjusted for one in after] == [pytest.approx(3 * (before[0].p or 0)), 2 * p, 2 * p, None]
    assert after[3].reasons["p_adjusted"] == after[3].reasons["interval_adjusted"] == "tooFew"


def test_adjusted_interval_is_at_alpha_over_the_number_of_comparisons() -> None:
    before = comparisons()
    (first, *_) = correct(before, "bh", 0.95)
    again = compare_arms(
        arm(*range(20)), arm(*range(20, 40)), Question(measure="mean", confidence=1 - 0.05 / 3)
    )
    assert again.interval is not None
    assert first.interval_adjusted is not None
    assert first.interval_adjusted.low == pytest.approx(again.interval.low)
    assert (first.needed_per_arm or 0) > (before[0].needed_per_arm or 0)


def test_without_correction_the_adjusted_numbers_are_the_plain_ones() -> None:
    for before, after in zip(comparisons(), correct(comparisons(), "none", 0.95), strict=True):
        assert (after.p_adjusted, after.verdict) == (before.p, before.verdict)
        assert after.needed_per_arm == before.needed_per_arm
        if before.interval and after.interval_adjusted:
            assert after.interval_adjusted.low == pytest.approx(before.interval.low, rel=1e-9)


def test_comparisons_outside_primary_are_neither_counted_nor_corrected() -> None:
    before = comparisons()
    after = correct(before, "holm", 0.95, [False, True, False, False])
    assert [one.p_adjusted for one in after] == [None, before[1].p, None, None]
    assert [one.verdict for one in after] == ["better", "better", "better", "tooFew"]
    assert after[0].reasons["p_adjusted"] == after[0].reasons["interval_adjusted"] == "notPrimary"


def test_a_group_without_scores_stays_as_it_is() -> None:
    (found,) = correct([compare_arms(arm(1, 2), Arm(sample=None), MEAN)], "holm", 0.95)
    assert (found.verdict, found.p_adjusted) == ("tooFew", None)
