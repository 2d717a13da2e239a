"""From counts by value to bins: pure."""

from __future__ import annotations

from collections.abc import Sequence

from heliscore.dashboard.parts.trends import Bin
from heliscore.domain.statistics.confusion import bins_between
from heliscore.domain.statistics.samples import Counts


def bin_counts(groups: Sequence[Counts | None], most: int) -> list[Bin]:
    """Count the values of one score by bin, at most so many, the same in all groups; empty ones included. Of
    values that are all 0 or 1, both have a bin."""
    values = [value for counts in groups for value in counts or ()]
    if not values:
        return []
    lowest, highest = min(values), max(values)
    if lowest >= 0 and highest <= 1:
        lowest, highest = 0, 1
    bins = bins_between(lowest, highest, most)
    first, last = lowest // bins.width, highest // bins.width
    made = [Bin(number * bins.width, bins.width, [0] * len(groups)) for number in range(first, last + 1)]
    for place, counts in enumerate(groups):
        for value, count in (counts or {}).items():
            made[value // bins.width - first].counts[place] += count
    return made
