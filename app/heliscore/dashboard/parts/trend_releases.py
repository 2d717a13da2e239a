"""Releases on the overview's trends: the first uses that began while there was already something else."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from heliscore.api.shared.filter_leaves import Leaf, equals
from heliscore.dashboard.parts.request_links import requests_href
from heliscore.dashboard.parts.time_range import TimeRange
from heliscore.dashboard.parts.trends import Release
from heliscore.domain.filter_tree import Column, Property
from heliscore.store.releases import FirstUse

_MOST: Final = 8
"""More lines would hide the trend."""


def choose_releases(uses: Sequence[FirstUse], start: datetime, step: timedelta) -> list[FirstUse]:
    """Those from `start` on with the most requests, at most _MOST, in order of time. What is used within a
    step of the first request of all was there from the beginning."""
    if not uses:
        return []
    begun = max(start, min(use.first_at for use in uses) + step)
    released = [use for use in uses if use.first_at >= begun]
    largest = sorted(released, key=lambda use: -use.count)[:_MOST]
    return sorted(largest, key=lambda use: use.first_at)


def place_releases(
    uses: Sequence[FirstUse], begins: Sequence[datetime], time_range: TimeRange, key: str
) -> list[tuple[Release, ...]]:
    """By bucket of the trend, the releases in it. `key`: of the property whose values they are."""
    ends = (*begins[1:], time_range.end)
    placed: list[list[Release]] = [[] for _ in begins]
    for use in uses:
        number = bisect_right(begins, use.first_at) - 1
        passed = (use.first_at - begins[number]) / (ends[number] - begins[number])
        place = 100 * (number + passed) / len(begins)
        placed[number].append(Release(_name(use, key), place, requests_href(time_range, *_leaves(use, key))))
    return [tuple(releases) for releases in placed]


def _name(use: FirstUse, key: str) -> str:
    if use.by == "property":
        return f"{key} = {use.value}"
    return use.value if use.within is None else f"{use.within} {use.value}"


def _leaves(use: FirstUse, key: str) -> list[Leaf]:
    match use.by:
        case "model":
            return [equals(Column("model"), use.value)]
        case "property":
            return [equals(Property(key), use.value)]
        case "prompt_version":
            return [
                equals(Column("prompt_id"), use.within),
                equals(Column("prompt_version"), use.value),
            ]
