"""Formats of numbers and times on pages, as filters of the templates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from heliscore.dashboard.parts.trends import Bin
from heliscore.domain.score import title_of
from heliscore.domain.statistics.interval import Interval
from heliscore.domain.times import format_time

_TO: Final = "\N{EN DASH}"
_LEAST_PROBABILITY: Final = 0.0001
_COMPACT_FROM: Final = 100_000
_COMPACT_UNITS: Final = "kMBT"


def format_count(number: int) -> str:
    """12345 as 12,345."""
    return f"{number:,}"


def format_number(number: float) -> str:
    """At most two decimals, fewer the larger it is. Only 0 is shown as 0: `<0.01`, `\N{MINUS SIGN}<0.01`."""
    if number < 0:
        return f"\N{MINUS SIGN}{format_number(-number)}"
    if isinstance(number, int):
        return format_count(number)  # a float has only 53 bits
    if number.is_integer():
        return f"{number:,.0f}"
    return _above_0(number, _decimals(number))


def _above_0(number: float, decimals: int) -> str:
    smallest = 10**-decimals
    return f"<{smallest:g}" if 0 < number < smallest / 2 else f"{number:,.{decimals}f}"


def _decimals(number: float) -> int:
    return 0 if abs(number) >= 1000 else 1 if abs(number) >= 10 else 2


def format_compact(number: float) -> str:
    """Format as `format_number` does, but six digits and more as `123k`, `1.23M`, `4.56B`: for a card."""
    if abs(number) < _COMPACT_FROM:
        return format_number(number)
    sign = "\N{MINUS SIGN}" if number < 0 else ""
    digits, power = f"{abs(number):.2e}".split("e")
    thousands, more = divmod(int(power), 3)
    if thousands > len(_COMPACT_UNITS):
        return f"{sign}{digits}e{int(power)}"
    return f"{sign}{float(digits) * 10**more:.3g}{_COMPACT_UNITS[thousands - 1]}"


def format_share(share: float) -> str:
    """Format 0.923 as 92.3%. Only 1 is shown as 100%, and only 0 as 0%."""
    percent = share * 100
    shown = f"{percent:.1f}".removesuffix(".0")
    if shown == "100" and share < 1:
        shown = "99.9"
    elif shown == "0" and share > 0:
        shown = "0.1"
    return shown + "%"


def format_value(value: float, is_share: bool) -> str:
    """Format a share, or an average."""
    return format_share(value) if is_share else format_number(value)


def format_difference(difference: float, is_share: bool, beside: float = 0) -> str:
    """Format a difference of averages or shares without its sign. Only 0 is shown as 0. `beside` is another
    number that is shown with as many decimals."""
    apart = abs(difference) * 100 if is_share else abs(difference)
    decimals = 1 if is_share else _decimals(max(apart, abs(beside)))
    shown = _above_0(apart, decimals)
    return f"{shown} pts" if is_share else shown


def format_interval(interval: Interval, is_share: bool) -> str:
    """Format as `+1.2 to +3.4`; of shares in percentage points."""
    ends = (
        f"{format_sign(end)}{format_difference(end, is_share, interval.reach).removesuffix(' pts')}"
        for end in (interval.low, interval.high)
    )
    return " to ".join(ends)


def format_distances(interval: Interval, is_share: bool) -> str:
    """Format an interval without signs, as `1.2 to 3.4`; of shares in percentage points."""
    ends = (format_difference(end, is_share, interval.reach) for end in (interval.low, interval.high))
    return " to ".join(end.removesuffix(" pts") for end in ends)


def format_sign(number: float) -> str:
    return "+" if number > 0 else "\N{MINUS SIGN}" if number < 0 else ""


def format_probability(p: float) -> str:
    """Two significant digits, `<0.0001` below."""
    return f"<{_LEAST_PROBABILITY}" if p < _LEAST_PROBABILITY else f"{p:.2g}"


def format_bin(bin_: Bin, is_share: bool) -> str:
    """Format the integers of a bin: `87`, or `80` to `89`; of booleans `false` and `true`."""
    if is_share:
        return "true" if bin_.lower else "false"
    lower, last = bin_.lower, bin_.lower + bin_.width - 1
    return format_number(lower) if bin_.width == 1 else f"{format_number(lower)} {_TO} {format_number(last)}"


def format_period(length: timedelta) -> str:
    """`24 hours`, `7 days`."""
    return "24 hours" if length == timedelta(days=1) else f"{length.days} days"


def format_bucket(begins_at: datetime, step: str) -> str:
    """`14 Nov 2026` or, of an hour, `14 Nov, 09:00`. UTC."""
    return f"{begins_at:%d %b, %H:%M}" if step == "hour" else f"{begins_at:%d %b} {begins_at.year}"


def format_moment(time: datetime, now: datetime) -> str:
    """A time as short as it can be: `15:02` of today, `22 Nov` of this year, `22 Nov 2025`. UTC."""
    if time.date() == now.date():
        return f"{time:%H:%M}"
    return f"{time.day} {time:%b}" + (f" {time.year}" if time.year != now.year else "")


def format_duration(milliseconds: int | None) -> str:
    """`840 ms`, `2.31 s`."""
    if milliseconds is None:
        return "\N{EN DASH}"
    return f"{milliseconds} ms" if abs(milliseconds) < 1000 else f"{format_number(milliseconds / 1000)} s"


def format_cost(dollars: float) -> str:
    """Amounts below a dollar have two significant digits: `$0.0013`."""
    return f"${dollars:,.2f}" if abs(dollars) >= 1 or dollars == 0 else f"${Decimal(f'{dollars:.2g}'):f}"


def format_bytes(number: int) -> str:
    """`840 B`, `2.31 MB`: powers of 1000, as disks have them."""
    size, units = float(number), iter(("kB", "MB", "GB", "TB", "PB"))
    unit = "B"
    while size >= 1000 and (larger := next(units, None)) is not None:
        size, unit = size / 1000, larger
    return f"{number} B" if unit == "B" else f"{size:.3g} {unit}"


def format_percent(place: float) -> str:
    """A place in a chart, for SVG."""
    return f"{place:.2f}".rstrip("0").rstrip(".") + "%"


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "count": format_count,
    "number": format_number,
    "compact": format_compact,
    "share": format_share,
    "value": format_value,
    "difference": format_difference,
    "interval": format_interval,
    "distances": format_distances,
    "sign": format_sign,
    "probability": format_probability,
    "period": format_period,
    "bin": format_bin,
    "duration": format_duration,
    "cost": format_cost,
    "bytes": format_bytes,
    "score_title": title_of,
    "instant": format_time,
    "percent": format_percent,
}
"""By name in the templates."""
