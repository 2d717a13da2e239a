"""The sums of a table of two raters, of all of it and of what is left without a part."""

from __future__ import annotations

from collections.abc import Iterator
from operator import sub
from typing import Self

import msgspec

from heliscore.domain.statistics.agreement_sums import AgreementSums, PairColumns
from heliscore.domain.statistics.chance_agreement import ChanceSums
from heliscore.domain.statistics.pair_tables import Level, Margins, PairLists, PairTable, dot
from heliscore.domain.statistics.rank_agreement import RankSums, signs_of, signs_within
from heliscore.domain.statistics.reliability import Disagreement, Ratings


class TableSums(msgspec.Struct, frozen=True):
    """All that the coefficients are computed from."""

    sums: AgreementSums
    chance: ChanceSums
    ranks: RankSums
    disagreement: Disagreement


class MeasuredTable(msgspec.Struct, frozen=True):
    """The sums of a table, and what they are computed from."""

    pairs: PairLists
    columns: PairColumns
    ratings: Ratings
    signs: list[int]
    """By `signs_of`: they take longest, and a part's follow from them."""

    all: TableSums

    @classmethod
    def of(cls, pairs: PairLists, level: Level, tolerance: int) -> Self:
        columns, ratings, signs = (
            PairColumns.of(pairs, tolerance),
            Ratings.of_pairs(pairs, level),
            signs_of(pairs),
        )
        all_ = _sums(pairs, columns, ratings, pairs.counts, dot(signs, pairs.counts))
        return cls(pairs, columns, ratings, signs, all_)

    def without_one(self) -> Iterator[TableSums]:
        """Of each pair in turn, the sums without one of its requests."""
        return map(
            TableSums,
            self.columns.without_one(self.pairs.counts),
            ChanceSums.without_one(self.pairs),
            RankSums.without_one(self.pairs, self.signs),
            self.ratings.without_one(),
        )

    def without(self, part: PairTable) -> TableSums:
        """The sums of the requests that are not in a part."""
        counts = self.pairs.counts_of(part)
        # All signs with the part, each way: those within it are then taken twice, so they come back once.
        lost = 2 * dot(self.signs, counts) - signs_within(self.pairs, counts)
        rest = list(map(sub, self.pairs.counts, counts))
        return _sums(self.pairs, self.columns, self.ratings, rest, self.all.ranks.signs - lost)


def _sums(
    pairs: PairLists, columns: PairColumns, ratings: Ratings, counts: list[int], signs: int
) -> TableSums:
    margins = Margins.of(pairs, counts)
    return TableSums(
        columns.sums(counts),
        ChanceSums.of(pairs.values, margins),
        RankSums.of(pairs, counts, margins, signs),
        ratings.disagreement(counts, margins.pooled()),
    )
