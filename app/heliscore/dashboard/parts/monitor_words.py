"""Monitors in words."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from heliscore.dashboard.parts.number_formats import format_number, format_share
from heliscore.domain.filter_tree import Column, Property
from heliscore.domain.monitors.monitor_definition import Bound, Definition, Statistic, WorseThan
from heliscore.domain.score import title_of

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


def describe_watched(definition: Definition) -> str:
    """`average of relevance, each prompt_version`"""
    if definition.score is None:
        watched = "number of requests"
    else:
        watched = f"{STATISTICS[definition.statistic]} of {title_of(definition.score)}"
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
