from __future__ import annotations

from datetime import timedelta
from itertools import accumulate

import pytest
from heliscore.jobs.retry_schedule import delay_before


@pytest.mark.parametrize(
    ("attempt", "longest_s"), [(2, 5), (3, 10), (4, 20), (11, 2560), (12, 3600), (13, 3600), (10_000, 3600)]
)
def test_delay_doubles_up_to_an_hour_and_chance_takes_up_to_half(attempt: int, longest_s: int) -> None:
    assert delay_before(attempt, 0) == timedelta(seconds=longest_s)
    assert delay_before(attempt, 0.5) == timedelta(seconds=longest_s * 0.75)
    assert delay_before(attempt, 1) == timedelta(seconds=longest_s / 2)


def test_day_has_a_few_dozen_attempts() -> None:
    for chance, attempts in ((0, 33), (1, 57)):
        delays = (delay_before(attempt, chance).total_seconds() for attempt in range(2, 100))
        assert 1 + sum(end <= 24 * 3600 for end in accumulate(delays)) == attempts
