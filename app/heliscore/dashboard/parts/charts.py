"""The geometry of charts: scales, ticks, and lines and rectangles on a plot.

Every place is in percent of its plot, from the left and from the top. SVG takes percentages wherever a chart
has text, points or rectangles, so that a chart fits any width and its text keeps its size. Only the points of
a polyline must be plain numbers; it is drawn in a box of 100 by 100 that is stretched over the plot.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from math import ceil, floor, log10
from typing import Final

import msgspec

_MANTISSAS: Final = (1, 2, 5, 10)
_PADDING: Final = 0.06
"""Room beyond the outermost values, as a share of their distance."""

_UNITS: Final = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))
_SHORT_BELOW: Final = 10_000
_A_MONDAY: Final = datetime(1970, 1, 5, tzinfo=UTC)
_STRIDES: Final[dict[timedelta, tuple[int, ...]]] = {
    timedelta(hours=1): (1, 2, 3, 6, 12, 24, 48, 96, 168),
    timedelta(days=1): (1, 2, 7, 14, 28, 56, 112),
    timedelta(weeks=1): (1, 2, 4, 13, 26, 52, 104),
}
"""Every how many buckets of a length one is named, so that names stand at midnights and Mondays."""


class Tick(msgspec.Struct, frozen=True):
    """A named place on an axis."""

    place: float
    label: str
    more: str = ""
    """A second line: the day of an hour, or the year of a day, where it differs from the tick before."""

    is_spare: bool = False
    """Left out where the chart is narrow."""


class Line(msgspec.Struct, frozen=True):
    """A line through places, with a gap at every None."""

    series: int
    places: list[tuple[float, float] | None]
    has_markers: bool = True

    @property
    def runs(self) -> list[str]:
        return make_polylines(self.places)

    @property
    def markers(self) -> list[tuple[float, float]]:
        return [place for place in self.places if place] if self.has_markers else []


class Box(msgspec.Struct, frozen=True):
    """A bar. Series 0 is the quiet one."""

    series: int
    x: float
    y: float
    width: float
    height: float
    label: str = ""
    """Shown at its right end."""


class Target(msgspec.Struct, frozen=True):
    """An area of the chart, and the lines of text that belong to it."""

    x: float
    y: float
    width: float
    height: float
    text: str
    href: str = ""
    """Where a click leads; empty: nowhere."""


class Mark(msgspec.Struct, frozen=True):
    """A vertical line with a name above the chart."""

    place: float
    label: str
    row: int
    """Of the names, from the chart up."""

    href: str
    anchor: str
    """The side of the line on which the name stands: it is the name's `start` or `end`."""


class Plot(msgspec.Struct, frozen=True):
    """An area with its vertical axis. A chart has one or several, one above the other."""

    ticks: list[Tick]
    lines: list[Line] = []
    boxes: list[Box] = []


class Chart(msgspec.Struct, frozen=True):
    """Plots over one horizontal axis."""

    kind: str
    """The class that sizes it: `trend`, `distribution`, `spread` or `shares`."""

    plots: list[Plot]
    ticks: list[Tick]
    targets: list[Target]
    marks: list[Mark] = []
    in_new_tab: bool = False
    """Whether its links open a tab, so that what was entered beside it stays."""

    @property
    def axis_width(self) -> int:
        """Pixels for the longest label of a vertical axis."""
        longest = max((len(tick.label) for plot in self.plots for tick in plot.ticks), default=0)
        return 10 + ceil(longest * 6.8)


class Scale(msgspec.Struct, frozen=True):
    """From values to places, and the values that are named."""

    low: float
    high: float
    values: list[float]

    def place(self, value: float) -> float:
        """From the left, in percent."""
        return 100 * (value - self.low) / (self.high - self.low)

    def height(self, value: float) -> float:
        """From the top, in percent."""
        return 100 - self.place(value)


def scale_around(low: float, high: float, most: int = 5, within: tuple[float, float] | None = None) -> Scale:
    """Make a scale that shows values from `low` to `high` with some room around, but not beyond `within`."""
    room = (high - low) * _PADDING or abs(high) * 0.1 or 1.0
    low, high = low - room, high + room
    if within is not None:
        low, high = max(low, within[0]), min(high, within[1])
    return Scale(low, high, nice_values(low, high, most))


def scale_from_zero(high: float, most: int = 5, least_step: float = 0) -> Scale:
    """Make a scale that begins at 0 and has some room above `high`."""
    high = (high or 1) * (1 + _PADDING)
    return Scale(0, high, nice_values(0, high, most, least_step))


def nice_values(low: float, high: float, most: int, least_step: float = 0) -> list[float]:
    """The multiples of 1, 2 or 5 times a power of ten from `low` to `high`: about `most` of them, at least
    two where `most` is 5. With `least_step` 1 they are integers."""
    rough = max((high - low) / most, least_step)
    power = 10.0 ** floor(log10(rough))
    step = next(mantissa * power for mantissa in _MANTISSAS if mantissa * power >= rough * 0.9999)
    return [number * step for number in range(ceil(low / step), floor(high / step) + 1)]


def format_tick(value: float) -> str:
    """`0.25`, `8,000`, `12.5k`, `3M`."""
    if not _SHORT_BELOW <= abs(value) < 10**15:
        return f"{value:,.10g}" if abs(value) < _SHORT_BELOW else f"{value:.3g}"
    size, unit = next((size, unit) for size, unit in _UNITS if abs(value) >= size)
    return f"{value / size:,.10g}{unit}"


def value_ticks(scale: Scale, *, is_share: bool = False) -> list[Tick]:
    """Ticks of a vertical axis."""
    return [
        Tick(scale.height(value), f"{value * 100:.10g}%" if is_share else format_tick(value))
        for value in scale.values
    ]


class Bands(msgspec.Struct, frozen=True):
    """Equal parts side by side, numbered from 0."""

    count: int

    def centre(self, number: int) -> float:
        return 100 * (number + 0.5) / self.count

    def begin(self, number: int, share: float = 1) -> float:
        """The left or upper edge of something that fills a share of the band, in its middle."""
        return 100 * (number + (1 - share) / 2) / self.count

    def width(self, share: float = 1) -> float:
        return 100 * share / self.count


def make_polylines(places: Sequence[tuple[float, float] | None]) -> list[str]:
    """The points of a polyline for each run of places between Nones."""
    runs = groupby(places, lambda place: place is None)
    lines = [[f"{place[0]:.1f},{place[1]:.1f}" for place in run if place] for _, run in runs]
    # A single point shows by its round ends, if only it is a line.
    return [" ".join(line * 2 if len(line) == 1 else line) for line in lines if line]


def time_ticks(begins: Sequence[datetime], step: timedelta, most: int = 8) -> list[Tick]:
    """Name some of the buckets of time that begin at these instants, a `step` apart: hours by their hour and
    day, longer ones by their day and year."""
    stride = next(
        stride for stride in _STRIDES[step] if len(begins) <= stride * most or stride == _STRIDES[step][-1]
    )
    chosen = [n for n, begin in enumerate(begins) if (begin - _A_MONDAY) // step % stride == 0]
    is_time = step * stride < timedelta(days=1)
    bands = Bands(len(begins))
    ticks: list[Tick] = []
    before = ""
    for number in chosen:
        day = f"{begins[number].day} {begins[number]:%b}"
        label, more = (f"{begins[number]:%H:%M}", day) if is_time else (day, f"{begins[number].year}")
        ticks.append(Tick(bands.centre(number), label, "" if more == before else more))
        before = more
    # Where half of them have to do, the one that begins the last day or year stays.
    kept = max((number for number, tick in enumerate(ticks) if tick.more), default=0) % 2
    return [
        msgspec.structs.replace(tick, is_spare=len(ticks) > most // 2 and number % 2 != kept)
        for number, tick in enumerate(ticks)
    ]


def bin_ticks(lowers: Sequence[int], width: int, room: int = 270) -> list[Tick]:
    """Name some of the bins that begin at these values: single values in their middle, others where they
    begin. `room` is how many pixels a chart has at least."""
    longest = max(len(format_tick(lower)) for lower in lowers)
    most = max(2, room // (longest * 7 + 8))
    stride = next(
        n for power in range(3) for n in (10**power, 2 * 10**power, 5 * 10**power) if len(lowers) <= n * most
    )
    bands = Bands(len(lowers))
    place = bands.centre if width == 1 else bands.begin
    return [
        Tick(place(number), format_tick(lower))
        for number, lower in enumerate(lowers)
        if lower // width % stride == 0
    ]
