"""Addresses of the requests behind a number: those of the page's time range and filters that meet some more
conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

import msgspec

from heliscore.api.shared.filter_leaves import Leaf, both
from heliscore.dashboard.parts.search_address import PATH, format_sort
from heliscore.dashboard.parts.time_range import TimeRange
from heliscore.domain.filter_tree import Score
from heliscore.domain.score_definition import ScoreDefinition

_CREATED_AT: Final = "request_created_at"


def requests_href(time_range: TimeRange, *leaves: Leaf, sort: str = "") -> str:
    """The address of the requests in the range that match its filters and the leaves. A relative range stays
    relative. Leaves that have a time replace the range, so that an hour of last week is found next week too.
    `sort` is the API's JSON; empty for the newest first."""
    found = both(both("all", *time_range.leaves), *leaves)
    has_time = any(_CREATED_AT in columns for leaf in leaves for columns in leaf.values())
    pairs = [] if has_time else _range_pairs(time_range)
    pairs.append(("zone", time_range.one("zone")))
    pairs.append(("filter", "" if found == "all" else msgspec.json.encode(found).decode()))
    pairs.append(("sort", sort))
    query = urlencode([(name, value) for name, value in pairs if value])
    return f"{PATH}?{query}" if query else PATH


def _range_pairs(time_range: TimeRange) -> list[tuple[str, str]]:
    if time_range.name == "custom":
        return [(name, time_range.one(name)) for name in ("from", "to")]
    return [("range", time_range.name)]


def worst_first(name: str, definitions: Mapping[str, ScoreDefinition]) -> str:
    """The sort by that score with the worst first; empty, the newest first, where nothing says which values
    are better."""
    definition = definitions.get(name)
    if definition is None or definition.direction is None:
        return ""
    return format_sort(Score(name), descending=definition.direction == "lower")
