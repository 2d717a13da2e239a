"""Says why a request is in a sample, in a short sentence with the numbers."""

from __future__ import annotations

from decimal import Decimal

from heliscore.store.samples import Sampled


def explain_stratified(request: Sampled) -> str:
    group = "without a group" if request.group is None else f"of the group {request.group}"
    return f"at random, of {request.of} requests {group}"


def explain_threshold(request: Sampled, threshold: int | float) -> str:
    [(name, value)] = request.scores.items()
    exactly = Decimal(repr(threshold))
    distance = value - exactly
    if not distance:
        return f"{name} is {value}, at the threshold"
    side = "above" if distance > 0 else "below"
    return f"{name} is {value}, {abs(distance):f} {side} the threshold {exactly:f}"


def explain_disagreement(request: Sampled) -> str:
    lowest, highest = (choose(request.scores, key=request.scores.__getitem__) for choose in (min, max))
    low, high = request.scores[lowest], request.scores[highest]
    if low == high:
        return f"all {len(request.scores)} scores are {low}"
    return f"{lowest} is {low} and {highest} is {high}, {high - low} apart"


def explain_leverage(request: Sampled) -> str:
    [(name, value)] = request.scores.items()
    moved = abs(value - request.mean) / request.of
    mean = f"the mean of {request.of} is {request.mean:.2f}"
    return f"{name} is {value} where {mean}: it moves that by {moved:.3g}"
