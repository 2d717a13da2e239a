"""Data that has no answer gets none, and a reason."""

from __future__ import annotations

from math import isfinite

import pytest
from heliscore.domain.statistics.agreement import agree_pair, agree_pair_sums
from heliscore.domain.statistics.agreement_sums import AgreementSums
from heliscore.domain.statistics.interval import Interval, wilson
from heliscore.domain.statistics.jackknife import Coefficient
from heliscore.domain.statistics.many_raters import agree_many
from heliscore.domain.statistics.pair_coefficients import COEFFICIENTS
from heliscore.domain.statistics.pair_tables import Level, level_of
from heliscore.domain.statistics.reliability import Pattern
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.statistics_agreement.tables import all_coefficients, any_values, observations, table_of

KAPPAS = ("cohenKappa", "linearKappa", "quadraticKappa")
CORRELATIONS = ("spearman", "kendallTauB", "pearson")
CHANCE = (*KAPPAS, "krippendorffAlpha", "fleissKappa", "gwetAC1")


def null(reason: str) -> Coefficient:
    return Coefficient(None, None, reason)


@pytest.mark.parametrize("table", [{}, {(1, 1): 0}])
def test_no_pairs_give_no_coefficient(table: dict[tuple[int, int], int]) -> None:
    agreement = agree_pair(table, level="ordinal", tolerance=0, confidence=0.95, folds=None)
    assert agreement.coefficients == dict.fromkeys(COEFFICIENTS, null("noPairs"))
    assert (agreement.count, agreement.confusion, agreement.warnings) == (0, (), ())


@given(observations(any_values), st.sampled_from(["nominal", "ordinal", "interval"]))
@settings(max_examples=100, deadline=None)
def test_numbers_are_finite_and_inside_their_intervals(pairs: list[tuple[int, int]], level: Level) -> None:
    for name, found in all_coefficients(table_of(pairs), level).items():
        if found.value is None or found.interval is None:
            assert found.reason is not None
        else:
            assert isfinite(found.value)
            assert found.reason is None
            assert found.interval.low <= found.value <= found.interval.high
        if name in (*CHANCE, *CORRELATIONS) and found.value is not None:
            assert -1 <= found.value <= 1


def test_no_sums_give_no_coefficient() -> None:
    agreement = agree_pair_sums(AgreementSums(*[0] * 10), level="interval", confidence=0.95, folds=[])
    assert agreement.coefficients == dict.fromkeys(COEFFICIENTS, null("noPairs"))


def test_one_value_of_both_is_agreement_but_nothing_beyond_chance() -> None:
    share = Coefficient(1.0, wilson(100, 100, 0.95))
    assert all_coefficients({(7, 7): 100}) == {
        "observedAgreement": share,
        "withinTolerance": share,
        **dict.fromkeys((*CHANCE, *CORRELATIONS), null("oneValueOnly")),
        "meanAbsoluteError": Coefficient(0.0, None, "noVariance"),
        "rootMeanSquareError": Coefficient(0.0, None, "noVariance"),
        "bias": Coefficient(0.0, None, "noVariance"),
        "limitsOfAgreement": Coefficient(0.0, Interval(0.0, 0.0)),
    }


@pytest.mark.parametrize("table", [{(3, 3): 50, (3, 4): 1}, {(1, 3): 20, (2, 3): 40}, {(3, 5): 60}])
def test_a_constant_rater_leaves_kappa_at_0_and_no_correlation(table: dict[tuple[int, int], int]) -> None:
    found = all_coefficients(table)
    assert {found[name] for name in KAPPAS} == {Coefficient(0.0, None, "constantRater")}
    assert {found[name] for name in CORRELATIONS} == {null("constantRater")}


def test_perfect_agreement_has_no_interval_but_that_of_agreement() -> None:
    found = all_coefficients({(1, 1): 30, (2, 2): 30, (5, 5): 40})
    assert {found[name] for name in (*CHANCE, *CORRELATIONS)} == {Coefficient(1.0, None, "perfect")}
    assert found["observedAgreement"] == Coefficient(1.0, wilson(100, 100, 0.95))


def test_perfect_disagreement_has_no_interval() -> None:
    found = all_coefficients({(0, 1): 30, (1, 0): 30})
    assert {found[name] for name in (*KAPPAS, *CORRELATIONS)} == {Coefficient(-1.0, None, "perfect")}


def test_a_single_pair_has_no_interval() -> None:
    found = all_coefficients({(1, 3): 1})
    assert found["meanAbsoluteError"] == Coefficient(2.0, None, "tooFew")
    assert found["bias"] == Coefficient(-2.0, None, "tooFew")
    assert found["limitsOfAgreement"] == Coefficient(-2.0, None, "tooFew")


def test_one_request_that_makes_all_the_difference_gives_no_interval() -> None:
    found = all_coefficients({(1, 1): 50, (2, 3): 1})
    assert found["cohenKappa"].value == pytest.approx(0.5, abs=0.01)
    assert found["cohenKappa"].reason == "tooFewDifferent"
    assert found["spearman"] == Coefficient(1.0, None, "perfect")


def test_different_scales_leave_the_rank_numbers() -> None:
    table = {(1, 10): 20, (3, 55): 20, (3, 40): 5, (5, 100): 20, (5, 20): 1}
    agreement = agree_pair(table, level="ordinal", tolerance=0, confidence=0.95, folds=None)
    assert agreement.warnings == ("scales",)
    known = {name for name, one in agreement.coefficients.items() if one.value is not None}
    assert known == {"spearman", "kendallTauB"}
    assert agreement.coefficients["cohenKappa"] == null("scales")


@pytest.mark.parametrize(
    "table", [{(1, 1): 1, (5, 10): 1}, {(0, 0): 1, (3, 10): 1}, {(10, 30): 1, (0, 0): 1}, {(0, 100): 5}]
)
def test_scales_that_may_be_one_are_taken_for_one(table: dict[tuple[int, int], int]) -> None:
    agreement = agree_pair(table, level="ordinal", tolerance=0, confidence=0.95, folds=None)
    assert agreement.warnings == ("few",)


@pytest.mark.parametrize(("count", "warnings"), [(49, ("few",)), (50, ())])
def test_fewer_than_50_pairs_are_few(count: int, warnings: tuple[str, ...]) -> None:
    table = {(1, 1): count - 10, (0, 0): 8, (1, 0): 2}
    agreement = agree_pair(table, level="nominal", tolerance=0, confidence=0.95, folds=None)
    assert agreement.warnings == warnings
    patterns: dict[Pattern, int] = {(x, y, None): number for (x, y), number in table.items()}
    many = agree_many(patterns, level="nominal", confidence=0.95, folds=None)
    assert many.warnings == warnings


def test_names_have_neither_order_nor_distance() -> None:
    found = all_coefficients({(0, 0): 20, (1, 1): 20, (2, 2): 20, (0, 1): 5, (2, 0): 5}, "nominal")
    known = {name for name, one in found.items() if one.value is not None}
    assert known == {"observedAgreement", "cohenKappa", "krippendorffAlpha", "fleissKappa", "gwetAC1"}
    assert found["spearman"] == null("nominal")


def test_groups_without_requests_do_not_count() -> None:
    folds = [{(0, 0): 20, (1, 1): 5}, {}, {(1, 0): 3, (1, 1): 20}, {(0, 1): 0}]
    table = {(0, 0): 20, (1, 1): 25, (1, 0): 3}
    found = agree_pair(table, level="nominal", tolerance=0, confidence=0.95, folds=folds)
    without = agree_pair(table, level="nominal", tolerance=0, confidence=0.95, folds=[folds[0], folds[2]])
    assert found == without


def test_groups_without_two_ratings_of_a_request_do_not_count() -> None:
    folds: list[dict[Pattern, int]] = [
        {(0, 0, 1): 20, (1, 1, 1): 5},
        {(1, None, None): 9},
        {(1, 0, None): 3, (1, 1, 1): 20},
    ]
    patterns: dict[Pattern, int] = {(0, 0, 1): 20, (1, 1, 1): 25, (1, 0, None): 3, (1, None, None): 9}
    found = agree_many(patterns, level="nominal", confidence=0.95, folds=folds)
    without = agree_many(patterns, level="nominal", confidence=0.95, folds=[folds[0], folds[2]])
    assert found == without
    assert found.coefficients["krippendorffAlpha"].interval is not None


def test_many_raters_without_two_ratings_of_a_request_have_no_coefficient() -> None:
    agreement = agree_many(
        {(1, None, None): 5, (None, 2, None): 3}, level="ordinal", confidence=0.95, folds=None
    )
    assert set(agreement.coefficients.values()) == {null("noPairs")}
    assert agreement.count == 0


def test_many_raters_of_one_value_agree_but_not_beyond_chance() -> None:
    agreement = agree_many({(1, 1, 1): 60}, level="ordinal", confidence=0.95, folds=None)
    assert agreement.coefficients == {
        "allEqual": Coefficient(1.0, wilson(60, 60, 0.95)),
        "krippendorffAlpha": null("oneValueOnly"),
        "fleissKappa": null("oneValueOnly"),
    }


def test_fleiss_kappa_needs_all_ratings() -> None:
    agreement = agree_many(
        {(1, 1, None): 9, (0, 0, 0): 8, (0, 1, 1): 4}, level="nominal", confidence=0.95, folds=None
    )
    assert agreement.coefficients["fleissKappa"] == null("missingRatings")
    assert agreement.coefficients["krippendorffAlpha"].interval is not None
    assert (agreement.count, agreement.complete) == (21, 12)


def test_only_0_and_1_are_names() -> None:
    assert [level_of(values) for values in ([0, 1, 1], [1], [0, 1, 2], [5])] == [
        "nominal",
        "nominal",
        "ordinal",
        "ordinal",
    ]
