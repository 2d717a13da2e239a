"""When a change began, against trying every boundary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from heliscore.domain.changes.onset import find_onset
from heliscore.domain.changes.period_scores import Bucket, TwoPeriods

DAY = timedelta(days=1)
START = datetime(2026, 3, 1, tzinfo=UTC)
WEEKS = TwoPeriods(START, START + 7 * DAY, START + 7 * DAY, START + 14 * DAY)


def buckets(*means: int | None, count: int = 10, apart: int = 1) -> list[Bucket]:
    """One a day; None: without scores."""
    return [
        Bucket(START + day * apart * DAY, count, mean * count)
        for day, mean in enumerate(means)
        if mean is not None
    ]


def test_change_begins_where_the_values_part() -> None:
    assert find_onset(buckets(9, 9, 9, 9, 5, 5, 5), WEEKS, is_rise=False) == START + 4 * DAY
    assert find_onset(buckets(9, 9, None, None, 12, 12), WEEKS, is_rise=True) == START + 4 * DAY


def test_boundary_of_the_other_direction_does_not_count() -> None:
    values = buckets(0, 9, 9, 9, 9, 8, 8)
    assert find_onset(values, WEEKS, is_rise=True) == START + DAY
    assert find_onset(buckets(1, 1, 1, 2, 2), WEEKS, is_rise=False) is None


@pytest.mark.parametrize("values", [(), (5,), (5, 5, 5)])
def test_no_change_has_no_beginning(values: tuple[int, ...]) -> None:
    assert find_onset(buckets(*values), WEEKS, is_rise=False) is None


def test_change_between_times_that_are_apart_has_no_beginning() -> None:
    apart = TwoPeriods(START, START + DAY, START + 7 * DAY, START + 8 * DAY)
    hours = [
        Bucket(at + hour * DAY / 24, 10, 10 * mean)
        for at, mean in ((apart.before_start, 9), (apart.start, 5))
        for hour in range(24)
    ]
    assert find_onset(hours, apart, is_rise=False) is None
    late = [*hours[:34], *(Bucket(hour.begins_at, 10, 0) for hour in hours[34:])]
    late = [Bucket(hour.begins_at, 10, 90 if number < 34 else 0) for number, hour in enumerate(late)]
    assert find_onset(late, apart, is_rise=False) == apart.start + 10 * DAY / 24


def test_beginning_is_the_best_of_all_boundaries() -> None:
    chance = Random(7)
    for _ in range(200):
        found = [
            Bucket(START + day * DAY, chance.randint(1, 30), chance.randint(-500, 500)) for day in range(12)
        ]
        is_rise = chance.random() < 0.5
        best = max(range(1, 12), key=lambda number: between(found, number, is_rise))
        onset = find_onset(found, WEEKS, is_rise=is_rise)
        if between(found, best, is_rise) > 0:
            assert onset == found[best].begins_at
        else:
            assert onset is None


def between(found: list[Bucket], number: int, is_rise: bool) -> float:
    """The sum of squares between the buckets before and from `number` on; 0 in the other direction."""
    sides = [
        (sum(one.count for one in side), sum(one.sum for one in side))
        for side in (found[:number], found[number:])
    ]
    (n, s), (m, t) = sides
    difference = t / m - s / n
    return n * m / (n + m) * difference**2 if (difference > 0) == is_rise else 0.0
