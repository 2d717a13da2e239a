from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from heliscore.domain.monitors.monitor_definition import WorseThan
from heliscore.domain.monitors.monitor_schedule import (
    Due,
    Window,
    base_window,
    begin,
    find_due,
    next_end,
    window_at,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.monitors.definitions import HOUR, MINUTE, NOON, define

FIVE = 5 * MINUTE


def at(minutes: float) -> datetime:
    return NOON + minutes * MINUTE


@pytest.mark.parametrize(
    ("until", "now", "due"),
    [
        (0, 0, Due([])),
        (0, 4.99, Due([])),
        (0, 5, Due([at(5)])),
        (0, 9.9, Due([at(5)])),
        (0, 10, Due([at(5), at(10)])),
        (0, 50, Due([at(end) for end in range(5, 51, 5)])),
        (0, 55, Due([at(end) for end in range(10, 56, 5)], 1, at(5))),
        (0, 24 * 60, Due([at(end) for end in range(24 * 60 - 45, 24 * 60 + 1, 5)], 278, at(24 * 60 - 50))),
        (3, 5, Due([at(5)])),
        (60, 0, Due([])),  # the clock was set back
        (60, -600, Due([])),
    ],
)
def test_periods_that_are_due(until: float, now: float, due: Due) -> None:
    assert find_due(at(until), at(now), FIVE) == due


@pytest.mark.parametrize(
    ("now", "evaluated", "until", "following"),
    [
        (1, None, -5, 0),  # the period that ended at noon is the first
        (0, None, -5, 0),
        (1, -5, -5, 0),
        (1, 0, 0, 5),  # it was evaluated before the monitor was changed
        (61, 0, 55, 60),
        (-60, 0, 0, 5),
    ],
)
def test_monitor_begins_with_the_period_that_ended_last(
    now: float, evaluated: float | None, until: float, following: float
) -> None:
    begun = begin(at(now), FIVE, None if evaluated is None else at(evaluated))
    assert (begun, next_end(begun, FIVE)) == (at(until), at(following))


def test_periods_of_a_day_end_at_midnight() -> None:
    day = timedelta(days=1)
    assert find_due(begin(NOON, day), NOON, day).ends == [NOON - 12 * HOUR]


@given(every=st.integers(1, 1440), until=st.integers(-10_000, 0), clock=st.lists(st.integers(-500, 20_000)))
def test_no_period_is_evaluated_twice_or_left_out_unsaid(every: int, until: int, clock: list[int]) -> None:
    """Whatever the clock does."""
    period = every * MINUTE
    reached = at(until)
    done: list[datetime] = []
    skipped = 0
    for now in clock:
        due = find_due(reached, at(now), period)
        assert all(end <= at(now) for end in due.ends)
        done += due.ends
        skipped += due.skipped
        reached = due.ends[-1] if due.ends else reached
    assert done == sorted(set(done))
    assert reached == at(until) or len(done) + skipped == (reached - next_end(at(until), period)) / period + 1


def test_window_ends_before_the_period_does() -> None:
    definition = define(window=2 * HOUR, delay=10 * MINUTE)
    window = window_at(definition, NOON)
    assert window == Window(NOON - 130 * MINUTE, NOON - 10 * MINUTE)
    assert base_window(definition, window) is None


@pytest.mark.parametrize(("base", "shift"), [("previous", 2 * HOUR), ("week", 7 * 24 * HOUR)])
def test_base_is_an_earlier_window_of_the_same_length(base: str, shift: timedelta) -> None:
    definition = define(window=2 * HOUR, condition=WorseThan(base, 5, 0.95))  # type: ignore[arg-type]
    window = window_at(definition, NOON)
    assert base_window(definition, window) == Window(window.start - shift, window.end - shift)
