"""The numbers of a comparison, one score a row, as the page shows them and as its CSV file has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from heliscore.api.shared.arm_comparisons import Result
from heliscore.dashboard.parts.charts import Chart
from heliscore.dashboard.parts.downloads import Cell
from heliscore.dashboard.parts.trends import Bin
from heliscore.domain.statistics.compared import Verdict
from heliscore.store.score_groups import Group

FEW: Final = 30
"""A group with fewer scores is marked as unreliable."""

VERDICTS: Final[dict[Verdict, str]] = {
    "better": "better",
    "worse": "worse",
    "equivalent": "equivalent",
    "notWorse": "not worse",
    "noDifferenceShown": "no difference shown",
    "tooFew": "too few",
    "identical": "identical",
}


class ScoreCell(msgspec.Struct, frozen=True):
    """One score of one group, and its comparison with the first one; None of the first."""

    group: Group
    result: Result | None

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
    chart: Chart | None

    @property
    def has_few(self) -> bool:
        return any(cell is not None and cell.is_few for cell in self.cells)


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
                        *_difference_cells(cell.result),
                    )
                )
    return table


def _difference_cells(result: Result | None) -> tuple[Cell, ...]:
    if result is None:
        return (None,) * 6
    found = result.comparison
    interval = found.interval_adjusted
    ends = (None, None) if interval is None else (interval.low, interval.high)
    return (found.difference, *ends, found.p_adjusted, VERDICTS[found.verdict], found.pairs)
