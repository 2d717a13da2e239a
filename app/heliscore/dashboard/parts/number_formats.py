"""Numbers and times as people read them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from heliscore.api.http.wire import format_time
from heliscore.dashboard.parts.trends import Bar
from heliscore.domain.score import FEEDBACK
from heliscore.domain.statistics import Interval
from heliscore.store.evaluations import Total

_TO: Final = "\N{EN DASH}"


def format_count(number: int) -> str:
    """12345 as 12,345."""
    return f"{number:,}"


def format_number(number: float) -> str:
    """At most two decimals, fewer the larger it is."""
    if isinstance(number, int):
        return format_count(number)  # not by way of a float, which has 53 bits
    if number.is_integer():
        return f"{number:,.0f}"
    return f"{number:,.{_decimals(number)}f}"


def _decimals(number: float) -> int:
    return 0 if abs(number) >= 1000 else 1 if abs(number) >= 10 else 2


def format_share(share: float) -> str:
    """0.923 as 92.3%; what is not all is never shown as 100%."""
    percent = share * 100
    shown = f"{percent:.1f}".removesuffix(".0")
    if shown == "100" and share < 1:
        shown = "99.9"
    elif shown == "0" and share > 0:
        shown = "0.1"
    return shown + "%"


def format_average(total: Total) -> str:
    """The share of true where every value was sent as a boolean, the average of others."""
    return format_value(total.average, total.all_boolean)


def format_value(value: float, is_share: bool) -> str:
    return format_share(value) if is_share else format_number(value)


def format_difference(difference: float, is_share: bool, beside: float = 0) -> str:
    """How far two averages or shares are apart, without the sign. What is not 0 is never shown as 0;
    `beside` is a number in whose company this one stands, with as many decimals."""
    apart = abs(difference) * 100 if is_share else abs(difference)
    decimals = 1 if is_share else _decimals(max(apart, abs(beside)))
    smallest = 10**-decimals
    shown = f"<{smallest:g}" if 0 < apart < smallest / 2 else f"{apart:,.{decimals}f}"
    return f"{shown} pts" if is_share else shown


def format_interval(interval: Interval, is_share: bool) -> str:
    """`+1.2 to +3.4`; of shares in percentage points."""
    ends = (
        f"{_sign(end)}{format_difference(end, is_share, interval.reach).removesuffix(' pts')}"
        for end in (interval.low, interval.high)
    )
    return " to ".join(ends)


def _sign(number: float) -> str:
    return "+" if number > 0 else "\N{MINUS SIGN}" if number < 0 else ""


def format_bin(bar: Bar, is_share: bool) -> str:
    """The integers of a bin: `87`, or `80` to `89`; of booleans `false` and `true`."""
    if is_share:
        return "true" if bar.lower else "false"
    last = bar.lower + bar.width - 1
    return (
        format_count(bar.lower) if bar.width == 1 else f"{format_count(bar.lower)} {_TO} {format_count(last)}"
    )


def format_period(length: timedelta) -> str:
    """`24 hours`, `7 days`."""
    return "24 hours" if length == timedelta(days=1) else f"{length.days} days"


def format_stretch(begins_at: datetime, step: str) -> str:
    """`14 Nov 2026` or, of an hour, `14 Nov, 09:00`. UTC."""
    return f"{begins_at:%d %b, %H:%M}" if step == "hour" else f"{begins_at:%d %b} {begins_at.year}"


def format_duration(milliseconds: int | None) -> str:
    """`840 ms`, `2.31 s`."""
    if milliseconds is None:
        return "\N{EN DASH}"
    return f"{milliseconds} ms" if abs(milliseconds) < 1000 else f"{format_number(milliseconds / 1000)} s"


def format_cost(dollars: float) -> str:
    """Of small amounts two digits that count: `$0.0013`."""
    return f"${dollars:,.2f}" if abs(dollars) >= 1 or dollars == 0 else f"${Decimal(f'{dollars:.2g}'):f}"


def title_of(name: str) -> str:
    """A score's name as it is shown: the thumbs have a word of their own."""
    return "Feedback" if name == FEEDBACK else name


def format_instant(time: datetime) -> str:
    """For `<time datetime>`; page.js shows it in the reader's zone."""
    return format_time(time)


def format_percent(place: float) -> str:
    """A place in a chart, for SVG."""
    return f"{place:.2f}".rstrip("0").rstrip(".") + "%"


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "count": format_count,
    "number": format_number,
    "share": format_share,
    "average": format_average,
    "value": format_value,
    "difference": format_difference,
    "interval": format_interval,
    "sign": _sign,
    "period": format_period,
    "bin": format_bin,
    "duration": format_duration,
    "cost": format_cost,
    "score_title": title_of,
    "instant": format_instant,
    "percent": format_percent,
}
"""By the names under which templates use them."""
