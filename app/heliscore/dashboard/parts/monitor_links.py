"""Addresses of the requests behind a monitor's numbers."""

from __future__ import annotations

import msgspec

from heliscore.api.native.monitor_alerts import find_requests
from heliscore.api.shared.filter_leaves import Leaf, lacks_score, scored
from heliscore.dashboard.parts.search_address import SearchAddress
from heliscore.domain.monitors.monitor_definition import Definition
from heliscore.domain.monitors.monitor_schedule import Window


def window_href(definition: Definition, group: str | None, window: Window) -> str:
    """All requests of a group in a window."""
    return _make_address(definition, group, window)


def value_href(definition: Definition, group: str | None, window: Window, sort: str = "") -> str:
    """Those that its value comes from: with the score, or without it where their share is watched."""
    if definition.score is None:
        return window_href(definition, group, window)
    leaf = (lacks_score if definition.statistic == "unscored" else scored)(definition.score)
    return _make_address(definition, group, window, leaf, sort=sort)


def count_href(definition: Definition, group: str | None, window: Window) -> str:
    """Those that are counted."""
    if definition.statistic == "unscored":
        return window_href(definition, group, window)
    return value_href(definition, group, window)


def _make_address(
    definition: Definition, group: str | None, window: Window, *leaves: Leaf, sort: str = ""
) -> str:
    tree = find_requests(definition, group, window, *leaves)
    return SearchAddress(filter=msgspec.json.encode(tree).decode(), sort=sort).href()
