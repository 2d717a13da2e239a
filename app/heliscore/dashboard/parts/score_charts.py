"""The four charts of scores, each made from the numbers of the table beside it: average over time,
distribution, distributions of groups, and shares of groups."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from heliscore.dashboard.parts.chart_marks import make_marks
from heliscore.dashboard.parts.charts import (
    Bands,
    Box,
    Chart,
    Line,
    Plot,
    Scale,
    Target,
    Tick,
    bin_ticks,
    scale_around,
    scale_from_zero,
    time_ticks,
    value_ticks,
)
from heliscore.dashboard.parts.number_formats import (
    format_bin,
    format_count,
    format_share,
    format_value,
)
from heliscore.dashboard.parts.time_range import STEPS
from heliscore.dashboard.parts.trends import Bin, TrendPoint
from heliscore.domain.messages import shortened

_MARKED: Final = 60
"""More markers would hide the line."""

_LONGEST_NAME: Final = 18
_ROOM_FOR_LABELS: Final = 1.18
"""The horizontal axis of shares goes a little beyond 100 %."""

_QUARTERS: Final = (0, 0.25, 0.5, 0.75, 1)


def make_trend(points: Sequence[TrendPoint], step: str, *, is_share: bool) -> Chart:
    """The average in each bucket of time, above the number of scores in it; at least one has a score."""
    totals = [point.total for point in points]
    averages = [total.average for total in totals if total]
    counts = [total.count if total else 0 for total in totals]
    scale = scale_around(min(averages), max(averages), within=(0, 1) if is_share else None)
    below = scale_from_zero(max(counts), most=2, least_step=1)
    bands = Bands(len(points))
    line = Line(
        1,
        [(bands.centre(n), scale.height(total.average)) if total else None for n, total in enumerate(totals)],
        has_markers=len(points) <= _MARKED,
    )
    return Chart(
        "trend",
        [
            Plot(value_ticks(scale, is_share=is_share), lines=[line]),
            Plot(value_ticks(below), boxes=_columns(counts, below, series=0, filled=0.72)),
        ],
        time_ticks([point.begins_at for point in points], STEPS[step]),
        _column_targets(
            [_describe(point, is_share=is_share) for point in points],
            [point.worst_href if point.total else "" for point in points],
        ),
        make_marks(
            [
                (release.place, shortened(release.name, _LONGEST_NAME), release.href)
                for point in points
                for release in point.releases
            ]
        ),
    )


def _describe(point: TrendPoint, *, is_share: bool) -> str:
    lines = [point.shown]
    if point.total is None:
        lines.append("no score")
    else:
        average = format_value(point.total.average, is_share)
        lines += [f"{'share of true' if is_share else 'average'} {average}", _scores(point.total.count)]
    return "\n".join((*lines, *(f"first use of {release.name}" for release in point.releases)))


def _scores(count: int) -> str:
    return f"{format_count(count)} {'score' if count == 1 else 'scores'}"


def make_distribution(bins: Sequence[Bin], *, is_share: bool, hrefs: Sequence[str] = ()) -> Chart:
    """How many scores each bin has. `hrefs`: the addresses of their requests."""
    counts = [bin_.counts[0] for bin_ in bins]
    scale = scale_from_zero(max(counts), least_step=1)
    texts = [
        f"{format_bin(bin_, is_share)}\n{_scores(count)}, {format_share(count / sum(counts))}"
        for bin_, count in zip(bins, counts, strict=True)
    ]
    return Chart(
        "distribution",
        [Plot(value_ticks(scale), boxes=_columns(counts, scale, series=1, filled=0.5 if is_share else 0.92))],
        _bin_ticks(bins, is_share=is_share),
        _column_targets(texts, [href if count else "" for href, count in zip(hrefs, counts, strict=False)]),
    )


def make_spread(bins: Sequence[Bin], names: Sequence[str], hrefs: Sequence[Sequence[str]] = ()) -> Chart:
    """How the scores of each group are distributed, as shares of the group's scores. `hrefs`: for each bin,
    and in it for each group, the address of the requests. A click leads to those of the nearest point."""
    totals = [sum(counts) for counts in zip(*(bin_.counts for bin_ in bins), strict=True)]
    shares = [
        [count / total if total else None for count, total in zip(bin_.counts, totals, strict=True)]
        for bin_ in bins
    ]
    scale = scale_from_zero(max(share for of_groups in shares for share in of_groups if share is not None))
    bands = Bands(len(bins))
    lines: list[Line] = []
    for group, total in enumerate(totals):
        heights = [scale.height(of_groups[group] or 0) for of_groups in shares]
        if total:
            lines.append(Line(group + 1, [(bands.centre(n), y) for n, y in enumerate(heights)]))
    texts = [
        "\n".join(
            [
                format_bin(bin_, is_share=False),
                *(
                    f"{name}: {format_share(share)}, {format_count(count)}"
                    for name, share, count in zip(names, of_groups, bin_.counts, strict=True)
                    if share is not None
                ),
            ]
        )
        for bin_, of_groups in zip(bins, shares, strict=True)
    ]
    return Chart(
        "spread",
        [Plot(value_ticks(scale, is_share=True), lines=lines)],
        _bin_ticks(bins, is_share=False),
        _nearest_targets(lines, texts, hrefs) if hrefs else _column_targets(texts),
    )


def _nearest_targets(
    lines: Sequence[Line], texts: Sequence[str], hrefs: Sequence[Sequence[str]]
) -> list[Target]:
    """Cut the column of each bin halfway between its points, of which each line has one a column."""
    bands = Bands(len(texts))
    targets: list[Target] = []
    for n, (text, of_groups) in enumerate(zip(texts, hrefs, strict=True)):
        places = [(place[1], line.series - 1) for line in lines if (place := line.places[n])]
        points = sorted(point for point in places if of_groups[point[1]]) or [(0.0, -1)]
        cuts = [0.0, *((a[0] + b[0]) / 2 for a, b in pairwise(points)), 100.0]
        targets += [
            Target(
                bands.begin(n), top, bands.width(), end - top, text, of_groups[group] if group >= 0 else ""
            )
            for (_, group), (top, end) in zip(points, pairwise(cuts), strict=True)
            if end > top
        ]
    return targets


def make_shares(bins: Sequence[Bin], names: Sequence[str], hrefs: Sequence[str] = ()) -> Chart:
    """The share of true of each group, as horizontal bars. `hrefs`: the addresses of the groups' requests."""
    scale = Scale(0, _ROOM_FOR_LABELS, [*_QUARTERS])
    bands = Bands(len(names))
    boxes: list[Box] = []
    targets: list[Target] = []
    for group, (name, false, true) in enumerate(zip(names, *(bin_.counts for bin_ in bins), strict=True)):
        total = false + true
        share = true / total if total else 0
        label = format_share(share) if total else "no score"
        boxes.append(Box(group + 1, 0, bands.begin(group, 0.6), scale.place(share), bands.width(0.6), label))
        of = f"\n{format_count(true)} of {format_count(total)}" if total else ""
        href = hrefs[group] if hrefs and total else ""
        targets.append(Target(0, bands.begin(group), 100, bands.width(), f"{name}: {label}{of}", href))
    return Chart(
        "shares",
        [
            Plot(
                [Tick(bands.centre(n), shortened(name, _LONGEST_NAME)) for n, name in enumerate(names)],
                boxes=boxes,
            )
        ],
        [
            Tick(scale.place(value), format_share(value), is_spare=n % 2 == 1)
            for n, value in enumerate(scale.values)
        ],
        targets,
    )


def _columns(counts: Sequence[int], scale: Scale, *, series: int, filled: float) -> list[Box]:
    bands = Bands(len(counts))
    return [
        Box(series, bands.begin(n, filled), scale.height(count), bands.width(filled), scale.place(count))
        for n, count in enumerate(counts)
        if count
    ]


def _column_targets(texts: Sequence[str], hrefs: Sequence[str] = ()) -> list[Target]:
    bands = Bands(len(texts))
    return [
        Target(bands.begin(n), 0, bands.width(), 100, text, hrefs[n] if hrefs else "")
        for n, text in enumerate(texts)
    ]


def _bin_ticks(bins: Sequence[Bin], *, is_share: bool) -> list[Tick]:
    if is_share:
        bands = Bands(len(bins))
        return [Tick(bands.centre(n), format_bin(bin_, is_share)) for n, bin_ in enumerate(bins)]
    return bin_ticks([bin_.lower for bin_ in bins], bins[0].width)
