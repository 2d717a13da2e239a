"""The numbers of a comparison, one score a row, as the page shows them and as its CSV file has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from heliscore.api.shared.arm_comparisons import Result
from heliscore.dashboard.parts.charts import Chart
from heliscore.dashboard.parts.comparison_links import Links
from heliscore.dashboard.parts.comparison_reading import BINS, ReadComparison
from heliscore.dashboard.parts.comparison_verdicts import find_word, show_word
from heliscore.dashboard.parts.downloads import Cell
from heliscore.dashboard.parts.score_charts import make_shares, make_spread
from heliscore.dashboard.parts.trends import Bin
from heliscore.dashboard.parts.value_bins import bin_counts
from heliscore.domain.statistics.arms import measure_of
from heliscore.store.score_groups import Group

FEW: Final = 30
"""A group with fewer scores is marked as unreliable."""


class ScoreCell(msgspec.Struct, frozen=True):
    """One score of one group, and its comparison with the first one; None of the first."""

    group: Group
    result: Result | None
    is_directed: bool
    """Whether a definition says which values are better."""

    @property
    def word(self) -> str:
        """The verdict: `better`, `higher`."""
        if self.result is None:
            return ""
        found = self.result.comparison
        return find_word(found.verdict, found.difference, is_directed=self.is_directed)

    @property
    def is_few(self) -> bool:
        return self.group.sample.count < FEW


class ScoreRow(msgspec.Struct, frozen=True):
    """One score: a cell for each group, None if the group has no such score, and the distributions."""

    name: str
    is_share: bool
    is_boolean: bool
    cells: list[ScoreCell | None]
    bins: list[Bin]
    bin_hrefs: list[list[str]]
    """For each bin, and in it for each group: the address of the requests; empty where there is none."""
    chart: Chart | None

    @property
    def has_few(self) -> bool:
        return any(cell is not None and cell.is_few for cell in self.cells)


def make_rows(found: ReadComparison, directed: frozenset[str], links: Links) -> list[ScoreRow]:
    """A row for each score, in the order asked for. `directed`: the names whose definitions say which values
    are better."""
    groups = {(group.name, group.value): group for group in found.groups}
    results = {(result.score, result.arm): result for result in found.results}
    labels = found.experiment.arms.labels
    rows = []
    for name in found.experiment.scores:
        of_labels = [groups.get((name, label)) for label in labels]
        cells = [
            None if group is None else ScoreCell(group, results.get((name, label)), name in directed)
            for label, group in zip(labels, of_labels, strict=True)
        ]
        rows.append(_make_row(name, cells, found.bins.get(name), labels, links))
    return rows


def _make_row(
    name: str,
    cells: list[ScoreCell | None],
    bins: list[Bin] | None,
    labels: Sequence[str | None],
    links: Links,
) -> ScoreRow:
    there = [cell.group for cell in cells if cell is not None]
    is_share = bool(there) and measure_of([group.sample for group in there]) == "share"
    if bins is None:
        bins = bin_counts([None if cell is None else cell.group.counts for cell in cells], BINS)
    hrefs = [
        [
            links.of_bin(name, label, bin_) if count else ""
            for label, count in zip(labels, bin_.counts, strict=True)
        ]
        for bin_ in bins
    ]
    chart = None
    if bins:
        names = ["none" if label is None else label for label in labels]
        of_groups = [links.of_group(name, label) for label in labels]
        chart = make_shares(bins, names, of_groups) if is_share else make_spread(bins, names, hrefs)
    is_boolean = bool(there) and all(group.all_boolean for group in there)
    return ScoreRow(name, is_share, is_boolean, cells, bins, hrefs, chart)


_TABLE: Final = (
    *("score", "group", "measure", "value", "deviation", "scores", "difference", "difference_low"),
    *("difference_high", "p", "verdict", "pairs"),
)


def make_table(groups: Sequence[str | None], rows: Sequence[ScoreRow]) -> list[Sequence[Cell]]:
    """The numbers of the page's table, one score of one group a row. The base has no difference."""
    table: list[Sequence[Cell]] = [_TABLE]
    for row in rows:
        for group, cell in zip(groups, row.cells, strict=True):
            if cell is not None:
                sample = cell.group.sample
                table.append(
                    (
                        *(row.name, group, "share" if row.is_share else "average", sample.mean),
                        *(sample.deviation, sample.count),
                        *_difference_cells(cell),
                    )
                )
    return table


def _difference_cells(cell: ScoreCell) -> tuple[Cell, ...]:
    if cell.result is None:
        return (None,) * 6
    found = cell.result.comparison
    interval = found.interval_adjusted
    ends = (None, None) if interval is None else (interval.low, interval.high)
    return (found.difference, *ends, found.p_adjusted, show_word(cell.word), found.pairs)
