"""Intervals of any coefficient, by leaving out one request, or one group of requests, at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import atanh, isclose, sqrt, tanh
from typing import Final

import msgspec

from heliscore.domain.statistics.distributions import normal_quantile, t_quantile
from heliscore.domain.statistics.interval import Interval, wilson

_SAME: Final = 1e-12
"""Values this close differ by rounding alone."""


class Coefficient(msgspec.Struct, frozen=True):
    """A number that measures agreement, and where the true one is likely to be."""

    value: float | None
    interval: Interval | None = None
    reason: str | None = None
    """Why the interval is missing, or the value too."""


class Jackknife(msgspec.Struct, frozen=True, dict=True):
    """How often each value without a part counts: as often as requests are like the part, a group once."""

    weights: Sequence[int]
    confidence: float

    @cached_property
    def count(self) -> int:
        return sum(self.weights)

    @cached_property
    def quantile(self) -> float:
        return t_quantile((1 + self.confidence) / 2, self.count - 1)

    def variance(self, without: Sequence[float]) -> float:
        n = self.count
        mean = sum(value * weight for value, weight in zip(without, self.weights, strict=True)) / n
        squares = sum(
            (value - mean) ** 2 * weight for value, weight in zip(without, self.weights, strict=True)
        )
        return (n - 1) / n * squares

    def bounded(self, value: float, without: Sequence[float | None]) -> Coefficient:
        """Of a coefficient from -1 to 1, on Fisher's scale, where its error does not depend on its size."""
        if abs(value) >= 1:
            return Coefficient(value, None, "perfect")
        error, reason = self._error(without)
        if error is None:
            return Coefficient(value, None, reason)
        middle, margin = atanh(value), self.quantile * error / (1 - value * value)
        return Coefficient(value, Interval(tanh(middle - margin), tanh(middle + margin)))

    def unbounded(
        self, value: float, without: Sequence[float | None], lowest: float | None = None
    ) -> Coefficient:
        error, reason = self._error(without)
        if error is None:
            return Coefficient(value, None, reason)
        low, high = value - self.quantile * error, value + self.quantile * error
        return Coefficient(value, Interval(low if lowest is None else max(low, lowest), high))

    def share(self, successes: int, trials: int, without: Sequence[float | None] | None) -> Coefficient:
        """Of a proportion, by Wilson; where groups are left out, of as many trials as vary like them.

        Korn and Graubard's effective number of trials, which is also smaller where there are few groups.
        """
        share = successes / trials
        error, _ = (None, None) if without is None else self._error(without)
        if error is None or not 0 < share < 1:
            return Coefficient(share, wilson(successes, trials, self.confidence))
        few_groups = normal_quantile((1 + self.confidence) / 2) / self.quantile
        effective = min(share * (1 - share) / error**2 * few_groups**2, trials)
        return Coefficient(share, wilson(share * effective, effective, self.confidence))

    def _error(self, without: Sequence[float | None]) -> tuple[float | None, str | None]:
        """The standard error, or why there is none."""
        if self.count < 2:
            return None, "tooFew"
        known = [value for value in without if value is not None]
        if len(known) < len(without):
            return None, "tooFewDifferent"
        if isclose(min(known), max(known), rel_tol=_SAME, abs_tol=_SAME):
            return None, "noVariance"
        return sqrt(self.variance(known)), None
