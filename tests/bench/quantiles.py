"""What is kept of many timings."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """Percentiles of a latency in milliseconds."""

    p50: float
    p95: float
    p99: float


def spread(times_ms: Sequence[float]) -> Spread:
    """The percentiles of single timings, the nearest rank of each."""
    ordered = sorted(times_ms)
    return Spread(*(ordered[min(len(ordered) - 1, len(ordered) * p // 100)] for p in (50, 95, 99)))


def middle(spreads: Sequence[Spread]) -> Spread:
    """The medians of each percentile over the rounds."""
    return Spread(*(median(getattr(one, name) for one in spreads) for name in Spread.__struct_fields__))
