"""The edges of a distribution's bins, as numbers that keep every value in its own bin."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

Edge = int | float


def bin_edges(lowest: int, highest: int, bins: int) -> list[Edge]:
    """Return the edges of that many bins of equal width, at most one for each integer from the lowest to the
    highest.

    Each bin goes up to and without its upper edge, which only the last one includes. An edge that is a whole
    number is an exact integer, others are doubles. Where doubles are too coarse, beyond 2^52, a fraction is
    rounded up: the same integers are below it. Bins for single integers then begin at them, and the last one
    ends at the integer after its own. Only the bin of a single value has no width.
    """
    exact = [Fraction(lowest * (bins - n) + highest * n, bins) for n in range(bins + 1)]
    if highest - lowest < bins and not all(map(_fits_a_double, exact)):
        return [*range(lowest, highest + 1), highest + 1]
    return [_edge(edge) for edge in exact]


def _edge(exact: Fraction) -> Edge:
    if exact.denominator == 1:
        return exact.numerator
    return float(exact) if _fits_a_double(exact) else ceil(exact)


def _fits_a_double(exact: Fraction) -> bool:
    """Whether the edge, as it would be sent, is between the same integers."""
    return exact.denominator == 1 or floor(exact) < float(exact) < ceil(exact)
