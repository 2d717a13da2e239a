from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from heliscore.dashboard.parts.time_range import STEPS, bucket_starts, default_step, possible_steps
from heliscore.dashboard.parts.trends import Card, make_bins, make_cards
from heliscore.store.evaluations import Spread, TimeBucket, Total


def total(average: int) -> Total:
    return Total(1, average, average, average, False)


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
    points = [None if average is None else total(average) for average in averages]
    assert Card("s", total(1), None, points).sparks == lines


def test_a_score_of_the_period_before_alone_has_no_card() -> None:
    stretch = (3, 9, 1, 5, False)
    found = [
        TimeBucket(*stretch, "old", 1),
        TimeBucket(*stretch, "s", 1),
        TimeBucket(1, 8, 8, 8, True, "s", 3),
    ]
    assert make_cards(found, 2) == [
        Card("s", Total(1, 8, 8, 8, True), found[1], [None, found[2]]),
    ]


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


def test_every_period_has_a_usual_step_that_is_possible() -> None:
    for days in range(1, 3661):
        length = timedelta(days=days)
        assert default_step(length) in possible_steps(length)
        for step in possible_steps(length):
            assert 2 <= length / STEPS[step] <= 530
