"""From buckets of time to cards, and from counts by value to bins: pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

import msgspec

from heliscore.dashboard.parts.charts import make_polylines
from heliscore.domain.statistics.arms import measure_of
from heliscore.domain.statistics.compared import Question
from heliscore.domain.statistics.estimates import Estimate, Newcombe
from heliscore.domain.statistics.interval import Interval
from heliscore.domain.statistics.means import estimate_difference, means_of_samples
from heliscore.domain.statistics.samples import Sample
from heliscore.store.evaluations import Period, Spread, TimeBucket, Total

SPARK_WIDTH = 100
SPARK_HEIGHT = 24
_MARGIN = 2

LEAST: Final = 30
"""With fewer scores in one of them, two periods are not compared."""

_CONFIDENCE: Final = 0.95


class Change(msgspec.Struct, frozen=True):
    """The difference of a period's average to the one before."""

    difference: float
    interval: Interval | None = None
    """At 95 %; None where there are too few scores, or where no value differs from the others."""

    is_few: bool = False
    """Whether one of the periods has too few scores."""

    is_clear: bool = False
    """Whether the difference is more than chance."""

    @property
    def distances(self) -> Interval | None:
        """The interval of the difference's size, of a clear one."""
        if self.interval is None or self.difference > 0:
            return self.interval
        return Interval(-self.interval.high, -self.interval.low)


class Card(msgspec.Struct, frozen=True):
    """One score in the period and in the one before."""

    name: str
    total: Period
    before: Period | None
    points: list[Total | None]
    """By bucket of the period; None if there was no score."""

    @property
    def is_share(self) -> bool:
        return self.total.is_share

    @property
    def change(self) -> Change | None:
        """The difference to the period before; None if that has no score or only one of them is a share."""
        return None if self.before is None else compare_periods(self.before, self.total)

    @property
    def beyond_noise(self) -> float:
        """How far the average has moved beyond noise, in standard deviations of the values of both periods:
        the end of the interval that is nearest to no change. 0 if no change is clear."""
        change = self.change
        if self.before is None or change is None or not change.is_clear:
            return 0.0
        deviation = self.before.sample.plus(self.total.sample).deviation or 1.0
        nearest = change.distances.low if change.distances else abs(change.difference)
        return nearest / deviation

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


class Release(msgspec.Struct, frozen=True):
    """The first use of a model, a prompt version, or a value of a property."""

    name: str
    place: float
    """On the horizontal axis, in percent."""

    href: str


class TrendPoint(msgspec.Struct, frozen=True):
    """One bucket of a chart over time."""

    begins_at: datetime
    """By the clock of the page's zone, as if that were UTC."""

    shown: str
    total: Total | None
    href: str = ""
    """Of its requests with the score."""

    worst_href: str = ""
    """Of the same, the worst first."""

    releases: tuple[Release, ...] = ()


class Bin(msgspec.Struct, frozen=True):
    """One bin of a distribution."""

    lower: int
    width: int
    counts: list[int]
    """By group."""


def compare_periods(before: Period, now: Period) -> Change | None:
    """Tell by how much the average has changed, and whether by more than chance: by Newcombe's interval where
    all values are 0 or 1, else by Welch's. None where only one of them is a share."""
    samples = before.sample, now.sample
    is_share, difference = measure_of(samples) == "share", now.average - before.average
    if before.is_share != now.is_share and not is_share:
        return None
    if min(before.count, now.count) < LEAST:
        return Change(difference, is_few=True)
    estimate = _estimate(*samples, is_share=is_share)
    interval = estimate.interval(_CONFIDENCE)
    if interval is None:  # no value of either period differs from the others
        return Change(difference, is_clear=difference != 0)
    return Change(difference, interval, is_clear=interval.low > 0 or interval.high < 0)


def _estimate(before: Sample, now: Sample, *, is_share: bool) -> Estimate:
    if is_share:
        return Newcombe(int(before.sum), before.count, int(now.sum), now.count)
    return estimate_difference(means_of_samples(before, now), Question(measure="mean"))


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


def sum_periods(periods: Iterable[Period]) -> Period:
    """Add periods, at least one."""
    periods = list(periods)
    total, squares = sum_totals(periods), sum(period.squares for period in periods)
    any_boolean = any(period.any_boolean for period in periods)
    return Period(**msgspec.structs.asdict(total), squares=squares, any_boolean=any_boolean)


def make_cards(found: Sequence[TimeBucket], bucket_count: int) -> list[Card]:
    """Make a card for each score of the period, whose buckets are numbered from 2; 1 is the period before."""
    cards = []
    for name, group in groupby(found, lambda bucket: bucket.name):
        by_number = {bucket.number: bucket for bucket in group}
        before = by_number.pop(1, None)
        if by_number:
            points = [by_number.get(number) for number in range(2, bucket_count + 2)]
            cards.append(Card(name, sum_periods(by_number.values()), before, [*points]))
    return cards


def make_bins(
    spreads: Sequence[Spread], groups: Sequence[str | None], *, is_share: bool = False
) -> list[Bin]:
    """Make one score's bins from the lowest to the highest, empty ones included; of shares, and booleans,
    both."""
    if not spreads:
        return []
    width = spreads[0].width
    counts = {(spread.group, spread.lower): spread.count for spread in spreads}
    lowest, highest = (pick(spread.lower for spread in spreads) for pick in (min, max))
    if is_share or all(spread.all_boolean for spread in spreads):
        lowest, highest = 0, 1
    return [
        Bin(lower, width, [counts.get((group, lower), 0) for group in groups])
        for lower in range(lowest, highest + 1, width)
    ]
