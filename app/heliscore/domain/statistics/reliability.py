"""Agreement of any number of raters: Krippendorff's alpha, and where no rater is missing Fleiss' kappa.

Any two ratings of a request are a pair that weighs 1/(m - 1), where m is how many ratings the request has; a
request with one is left out. So two raters are no special case. Weights are whole: multiplied by `scale`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from math import lcm
from typing import Self

import msgspec

from heliscore.domain.statistics.mid_ranks import doubled_ranks
from heliscore.domain.statistics.pair_tables import Level, PairLists, dot
from heliscore.domain.statistics.rank_shift import RankShift

Pattern = tuple[int | None, ...]
"""One request's value by each rater, None where there is none."""


class Disagreement(msgspec.Struct, frozen=True):
    """How far all ratings of the same request are apart, and any two ratings."""

    ratings: int
    observed: int
    expected: int
    """By chance, in such a unit that a coefficient is 1 - ratings * observed / expected."""


def krippendorff_alpha(disagreement: Disagreement) -> float | None:
    if not disagreement.expected:
        return None
    return 1 - (disagreement.ratings - 1) * disagreement.observed / disagreement.expected


def fleiss_kappa(disagreement: Disagreement) -> float | None:
    """Of raters of whom none is missing, at the nominal level."""
    if not disagreement.expected:
        return None
    return 1 - disagreement.ratings * disagreement.observed / disagreement.expected


class Ratings(msgspec.Struct, frozen=True):
    """How many requests have which ratings, by whichever rater, and the pairs of different ratings."""

    level: Level
    values: list[int]
    items: list[tuple[int, ...]]
    """The places in `values` of the ratings, ascending; at least two."""

    counts: list[int]
    scale: int
    owners: list[int]
    """Of each pair of ratings, the place of its item."""

    pairs: list[tuple[int, int]]
    weights: list[int]
    """Of one pair: scale/(m - 1)."""

    @classmethod
    def of(cls, patterns: Mapping[Pattern, int], level: Level) -> Self:
        grouped: Counter[tuple[int, ...]] = Counter()
        for pattern, count in patterns.items():
            grouped[_given(pattern)] += count
        rated = sorted((item, count) for item, count in grouped.items() if len(item) > 1)
        values = sorted({value for item, _ in rated for value in item})
        places = {value: place for place, value in enumerate(values)}
        items = [tuple(places[value] for value in item) for item, _ in rated]
        return cls._of_items(level, values, items, [count for _, count in rated])

    @classmethod
    def _of_items(
        cls, level: Level, values: list[int], items: list[tuple[int, ...]], counts: list[int]
    ) -> Self:
        scale = lcm(*(len(item) - 1 for item in items))
        found = [
            (owner, pair, scale // (len(item) - 1))
            for owner, item in enumerate(items)
            for pair in combinations(item, 2)
            if pair[0] != pair[1]
        ]
        owners, pairs, weights = (
            (list(column) for column in zip(*found, strict=True)) if found else ([], [], [])
        )
        return cls(level, values, items, counts, scale, owners, pairs, weights)

    @classmethod
    def of_pairs(cls, pairs: PairLists, level: Level) -> Self:
        """The ratings of two raters: one item for each of the pairs, in their order."""
        items: list[tuple[int, ...]] = [
            (min(i, j), max(i, j)) for i, j in zip(pairs.first, pairs.second, strict=True)
        ]
        return cls._of_items(level, pairs.values, items, pairs.counts)

    def rest(self, fold: Mapping[Pattern, int]) -> list[int]:
        """The counts that remain of each item without a part of the requests."""
        taken: Counter[tuple[int, ...]] = Counter()
        for pattern, count in fold.items():
            taken[_given(pattern)] += count
        return [
            count - taken[tuple(self.values[place] for place in item)]
            for item, count in zip(self.items, self.counts, strict=True)
        ]

    def margin(self, counts: list[int]) -> list[int]:
        """How often each of `values` was given."""
        margin = [0] * len(self.values)
        for item, count in zip(self.items, counts, strict=True):
            for place in item:
                margin[place] += count
        return margin

    def disagreement(self, counts: list[int], margin: list[int] | None = None) -> Disagreement:
        """Compute the disagreement of so many requests of each item, whose margin may be known."""
        margin = self.margin(counts) if margin is None else margin
        moments = _Moments.of(self.level, self.values, margin)
        observed = dot(self._distances(doubled_ranks(margin)), self._weights(counts))
        return moments.disagreement(self.scale, observed)

    def without_one(self) -> Iterator[Disagreement]:
        """Of each item in turn, the disagreement without one of its requests."""
        margin = self.margin(self.counts)
        moments = _Moments.of(self.level, self.values, margin)
        for item, observed in zip(self.items, self._observed_without_one(margin), strict=True):
            yield moments.without(self.values, margin, item).disagreement(self.scale, observed)

    def _weights(self, counts: Sequence[int]) -> list[int]:
        """Of each pair of ratings, the weight of so many requests of its item."""
        return [counts[owner] * weight for owner, weight in zip(self.owners, self.weights, strict=True)]

    def _distances(self, ranks: Sequence[int]) -> list[int]:
        """Of each pair of ratings, the square of its distance."""
        if self.level == "nominal":
            return [1] * len(self.pairs)
        scores = ranks if self.level == "ordinal" else self.values
        return [(scores[low] - scores[high]) ** 2 for low, high in self.pairs]

    def _observed_without_one(self, margin: Sequence[int]) -> Iterator[int]:
        weights, ranks = self._weights(self.counts), doubled_ranks(margin)
        distances = self._distances(ranks)
        total = dot(distances, weights)
        if self.level == "ordinal":
            shift = RankShift.of(self.pairs, weights, ranks)
            for item in self.items:
                yield total + shift.change(item) - self._own(item, shift.ranks_without(item))
        else:
            own = [0] * len(self.items)
            for owner, distance, weight in zip(self.owners, distances, self.weights, strict=True):
                own[owner] += distance * weight
            yield from (total - one for one in own)

    def _own(self, item: tuple[int, ...], ranks: Sequence[int]) -> int:
        distances = sum((low - high) ** 2 for low, high in combinations(ranks, 2))
        return distances * (self.scale // (len(item) - 1))


class _Moments(msgspec.Struct, frozen=True):
    """What the disagreement expected by chance is computed from: o(v) of the ratings are v."""

    level: Level
    ratings: int
    linear: int
    """Σ o(v) v of intervals, else 0"""

    power: int
    """Σ o(v) v² of intervals, Σ o(v)² of names, Σ o(v)³ of ranks"""

    @classmethod
    def of(cls, level: Level, values: Sequence[int], margin: Sequence[int]) -> Self:
        power = sum(_power(level, value, count) for value, count in zip(values, margin, strict=True))
        return cls(level, sum(margin), dot(values, margin) if level == "interval" else 0, power)

    def without(self, values: Sequence[int], margin: Sequence[int], item: tuple[int, ...]) -> _Moments:
        power, linear = self.power, self.linear
        for place in {*item}:
            value, count, taken = values[place], margin[place], item.count(place)
            power -= _power(self.level, value, count) - _power(self.level, value, count - taken)
            linear -= value * taken if self.level == "interval" else 0
        return _Moments(self.level, self.ratings - len(item), linear, power)

    def disagreement(self, scale: int, observed: int) -> Disagreement:
        n = self.ratings
        if self.level == "nominal":
            return Disagreement(n, 2 * observed, scale * (n * n - self.power))
        if self.level == "interval":
            return Disagreement(n, observed, scale * (n * self.power - self.linear**2))
        # Ties leave the mean of mid-ranks; o equal ones take (o³ - o)/12 from the sum of squares.
        return Disagreement(n, 3 * observed, scale * n * (n**3 - self.power))


def _power(level: Level, value: int, count: int) -> int:
    if level == "interval":
        return count * value * value
    return count * count if level == "nominal" else count**3


def _given(pattern: Pattern) -> tuple[int, ...]:
    return tuple(sorted(value for value in pattern if value is not None))
