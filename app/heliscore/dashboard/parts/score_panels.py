"""The panels of the overview: one score's trend and distribution, of which every point and bar leads to its
requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from heliscore.api.shared.filter_leaves import between, scored, scored_between
from heliscore.dashboard.parts.charts import Chart
from heliscore.dashboard.parts.number_formats import format_bucket
from heliscore.dashboard.parts.request_links import requests_href, worst_first
from heliscore.dashboard.parts.score_charts import make_distribution, make_trend
from heliscore.dashboard.parts.time_range import TimeRange
from heliscore.dashboard.parts.trends import Bin, Card, Release, TrendPoint, make_bins
from heliscore.domain.score_definition import ScoreDefinition
from heliscore.store.evaluations import Spread


class Panel(msgspec.Struct, frozen=True):
    """One score's charts. `card` and charts are None if the period has no such score."""

    name: str
    card: Card | None = None
    trend_points: list[TrendPoint] = []
    bins: list[Bin] = []
    bin_hrefs: list[str] = []
    trend: Chart | None = None
    distribution: Chart | None = None


class Buckets(msgspec.Struct, frozen=True):
    """The buckets of all trends of a page."""

    step: str
    begins: Sequence[datetime]
    releases: Sequence[tuple[Release, ...]]
    """Those of each bucket."""


def make_panel(
    name: str,
    card: Card | None,
    spreads: Sequence[Spread],
    buckets: Buckets,
    time_range: TimeRange,
    definitions: Mapping[str, ScoreDefinition],
) -> Panel:
    """Make one score's charts; `spreads` are those of all scores."""
    if card is None:
        return Panel(name)
    is_share = card.is_share
    bins = make_bins([spread for spread in spreads if spread.name == name], (None,), is_share=is_share)
    sort = worst_first(name, definitions)
    hrefs = [
        requests_href(time_range, scored_between(name, bin_.lower, bin_.lower + bin_.width - 1), sort=sort)
        for bin_ in bins
    ]
    points = _make_points(card, buckets, time_range, sort)
    trend = make_trend(points, buckets.step, is_share=is_share)
    return Panel(
        name, card, points, bins, hrefs, trend, make_distribution(bins, is_share=is_share, hrefs=hrefs)
    )


def _make_points(card: Card, buckets: Buckets, time_range: TimeRange, sort: str) -> list[TrendPoint]:
    has_it = scored(card.name)
    points = []
    ends = [*buckets.begins[1:], time_range.end]
    for begin, end, total, releases in zip(buckets.begins, ends, card.points, buckets.releases, strict=True):
        local = begin.astimezone(time_range.zone).replace(tzinfo=UTC)
        within = between(max(begin, time_range.start), end)
        points.append(
            TrendPoint(
                local,
                format_bucket(local, buckets.step),
                total,
                requests_href(time_range, has_it, within) if total else "",
                requests_href(time_range, has_it, within, sort=sort) if total else "",
                releases,
            )
        )
    return points
