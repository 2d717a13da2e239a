"""The word for what a comparison shows."""

from __future__ import annotations

import pytest
from heliscore.domain.statistics.compared import Direction, Question
from heliscore.domain.statistics.estimates import Student
from heliscore.domain.statistics.interval import Interval
from heliscore.domain.statistics.verdicts import judge


@pytest.mark.parametrize(
    ("low", "high", "margin", "up", "down"),
    [
        (1, 3, None, "better", "worse"),
        (-3, -1, None, "worse", "better"),
        (-1, 2, None, "noDifferenceShown", "noDifferenceShown"),
        (-1, 2, 3, "equivalent", "equivalent"),
        (-1, 2, 1.5, "notWorse", "noDifferenceShown"),
        (-2, 1, 1.5, "noDifferenceShown", "notWorse"),
        (-2, 2, 1, "noDifferenceShown", "noDifferenceShown"),
        # A difference is shown before it is called small.
        (1, 2, 3, "better", "worse"),
    ],
)
def test_verdict_follows_from_interval_and_direction(
    low: float, high: float, margin: float | None, up: str, down: str
) -> None:
    estimate = Student((low + high) / 2, 1, 100)
    p = 0.01 if low > 0 or high < 0 else 0.5
    found = []
    directions: tuple[Direction, ...] = ("up", "down")
    for direction in directions:
        question = Question(measure="mean", direction=direction, margin=margin)
        found.append(judge(estimate, Interval(low, high), p, 0.05, question))
    assert found == [up, down]
