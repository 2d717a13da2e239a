"""The values of one score in one group, as counts and exact sums."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import ceil, floor, sqrt
from typing import Self

import msgspec

Counts = Mapping[int, int]
"""How often each value occurs."""


class Sample(msgspec.Struct, frozen=True):
    """Values, at least one, as exact sums."""

    count: int
    sum: int | Fraction
    squares: int | Fraction
    """The sum of the values' squares."""

    @classmethod
    def of(cls, counts: Counts) -> Self:
        return cls(
            sum(counts.values()),
            sum(value * count for value, count in counts.items()),
            sum(value * value * count for value, count in counts.items()),
        )

    def plus(self, other: Sample) -> Sample:
        """The values of both."""
        return Sample(self.count + other.count, self.sum + other.sum, self.squares + other.squares)

    def minus(self, other: Sample) -> Sample | None:
        """The values without those of another sample, which are among them; None where none are left."""
        count = self.count - other.count
        return Sample(count, self.sum - other.sum, self.squares - other.squares) if count else None

    @property
    def mean(self) -> float:
        return float(Fraction(self.sum) / self.count)

    @property
    def variance(self) -> float | None:
        """The sample variance, None for a single value. Computed exactly up to the division, so that no
        digit is lost where values are large and close together."""
        if self.count < 2:
            return None
        squares = self.count * self.squares - self.sum * self.sum
        return float(Fraction(squares) / (self.count * (self.count - 1)))

    @property
    def deviation(self) -> float | None:
        return None if self.variance is None else sqrt(self.variance)


def percentile(counts: Counts, share: float) -> float:
    """The value below which that share of the values is, interpolated as PostgreSQL's percentile_cont is."""
    position = Fraction(str(share)) * (sum(counts.values()) - 1)
    below, above = floor(position), ceil(position)
    passed, low = 0, None
    for value in sorted(counts):
        passed += counts[value]
        if low is None and passed > below:
            low = value
        if low is not None and passed > above:
            return float(low + (value - low) * (position - below))
    raise ValueError("a percentile needs a value and a share from 0 to 1")
