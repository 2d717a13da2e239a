"""The table of two raters' values: how many requests have each pair, darker the more, each a link to them."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Final
from urllib.parse import urlencode

import msgspec

from heliscore.api.shared.agreements import Pair
from heliscore.api.shared.filter_leaves import scored_between
from heliscore.dashboard.parts.number_formats import format_number
from heliscore.dashboard.parts.request_links import requests_href
from heliscore.dashboard.parts.time_range import TimeRange
from heliscore.domain.statistics.confusion import MAX_BINS
from heliscore.store.ratings import Pattern

REQUESTS: Final = "/agreement/requests"
_SHADES: Final = 9

Bounds = tuple[int, int]


class TableCell(msgspec.Struct, frozen=True):
    """The requests with a pair of values, or of ranges of them."""

    count: int
    href: str
    shade: int
    """From 0, of an empty one, to 9."""

    agrees: bool
    """Whether the ranges are the same."""


class TableRow(msgspec.Struct, frozen=True):
    """The requests to which the first rater gave a value."""

    title: str
    cells: list[TableCell]


class ValueTable(msgspec.Struct, frozen=True):
    """The first rater's values from top to bottom, the highest first, the second one's from left to right."""

    columns: list[str]
    rows: list[TableRow]


class Disagreement(msgspec.Struct, frozen=True):
    """Two values that differ, and their requests."""

    a: int
    b: int
    count: int
    href: str
    requests: list[str]
    """The ids of the newest, where they are known."""


_SHOWN_IDS: Final = 3


class CellLinks(msgspec.Struct, frozen=True):
    """Makes the addresses of cells: a search, or where raters are authors, whose opinions no filter finds, a
    list of their requests."""

    time_range: TimeRange
    pair: Pair

    def of(self, a: Bounds, b: Bounds) -> str:
        first, second = self.pair.a, self.pair.b
        if not first.is_of_authors and not second.is_of_authors:
            return requests_href(
                self.time_range, scored_between(first.name, *a), scored_between(second.name, *b)
            )
        values = [("a", str(a[0])), ("a", str(a[1])), ("b", str(b[0])), ("b", str(b[1]))]
        return f"{REQUESTS}?{urlencode([*self.time_range.pairs_without('a', 'b'), *values])}"


def make_value_table(pair: Pair, links: CellLinks) -> ValueTable | None:
    """None where there are too many different pairs to be counted, or none."""
    cells = pair.agreement.confusion
    if not cells:
        return None
    counts = {((cell.x_from, cell.x_to), (cell.y_from, cell.y_to)): cell.count for cell in cells}
    xs, ys = {x for x, _ in counts}, {y for _, y in counts}
    is_one_scale = "scales" not in pair.agreement.warnings
    of_a, of_b = (_fill(xs | ys),) * 2 if is_one_scale else (_fill(xs), _fill(ys))
    most = max(counts.values())

    def cell(a: Bounds, b: Bounds) -> TableCell:
        count = counts.get((a, b), 0)
        shade = max(1, round(_SHADES * sqrt(count / most))) if count else 0
        return TableCell(count, links.of(a, b) if count else "", shade, is_one_scale and a == b)

    rows = [TableRow(_title(a), [cell(a, b) for b in of_b]) for a in reversed(of_a)]
    return ValueTable([_title(b) for b in of_b], rows)


def _fill(bounds: set[Bounds]) -> list[Bounds]:
    """The ranges in order, with those between that are empty, where they are few."""
    lowest, highest = min(bounds), max(bounds)
    width = max(high - low for low, high in bounds) + 1
    if (highest[0] - lowest[0]) // width >= MAX_BINS or lowest[0] % width:
        return sorted(bounds)
    between = range(lowest[0], highest[0] + 1, width)
    return sorted(bounds | {(low, low + width - 1) for low in between if (low, low + width - 1) < highest})


def _title(bounds: Bounds) -> str:
    low, high = bounds
    return format_number(low) if low == high else f"{format_number(low)}\N{EN DASH}{format_number(high)}"


def make_disagreements(
    pair: Pair, links: CellLinks, ids: Mapping[Pattern, list[str]] | None
) -> list[Disagreement]:
    """The pairs of values that are furthest apart, the worst first."""
    return [
        Disagreement(
            worst.a,
            worst.b,
            worst.count,
            links.of((worst.a, worst.a), (worst.b, worst.b)),
            [] if ids is None else ids.get((worst.a, worst.b), [])[:_SHOWN_IDS],
        )
        for worst in pair.worst
    ]
