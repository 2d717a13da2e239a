"""Monitors in words, and the chart of a preview."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from heliscore.api.native.monitor_previews import Series
from heliscore.dashboard.parts.charts import (
    Bands,
    Chart,
    Line,
    Plot,
    Target,
    Tick,
    scale_around,
    scale_from_zero,
    value_ticks,
)
from heliscore.dashboard.parts.number_formats import (
    format_count,
    format_number,
    format_score_name,
    format_share,
)
from heliscore.domain.filter_tree import Column, Property
from heliscore.domain.monitors.monitor_definition import Bound, Definition, Statistic, WorseThan

STATISTICS: Final[dict[Statistic, str]] = {
    "average": "average",
    "share": "share of true",
    "p10": "10th percentile",
    "p25": "25th percentile",
    "p50": "median",
    "p75": "75th percentile",
    "p90": "90th percentile",
    "p95": "95th percentile",
    "p99": "99th percentile",
    "count": "number",
    "min": "lowest value",
    "max": "highest value",
    "unscored": "share of requests without it",
}

_MARKED: Final = 60
_NAMED: Final = 6
"""About so many times are named below a chart."""


def describe_watched(definition: Definition) -> str:
    """`average of relevance, each prompt_version`"""
    if definition.score is None:
        watched = "number of requests"
    else:
        watched = f"{STATISTICS[definition.statistic]} of {format_score_name(definition.score)}"
    match definition.group_by:
        case Column(name) | Property(name):
            watched += f", each {name}"
    return watched + ("" if definition.filter in ("all", {}) else ", filtered")


def describe_condition(definition: Definition) -> str:
    """`below 70`, `worse than a week before by more than 2`"""
    match definition.condition:
        case Bound(is_below, limit):
            return f"{'below' if is_below else 'above'} {show_value(limit, definition)}"
        case WorseThan(base, margin, _):
            than = "the window before" if base == "previous" else "a week before"
            by = f" by more than {show_value(margin, definition)}" if margin else ""
            return f"worse than {than}{by}"


def show_value(value: float | None, definition: Definition) -> str:
    if value is None:
        return "no data"
    return format_share(value) if definition.is_share else format_number(value)


def show_minutes(minutes: int) -> str:
    """`5 minutes`, `1 hour`, `7 days`"""
    for unit, size in (("day", 1440), ("hour", 60)):
        if minutes % size == 0:
            return f"{minutes // size} {unit}{'' if minutes == size else 's'}"
    return f"{minutes} minute{'' if minutes == 1 else 's'}"


def show_time(time: timedelta) -> str:
    return show_minutes(time // timedelta(minutes=1))


def draw(series: Series, definition: Definition) -> Chart | None:
    """A group's values, the limit, and where it would have fired; None where it never had data."""
    known = [value for value in series.values if value is not None]
    if not known:
        return None
    drawn = [series.values]
    match definition.condition:
        case Bound(_, limit):
            drawn.append([limit] * len(series.at))
        case WorseThan():
            drawn.append(series.base_values)
    known += [value for value in drawn[1] if value is not None]
    within = (0.0, 1.0) if definition.is_share else None
    scale = scale_around(min(known), max(known), within=within)
    counts = scale_from_zero(max(series.counts), most=2, least_step=1)
    bands = Bands(len(series.at))
    lines = [
        Line(
            number,
            [
                None if value is None else (bands.centre(n), scale.height(value))
                for n, value in enumerate(values)
            ],
            has_markers=number == 1 and len(series.at) <= _MARKED,
        )
        for number, values in enumerate(drawn, 1)
    ]
    fired = _fired(series)
    alarms = [(bands.centre(n), scale.height(series.values[n] or 0.0)) for n in fired]
    lines.append(
        Line(3, [*alarms])
        if len(alarms) == 1
        else Line(3, [place for one in alarms for place in (one, None)])
    )
    count_line = Line(
        2, [(bands.centre(n), counts.height(count)) for n, count in enumerate(series.counts)], False
    )
    return Chart(
        "trend",
        [
            Plot(value_ticks(scale, is_share=definition.is_share), lines=lines),
            Plot(value_ticks(counts), lines=[count_line]),
        ],
        _time_ticks(series),
        _targets(series, definition, fired),
    )


def _fired(series: Series) -> list[int]:
    """The places of the periods in which it fires for the first time."""
    places = {at: number for number, at in enumerate(series.at)}
    return [places[firing.fired_at] for firing in series.firings]


def _time_ticks(series: Series) -> list[Tick]:
    bands, stride = Bands(len(series.at)), max(1, len(series.at) // _NAMED)
    return [
        Tick(bands.centre(n), f"{at:%H:%M}", f"{at.day} {at:%b}", is_spare=number % 2 == 1)
        for number, (n, at) in enumerate(list(enumerate(series.at))[stride // 2 :: stride])
    ]


def _targets(series: Series, definition: Definition, fired: Sequence[int]) -> list[Target]:
    bands = Bands(len(series.at))
    return [
        Target(bands.begin(n), 0, bands.width(), 100, _describe_period(series, n, definition, fired))
        for n in range(len(series.at))
    ]


def _describe_period(series: Series, number: int, definition: Definition, fired: Sequence[int]) -> str:
    noun = "requests" if definition.score is None or definition.statistic == "unscored" else "scores"
    lines = [
        f"{series.at[number]:%d %b, %H:%M} UTC",
        f"{show_value(series.values[number], definition)}, {format_count(series.counts[number])} {noun}",
    ]
    return "\n".join([*lines, "fires"] if number in fired else lines)
