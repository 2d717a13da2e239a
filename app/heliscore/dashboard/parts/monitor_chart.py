"""Draws what a monitor would have come to: its values, what they are compared with, where it fires."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from heliscore.api.native.monitor_preview import Series
from heliscore.dashboard.parts.charts import (
    Bands,
    Chart,
    Line,
    Plot,
    Scale,
    Target,
    Tick,
    scale_around,
    scale_from_zero,
    value_ticks,
)
from heliscore.dashboard.parts.monitor_links import value_href
from heliscore.dashboard.parts.monitor_words import show_value
from heliscore.dashboard.parts.number_formats import format_count
from heliscore.domain.monitors.monitor_definition import Bound, Definition
from heliscore.domain.monitors.monitor_schedule import window_at

_MARKED: Final = 60
_NAMED: Final = 6
"""About so many times are named below a chart."""


def draw(series: Series, definition: Definition) -> Chart | None:
    """A group's values, the limit, and where it would have fired; None where it never had data."""
    known = [value for value in series.values if value is not None]
    if not known:
        return None
    compared: list[float | None] = series.base_values
    if isinstance(definition.condition, Bound):
        compared = [definition.condition.limit] * len(series.at)
    known += [value for value in compared if value is not None]
    within = (0.0, 1.0) if definition.is_share else None
    scale = scale_around(min(known), max(known), within=within)
    counts = scale_from_zero(max(series.counts), most=2, least_step=1)
    bands, fired = Bands(len(series.at)), _fired(series)

    def place(values: Sequence[float | None], scale: Scale) -> list[tuple[float, float] | None]:
        return [
            None if value is None else (bands.centre(n), scale.height(value))
            for n, value in enumerate(values)
        ]

    value_line, compared_line = (place(values, scale) for values in (series.values, compared))
    lines = [
        Line(1, value_line, has_markers=len(series.at) <= _MARKED),
        Line(2, compared_line, has_markers=False),
        Line(3, [at if n in fired else None for n, at in enumerate(value_line)]),
    ]
    return Chart(
        "trend",
        [
            Plot(value_ticks(scale, is_share=definition.is_share), lines=lines),
            Plot(value_ticks(counts), lines=[Line(2, place(series.counts, counts), has_markers=False)]),
        ],
        _time_ticks(series),
        _targets(series, definition, fired),
        in_new_tab=True,
    )


def _fired(series: Series) -> set[int]:
    """The places of the periods in which it begins to fire."""
    begins = {firing.fired_at for firing in series.firings}
    return {number for number, at in enumerate(series.at) if at in begins}


def _time_ticks(series: Series) -> list[Tick]:
    bands, stride = Bands(len(series.at)), max(1, len(series.at) // _NAMED)
    return [
        Tick(bands.centre(n), f"{at:%H:%M}", f"{at.day} {at:%b}", is_spare=number % 2 == 1)
        for number, (n, at) in enumerate(list(enumerate(series.at))[stride // 2 :: stride])
    ]


def _targets(series: Series, definition: Definition, fired: Collection[int]) -> list[Target]:
    bands = Bands(len(series.at))
    return [
        Target(
            bands.begin(n),
            0,
            bands.width(),
            100,
            _describe_period(series, n, definition, fired),
            value_href(definition, series.group, window_at(definition, at)) if series.counts[n] else "",
        )
        for n, at in enumerate(series.at)
    ]


def _describe_period(series: Series, number: int, definition: Definition, fired: Collection[int]) -> str:
    noun = "requests" if definition.score is None or definition.statistic == "unscored" else "scores"
    lines = [
        f"{series.at[number]:%d %b, %H:%M} UTC",
        f"{show_value(series.values[number], definition)}, {format_count(series.counts[number])} {noun}",
    ]
    return "\n".join([*lines, "fires"] if number in fired else lines)
