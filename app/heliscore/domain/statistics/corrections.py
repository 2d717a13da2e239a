"""Corrections for many comparisons at once, without which some find a difference where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from msgspec.structs import replace

from heliscore.domain.statistics.compared import Comparison, Correction
from heliscore.domain.statistics.conclusions import explain, with_needed
from heliscore.domain.statistics.sample_size import find_needed
from heliscore.domain.statistics.verdicts import judge


def correct(
    comparisons: Sequence[Comparison],
    correction: Correction,
    confidence: float,
    primary: Sequence[bool] | None = None,
) -> list[Comparison]:
    """Correct the comparisons that take part (`primary`, one for each; None: all) for each other.

    Those without p are not counted, as they can find nothing. Intervals become simultaneous (Bonferroni's),
    the needed numbers larger. With `none`, the corrected numbers are the uncorrected ones.
    """
    taking_part = list(primary) if primary is not None else [True] * len(comparisons)
    places = [
        place
        for place, (comparison, part) in enumerate(zip(comparisons, taking_part, strict=True))
        if part and comparison.p is not None
    ]
    adjusted = dict(
        zip(places, adjust([comparisons[place].p or 0.0 for place in places], correction), strict=True)
    )
    m = 1 if correction == "none" else max(len(places), 1)
    corrected = []
    for place, comparison in enumerate(comparisons):
        if taking_part[place]:
            corrected.append(_corrected(comparison, adjusted.get(place), 1 - confidence, m))
        else:
            corrected.append(
                explain(comparison, {"p_adjusted": "notPrimary", "interval_adjusted": "notPrimary"})
            )
    return corrected


def _corrected(comparison: Comparison, p: float | None, alpha: float, m: int) -> Comparison:
    reasons = comparison.reasons
    missing = {f"{name}_adjusted": reasons[name] for name in ("p", "interval") if name in reasons}
    comparison = explain(comparison, missing)
    basis = comparison.basis
    if basis is None:
        return comparison
    interval = basis.estimate.interval(1 - alpha / m)
    verdict = judge(basis.estimate, interval, p, alpha, basis.question)
    comparison = replace(comparison, p_adjusted=p, interval_adjusted=interval, verdict=verdict)
    return with_needed(comparison, find_needed(basis.plan, basis.question, alpha / m))


def adjust(p_values: Sequence[float], correction: Correction) -> list[float]:
    """Adjust p values by Holm's step-down or Benjamini and Hochberg's step-up procedure."""
    if correction == "none":
        return list(p_values)
    m = len(p_values)
    order = sorted(range(m), key=lambda place: p_values[place])
    ordered = [p_values[place] for place in order]
    if correction == "holm":
        steps = list(accumulate(((m - rank) * p for rank, p in enumerate(ordered)), max))
    else:
        falling = (m / rank * p for rank, p in zip(range(m, 0, -1), reversed(ordered), strict=True))
        steps = list(accumulate(falling, min))[::-1]
    found = [0.0] * m
    for place, p in zip(order, steps, strict=True):
        found[place] = min(p, 1.0)
    return found
