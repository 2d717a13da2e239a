"""From buckets of time to cards, and from counts by value to bins: pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby

import msgspec

from heliscore.dashboard.parts.charts import make_polylines
from heliscore.store.evaluations import Spread, TimeBucket, Total

SPARK_WIDTH = 100
SPARK_HEIGHT = 24
_MARGIN = 2


class Card(msgspec.Struct, frozen=True):
    """One score in the period and in the one before."""

    name: str
    total: Total
    before: Total | None
    points: list[Total | None]
    """By bucket of the period; None if there was no score."""

    @property
    def change(self) -> float | None:
        """The difference to the period before; None if that has no score or only one is a share."""
        if self.before is None or self.before.all_boolean != self.total.all_boolean:
            return None
        return self.total.average - self.before.average

    @property
    def sparks(self) -> list[str]:
        """A polyline for each run of buckets with scores, in SPARK_WIDTH by SPARK_HEIGHT."""
        averages = [point.average for point in self.points if point]
        lowest, span = min(averages), max(averages) - min(averages)
        across = SPARK_WIDTH / max(len(self.points) - 1, 1)

        def place(number: int, point: Total) -> tuple[float, float]:
            up = (point.average - lowest) / span if span else 0.5
            return number * across, SPARK_HEIGHT - _MARGIN - up * (SPARK_HEIGHT - 2 * _MARGIN)

        return make_polylines([place(n, point) if point else None for n, point in enumerate(self.points)])


class TrendPoint(msgspec.Struct, frozen=True):
    """One bucket of a chart over time."""

    begins_at: datetime
    shown: str
    total: Total | None


class Bin(msgspec.Struct, frozen=True):
    """One bin of a distribution."""

    lower: int
    width: int
    counts: list[int]
    """By group."""


def sum_totals(totals: Iterable[Total]) -> Total:
    """Add totals, at least one."""
    totals = list(totals)
    return Total(
        count=sum(total.count for total in totals),
        sum=sum(total.sum for total in totals),
        lowest=min(total.lowest for total in totals),
        highest=max(total.highest for total in totals),
        all_boolean=all(total.all_boolean for total in totals),
    )


def make_cards(found: Sequence[TimeBucket], bucket_count: int) -> list[Card]:
    """Make a card for each score of the period, whose buckets are numbered from 2; 1 is the period before."""
    cards = []
    for name, group in groupby(found, lambda bucket: bucket.name):
        by_number = {bucket.number: bucket for bucket in group}
        before = by_number.pop(1, None)
        if by_number:
            points = [by_number.get(number) for number in range(2, bucket_count + 2)]
            cards.append(Card(name, sum_totals(by_number.values()), before, [*points]))
    return cards


def make_bins(spreads: Sequence[Spread], groups: Sequence[str | None]) -> list[Bin]:
    """Make one score's bins from the lowest to the highest, empty ones included; of booleans both."""
    if not spreads:
        return []
    width = spreads[0].width
    counts = {(spread.group, spread.lower): spread.count for spread in spreads}
    lowest, highest = (pick(spread.lower for spread in spreads) for pick in (min, max))
    if all(spread.all_boolean for spread in spreads):
        lowest, highest = 0, 1
    return [
        Bin(lower, width, [counts.get((group, lower), 0) for group in groups])
        for lower in range(lowest, highest + 1, width)
    ]
