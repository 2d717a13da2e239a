"""Agreement of two raters beyond chance: Cohen's kappa, also with linear weights, and Gwet's AC1.

All are 1 - (disagreement observed / disagreement expected by chance). Kappa falls where one value is rare,
AC1 does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Self

import msgspec

from heliscore.domain.statistics.agreement_sums import AgreementSums
from heliscore.domain.statistics.pair_tables import Margins, PairLists, dot
from heliscore.domain.statistics.reliability import Disagreement


class ChanceSums(msgspec.Struct, frozen=True):
    """What the margins say: the first rater gave a value v to a(v) requests, the second to b(v)."""

    same: int
    """Σ a(v) b(v)"""

    distance: int
    """Σ a(v) b(w) |v - w|"""

    pooled_squares: int
    """Σ (a(v) + b(v))²"""

    values: int
    """How many values there are, in all of the table: those are the scale's, not a part's."""

    @classmethod
    def of(cls, values: Sequence[int], margins: Margins) -> Self:
        pooled = margins.pooled()
        return cls(
            dot(margins.first, margins.second),
            dot(margins.first, _distances(values, margins.second)),
            dot(pooled, pooled),
            len(values),
        )

    @classmethod
    def without_one(cls, pairs: PairLists) -> Iterator[Self]:
        """Of each pair in turn, the sums without one of its requests."""
        margins = Margins.of(pairs, pairs.counts)
        all_ = cls.of(pairs.values, margins)
        firsts, seconds, pooled = margins.first, margins.second, margins.pooled()
        to_seconds, to_firsts = _distances(pairs.values, seconds), _distances(pairs.values, firsts)
        for x, y, i, j in pairs:
            equal = int(i == j)
            yield cls(
                all_.same - seconds[i] - firsts[j] + equal,
                all_.distance - to_seconds[i] - to_firsts[j] + abs(x - y),
                all_.pooled_squares - 2 * (pooled[i] + pooled[j]) + 2 + 2 * equal,
                all_.values,
            )


def _distances(values: Sequence[int], margin: Sequence[int]) -> list[int]:
    """Of each value v: Σ margin(w) |v - w|."""
    if not values:
        return []
    total, below = sum(margin), accumulate(margin)
    first = sum((value - values[0]) * count for value, count in zip(values, margin, strict=True))
    steps = (
        (high - low) * (2 * lower - total)
        for (low, high), lower in zip(pairwise(values), below, strict=False)
    )
    return list(accumulate(steps, initial=first))


def expected_agreement(sums: AgreementSums, chance: ChanceSums) -> float:
    """Which share of the requests would get equal values by chance, as Cohen's kappa expects."""
    return chance.same / sums.count**2


def cohen_kappa(sums: AgreementSums, chance: ChanceSums) -> float | None:
    expected = sums.count**2 - chance.same
    return 1 - sums.count * (sums.count - sums.equal) / expected if expected else None


def linear_kappa(sums: AgreementSums, chance: ChanceSums) -> float | None:
    """Cohen's kappa where a disagreement counts as much as the values are apart."""
    return 1 - sums.count * sums.absolute / chance.distance if chance.distance else None


def nominal_disagreement(sums: AgreementSums, chance: ChanceSums) -> Disagreement:
    ratings = 2 * sums.count
    return Disagreement(ratings, 2 * (sums.count - sums.equal), ratings**2 - chance.pooled_squares)


def gwet_ac1(sums: AgreementSums, chance: ChanceSums) -> float | None:
    if chance.values < 2 or not sums.count:
        return None
    all_ = 4 * sums.count**2 * (chance.values - 1)
    unexpected = all_ - 4 * sums.count**2 + chance.pooled_squares
    return 1 - (sums.count - sums.equal) * all_ / (sums.count * unexpected)
