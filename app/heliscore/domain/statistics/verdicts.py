"""The word for what a comparison shows."""

from __future__ import annotations

from heliscore.domain.statistics.compared import Question, Verdict
from heliscore.domain.statistics.estimates import Bare, Estimate, McNemar, Newcombe
from heliscore.domain.statistics.interval import Interval


def judge(
    estimate: Estimate, interval: Interval | None, p: float | None, alpha: float, question: Question
) -> Verdict:
    """Name the first that holds: a difference where p is below alpha, then a difference too small to matter.

    `interval` and p are both corrected, or both not.
    """
    if _is_too_little(estimate):
        return "tooFew"
    if _is_identical(estimate):
        return "identical"
    if p is not None and p < alpha and estimate.difference:
        return "better" if (estimate.difference > 0) == (question.direction == "up") else "worse"
    if interval is None or question.margin is None:
        return "noDifferenceShown"
    low, high = (
        (interval.low, interval.high) if question.direction == "up" else (-interval.high, -interval.low)
    )
    if low <= -question.margin:
        return "noDifferenceShown"
    return "equivalent" if high < question.margin else "notWorse"


def _is_too_little(estimate: Estimate) -> bool:
    """Whether a group has a single score. A share's has an interval, but decides nothing."""
    match estimate:
        case Bare(reason=reason):
            return reason == "tooFew"
        case Newcombe(base_count=n, other_count=m):
            return min(n, m) < 2
        case _:
            return False


def _is_identical(estimate: Estimate) -> bool:
    """Whether no value, or no item, differs."""
    match estimate:
        case Bare(difference=difference, reason=reason):
            return reason == "noVariance" and not difference
        case Newcombe(base=a, base_count=n, other=b, other_count=m):
            return (a == 0 and b == 0) or (a == n and b == m)
        case McNemar(losses=losses, gains=gains):
            return not losses and not gains
        case _:
            return False
