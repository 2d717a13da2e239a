"""When a change began: the boundary between hours or days that parts a series best into before and after."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from itertools import accumulate

from heliscore.domain.changes.period_scores import Bucket, TwoPeriods


def find_onset(buckets: Sequence[Bucket], periods: TwoPeriods, *, is_rise: bool) -> datetime | None:
    """Return the beginning of the first bucket after the change; None where no boundary has a change in that
    direction, or where it was in a time that was not read.

    `buckets` are in order, those without scores left out. Of all boundaries it is the one with the largest
    sum of squares between what is before and what is behind it: n m / (n + m) times the squared difference of
    the means.
    """
    counts = list(accumulate(bucket.count for bucket in buckets))
    sums = list(accumulate(bucket.sum for bucket in buckets))
    best: Fraction | int = 0
    onset = None
    for number in range(1, len(buckets)):
        n, s = counts[number - 1], sums[number - 1]
        m, t = counts[-1] - n, sums[-1] - s
        apart = t * n - s * m
        # The squares are of whole numbers: no digit is lost, and equal boundaries are equal.
        between = Fraction(apart * apart, n * m)
        if between > best and (apart > 0) == is_rise:
            best, onset = between, number
    return None if onset is None else _begin(buckets, onset, periods)


def _begin(buckets: Sequence[Bucket], onset: int, periods: TwoPeriods) -> datetime | None:
    last, first = buckets[onset - 1].begins_at, buckets[onset].begins_at
    is_in_gap = last < periods.before_end and first + periods.step > periods.start
    return None if is_in_gap and not periods.are_adjacent else first
