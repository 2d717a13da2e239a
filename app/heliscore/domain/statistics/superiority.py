"""How often a score of one group is above one of the other, which asks for no unit and no distribution."""

from __future__ import annotations

from math import sqrt

import msgspec

from heliscore.domain.statistics.distributions import normal_two_sided
from heliscore.domain.statistics.samples import Counts


class Superiority(msgspec.Struct, frozen=True):
    value: float
    """The probability that the other group's score is higher, and half of that that they are equal."""

    p: float | None
    """Mann and Whitney's, corrected for ties, without correction for continuity; None where all are equal."""


def superiority_of(base: Counts, other: Counts) -> Superiority:
    """Rank two groups' values, at least one each, by walking them upwards."""
    below = doubled = ties = 0
    count_of_base, count_of_other = base.get, other.get
    for value in sorted({*base, *other}):
        a, b = count_of_base(value, 0), count_of_other(value, 0)
        doubled += b * (2 * below + a)
        below += a
        together = a + b
        ties += together * (together * together - 1)
    n, m = below, sum(other.values())
    total = n + m
    # Four times 3 (N-1) N over nm, times the variance of U: whole numbers, so that 0 is 0.
    variance = (total + 1) * total * (total - 1) - ties
    if not variance:
        return Superiority(doubled / (2 * n * m), None)
    deviation = sqrt(n * m * variance / (12 * total * (total - 1)))
    return Superiority(doubled / (2 * n * m), normal_two_sided((doubled - n * m) / (2 * deviation)))
