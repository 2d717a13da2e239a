"""Sums without one request are those of a table without it; intervals hold the truth as often as they say."""

from __future__ import annotations

from math import atanh, sqrt, tanh
from random import Random
from time import process_time

import pytest
from heliscore.domain.statistics.agreement import agree_pair, agree_pair_sums
from heliscore.domain.statistics.agreement_sums import PairColumns
from heliscore.domain.statistics.chance_agreement import ChanceSums
from heliscore.domain.statistics.distributions import normal_quantile, t_quantile
from heliscore.domain.statistics.interval import wilson
from heliscore.domain.statistics.jackknife import Coefficient
from heliscore.domain.statistics.many_raters import agree_many
from heliscore.domain.statistics.pair_tables import Level, Margins, PairLists
from heliscore.domain.statistics.rank_agreement import RankSums, signs_of, signs_within
from heliscore.domain.statistics.reliability import Pattern, Ratings
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.statistics_agreement.tables import (
    TOLERANCE,
    all_coefficients,
    any_values,
    folded,
    observations,
    related,
    sums_of,
    table_of,
    true_coefficients,
)

BOUNDED = (
    "cohenKappa",
    "linearKappa",
    "quadraticKappa",
    "krippendorffAlpha",
    "fleissKappa",
    "gwetAC1",
    "spearman",
    "kendallTauB",
    "pearson",
)
JACKKNIFED = (*BOUNDED, "meanAbsoluteError", "rootMeanSquareError", "bias")

quick = settings(max_examples=60, deadline=None)


def rests(pairs: PairLists) -> list[list[int]]:
    """The counts without one request of each pair."""
    return [
        [count - (place == left_out) for place, count in enumerate(pairs.counts)]
        for left_out in range(len(pairs.counts))
    ]


@given(observations(any_values))
@quick
def test_sums_without_one_equal_those_computed_again(drawn: list[tuple[int, int]]) -> None:
    pairs = PairLists.of(table_of(drawn))
    columns = PairColumns.of(pairs, TOLERANCE)
    assert list(columns.without_one(pairs.counts)) == [columns.sums(rest) for rest in rests(pairs)]
    again = [ChanceSums.of(pairs.values, Margins.of(pairs, rest)) for rest in rests(pairs)]
    assert list(ChanceSums.without_one(pairs)) == again


@given(observations(any_values))
@quick
def test_rank_sums_without_one_equal_those_computed_again(drawn: list[tuple[int, int]]) -> None:
    pairs = PairLists.of(table_of(drawn))
    again = [
        RankSums.of(pairs, rest, Margins.of(pairs, rest), signs_within(pairs, rest)) for rest in rests(pairs)
    ]
    assert list(RankSums.without_one(pairs, signs_of(pairs))) == again


@given(
    st.lists(
        st.lists(st.one_of(st.none(), st.integers(0, 4)), min_size=2, max_size=5).map(tuple),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from(["nominal", "ordinal", "interval"]),
)
@quick
def test_disagreement_without_one_equals_that_computed_again(
    items: list[tuple[int | None, ...]], level: Level
) -> None:
    ratings = Ratings.of({item: items.count(item) for item in items}, level)
    again = []
    for left_out in range(len(ratings.counts)):
        rest = [count - (place == left_out) for place, count in enumerate(ratings.counts)]
        again.append(ratings.disagreement(rest))
    assert list(ratings.without_one()) == again


def test_intervals_equal_those_of_recomputed_coefficients() -> None:
    """tanh(atanh θ ± t √V / (1 - θ²)), where V is of the coefficients of the tables without one request."""
    drawn = related(Random(5), 80, 4, noise=0.5)
    table = table_of(drawn)
    found = all_coefficients(table)
    for name in BOUNDED:
        without = [
            (all_coefficients({**table, pair: count - 1})[name].value or 0.0, count)
            for pair, count in table.items()
        ]
        n, value = len(drawn), found[name].value
        assert value is not None
        mean = sum(one * count for one, count in without) / n
        variance = (n - 1) / n * sum((one - mean) ** 2 * count for one, count in without)
        margin = t_quantile(0.975, n - 1) * sqrt(variance) / (1 - value**2)
        interval = found[name].interval
        assert interval is not None
        expected = (tanh(atanh(value) - margin), tanh(atanh(value) + margin))
        assert (interval.low, interval.high) == pytest.approx(expected, abs=1e-12), name


def test_folds_of_one_request_are_the_delete_one_jackknife() -> None:
    drawn = related(Random(6), 60, 4, noise=0.5)
    table = table_of(drawn)
    one_each = agree_pair(
        table, level="ordinal", tolerance=TOLERANCE, confidence=0.95, folds=[{pair: 1} for pair in drawn]
    ).coefficients
    for name, expected in all_coefficients(table).items():
        found = one_each[name]
        assert found.value == expected.value
        assert found.interval is not None
        assert expected.interval is not None
        ends = pytest.approx((expected.interval.low, expected.interval.high), abs=1e-9)
        if name not in ("observedAgreement", "withinTolerance"):  # these are Wilson's
            assert (found.interval.low, found.interval.high) == ends, name


def test_folds_of_one_request_are_the_delete_one_jackknife_of_many_raters() -> None:
    random = Random(9)
    items: list[Pattern] = [(x, y, random.choice([x, y, None])) for x, y in related(random, 60, 4, noise=0.5)]
    patterns = {item: items.count(item) for item in items}
    one_each = agree_many(patterns, level="ordinal", confidence=0.95, folds=[{item: 1} for item in items])
    by_pattern = agree_many(patterns, level="ordinal", confidence=0.95, folds=None)
    found, expected = (one.coefficients["krippendorffAlpha"].interval for one in (one_each, by_pattern))
    assert found is not None
    assert expected is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_2000_different_pairs_take_less_than_a_second() -> None:
    random = Random(10)
    table = {(random.randrange(10**6), random.randrange(10**6)): 1 for _ in range(2000)}
    begin = process_time()
    all_coefficients(table)
    assert process_time() - begin < 1


def test_sums_give_the_same_as_the_table_does() -> None:
    drawn = related(Random(7), 300, 9, noise=0.4)
    folds = folded(Random(8), drawn, 40)
    by_table = agree_pair(
        table_of(drawn), level="interval", tolerance=TOLERANCE, confidence=0.9, folds=folds
    ).coefficients
    by_sums = agree_pair_sums(
        sums_of(table_of(drawn)), level="interval", confidence=0.9, folds=[sums_of(fold) for fold in folds]
    ).coefficients
    assert list(by_sums) == list(by_table)
    for name, found in by_sums.items():
        if name in {*BOUNDED} - {"quadraticKappa", "krippendorffAlpha", "pearson"}:
            assert found == Coefficient(None, None, "tooManyValues")
        else:
            assert found == by_table[name]


def test_units_whose_requests_are_alike_widen_the_interval_of_agreement() -> None:
    """Ten requests of each user agree or do not: they say no more than one of them does."""
    users = [{(1, 1): 10} if user % 4 else {(1, 0): 10} for user in range(40)]
    table = {(1, 1): 300, (1, 0): 100}
    found = agree_pair(table, level="nominal", tolerance=0, confidence=0.95, folds=users).coefficients
    effective = 39 * (normal_quantile(0.975) / t_quantile(0.975, 39)) ** 2
    expected = wilson(0.75 * effective, effective, 0.95)
    interval = found["observedAgreement"].interval
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize("highest", [1, 4])
def test_intervals_of_200_requests_hold_the_true_number_95_times_in_100(highest: int) -> None:
    noise, draws, random = 0.4, 500, Random(200)
    true = {name: one for name, one in true_coefficients(highest, noise).items() if name in JACKKNIFED}
    hits = dict.fromkeys(true, 0)
    for _ in range(draws):
        found = all_coefficients(table_of(related(random, 200, highest, noise)))
        for name, number in true.items():
            interval = found[name].interval
            assert interval is not None
            hits[name] += interval.low <= number <= interval.high
    assert {name: hit for name, hit in hits.items() if not 0.93 <= hit / draws <= 0.98} == {}
