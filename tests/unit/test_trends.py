from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from heliscore.dashboard.parts.time_range import STEPS, bucket_starts, default_step, possible_steps
from heliscore.dashboard.parts.trends import (
    Card,
    Change,
    compare_periods,
    make_bins,
    make_cards,
    sum_periods,
)
from heliscore.domain.statistics.estimates import Newcombe
from heliscore.domain.statistics.interval import Interval
from heliscore.store.evaluations import Period, Spread, TimeBucket, Total
from scipy import stats


def total(average: int) -> Period:
    return period([average])


def period(values: Sequence[int]) -> Period:
    booleans = [isinstance(value, bool) for value in values]
    squares = sum(value * value for value in values)
    low, high = int(min(values)), int(max(values))
    return Period(len(values), sum(values), low, high, all(booleans), squares, any(booleans))


def spread(
    lower: int, count: int, group: str | None = None, *, width: int = 5, booleans: bool = False
) -> Spread:
    return Spread(
        count, lower * count, lower, lower, booleans, group, "s", lower, width, lower * lower * count
    )


@pytest.mark.parametrize(
    ("averages", "lines"),
    [
        ([0, 10, 5], ["0.0,22.0 50.0,2.0 100.0,12.0"]),
        ([3, None, None], ["0.0,12.0 0.0,12.0"]),
        ([None, 0, None, 10, 10], ["25.0,22.0 25.0,22.0", "75.0,2.0 100.0,2.0"]),
        ([7], ["0.0,12.0 0.0,12.0"]),
    ],
)
def test_sparks_are_a_line_for_each_run(averages: list[int | None], lines: list[str]) -> None:
    points: list[Total | None] = [None if average is None else total(average) for average in averages]
    assert Card("s", total(1), None, points).sparks == lines


def test_a_score_of_the_period_before_alone_has_no_card() -> None:
    stretch = (3, 9, 1, 5, False, 35, False)
    found = [
        TimeBucket(*stretch, "old", 1),
        TimeBucket(*stretch, "s", 1),
        TimeBucket(1, 8, 8, 8, True, 64, True, "s", 3),
    ]
    assert make_cards(found, 2) == [
        Card("s", Period(1, 8, 8, 8, True, 64, True), found[1], [None, found[2]]),
    ]


SPREAD = [60, 70, 80, 90, 100] * 20
YES = [True] * 60 + [False] * 40


def shifted(by: int) -> list[int]:
    return [value + by for value in SPREAD]


@pytest.mark.parametrize(("by", "is_clear"), [(9, True), (-9, True), (1, False), (3, False)])
def test_change_is_clear_where_welchs_interval_excludes_0(by: int, is_clear: bool) -> None:
    change = compare_periods(period(SPREAD), period(shifted(by)))
    expected = stats.ttest_ind(shifted(by), SPREAD, equal_var=False).confidence_interval()
    assert change is not None
    assert change.interval is not None
    assert (change.interval.low, change.interval.high) == pytest.approx(expected)
    assert change.difference == pytest.approx(by)
    assert (change.is_clear, change.is_few) == (is_clear, False)


@pytest.mark.parametrize("now", [[True] * 90 + [False] * 10, [1] * 90 + [0] * 10, [1] * 90 + [False] * 10])
@pytest.mark.parametrize("before", [YES, [*map(int, YES)], [1, *YES[1:]]])
def test_zeros_and_ones_are_a_share_whatever_they_were_sent_as(before: list[int], now: list[int]) -> None:
    expected = Newcombe(60, 100, 90, 100).interval(0.95)
    change = compare_periods(period(before), period(now))
    assert change == Change(90 / 100 - 60 / 100, expected, is_clear=True)


def test_share_is_not_compared_with_an_average() -> None:
    assert compare_periods(period(SPREAD), period(YES)) is None
    assert compare_periods(period(YES), period(SPREAD)) is None


def test_few_scores_and_equal_ones_have_no_interval() -> None:
    few = Change(20.0, is_few=True)
    assert compare_periods(period([50] * 29), period([70] * 500)) == few
    assert compare_periods(period([50] * 500), period([70] * 29)) == few
    assert compare_periods(period([50] * 30), period([70] * 30)) == Change(20.0, is_clear=True)
    assert compare_periods(period([50] * 30), period([50] * 30)) == Change(0.0)


def test_distances_of_a_fall_are_positive() -> None:
    assert Change(-3.0, Interval(-4.0, -2.0), is_clear=True).distances == Interval(2.0, 4.0)
    assert Change(3.0, Interval(2.0, 4.0), is_clear=True).distances == Interval(2.0, 4.0)


def test_one_boolean_makes_zeros_and_ones_a_share() -> None:
    assert period([1, 0, True]).is_share
    assert not period([1, 0]).is_share
    assert not period([2, True]).is_share
    assert sum_periods([period([1, 0]), period([True, False])]) == period([1, 0, True, False])


def test_bars_leave_no_bin_out() -> None:
    bars = make_bins([spread(-5, 1), spread(10, 2, "a")], (None, "a"))
    assert [(bar.lower, bar.counts) for bar in bars] == [(-5, [1, 0]), (0, [0, 0]), (5, [0, 0]), (10, [0, 2])]


def test_booleans_have_both_bars() -> None:
    bars = make_bins([spread(1, 4, width=1, booleans=True)], (None,))
    assert [(bar.lower, bar.counts) for bar in bars] == [(0, [0]), (1, [4])]


def test_stretches_begin_at_whole_steps_and_cover_the_period() -> None:
    start = datetime(2026, 3, 4, 14, 23, tzinfo=UTC)  # a Wednesday
    assert bucket_starts(start, start + timedelta(hours=2), STEPS["hour"]) == [
        start.replace(hour=hour, minute=0) for hour in (14, 15, 16)
    ]
    assert bucket_starts(start, start.replace(day=6, hour=0, minute=0), STEPS["day"]) == [
        datetime(2026, 3, day, tzinfo=UTC) for day in (4, 5)
    ]
    assert bucket_starts(start, start + timedelta(days=7), STEPS["week"]) == [
        datetime(2026, 3, day, tzinfo=UTC) for day in (2, 9)
    ]
    assert bucket_starts(
        datetime(1001, 1, 1, tzinfo=UTC), datetime(1001, 1, 2, tzinfo=UTC), STEPS["day"]
    ) == [datetime(1001, 1, 1, tzinfo=UTC)]


def test_stretches_follow_the_clock_of_a_zone() -> None:
    berlin, kolkata = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")
    start = datetime(2026, 3, 27, 12, 10, tzinfo=UTC)
    days = bucket_starts(start, start + timedelta(days=3), STEPS["day"], berlin)
    assert days == [
        datetime(2026, 3, day, hour, tzinfo=UTC) for day, hour in ((26, 23), (27, 23), (28, 23), (29, 22))
    ]
    weeks = bucket_starts(start, start + timedelta(days=7), STEPS["week"], berlin)
    assert weeks == [datetime(2026, 3, 22, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)]
    hours = bucket_starts(start, start + timedelta(hours=1), STEPS["hour"], kolkata)
    assert hours == [start.replace(hour=hour, minute=30) for hour in (11, 12)]


def test_a_day_without_midnight_begins_at_its_first_instant() -> None:
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)  # in Beirut, 29 March begins at 01:00
    days = bucket_starts(start, start + timedelta(days=1), STEPS["day"], ZoneInfo("Asia/Beirut"))
    assert days == [datetime(2026, 3, 27, 22, tzinfo=UTC), datetime(2026, 3, 28, 22, tzinfo=UTC)]


def test_cards_stand_in_the_order_of_how_far_they_moved_beyond_noise() -> None:
    before = period(SPREAD)
    little, up, down, far = (Card("s", period(shifted(by)), before, []).beyond_noise for by in (1, 9, -9, 20))
    assert 0 == little < up < far
    assert down == pytest.approx(up)
    assert Card("s", period(SPREAD), None, []).beyond_noise == 0
    assert Card("s", period([70] * 30), period([50] * 30), []).beyond_noise == pytest.approx(1.98, abs=0.01)


def test_every_period_has_a_usual_step_that_is_possible() -> None:
    for days in range(1, 3661):
        length = timedelta(days=days)
        assert default_step(length) in possible_steps(length)
        for step in possible_steps(length):
            assert 2 <= length / STEPS[step] <= 530
