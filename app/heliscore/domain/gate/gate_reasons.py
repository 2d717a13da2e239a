"""The reasons of a gate's results, one sentence each, with the numbers that they rest on."""

from __future__ import annotations

from heliscore.domain.gate.checks import Check, Evidence, Gate, Outcome
from heliscore.domain.statistics.compared import Comparison, Measure
from heliscore.domain.statistics.interval import Interval
from heliscore.domain.statistics.wording import confidence, decimals_for, show_number, show_p


def find_lack(
    check: Check, evidence: Evidence, gate: Gate, comparison: Comparison | None = None
) -> str | None:
    """Say what is missing, or None where the scores suffice. `comparison`: with the base."""
    if not evidence.is_known:
        return f"no score is called {check.score}"
    least = gate.at_least_requests if check.at_least_scores is None else check.at_least_scores
    if evidence.candidate.sample is None:
        return f"no request of the candidate has {check.score}"
    count = evidence.candidate.sample.count
    if comparison is None:
        return f"{_requests(count)} with {check.score}, at least {least:,} asked" if count < least else None
    if evidence.base.sample is None:
        return f"no request of the base has {check.score}"
    if comparison.pairs is not None:
        if comparison.pairs:
            is_short = comparison.pairs < least
            return (
                f"{comparison.pairs:,} pairs with {check.score}, at least {least:,} asked"
                if is_short
                else None
            )
        return f"no item has {check.score} in both the candidate and the base"
    if min(count, evidence.base.sample.count) < least:
        return f"{_counts(comparison)} with {check.score}, at least {least:,} asked"
    return None


def describe_difference(
    check: Check, gate: Gate, measure: Measure, comparison: Comparison, outcome: Outcome
) -> str:
    """`accuracy rose by 3.10 (95 % 1.80 to 4.40), p 0.0003; 412 against 398 requests`"""
    interval = comparison.interval_adjusted if check.better else comparison.interval
    difference = comparison.difference or 0.0
    is_share = measure == "share"
    decimals = 1 if is_share else decimals_for(difference if interval is None else interval.reach)
    text = f"{check.score} did not change"
    if difference:
        size = show_number(abs(difference), is_share, decimals) + (" points" if is_share else "")
        text = f"{check.score} {'rose' if difference > 0 else 'fell'} by {size}"
    text += _shown_interval(interval, gate, is_share, decimals)
    if check.not_worse_by is not None:
        text += f", allowed {_bound(check.not_worse_by, is_share, ' points')}"
    elif comparison.p_adjusted is not None:
        text += f", p {show_p(comparison.p_adjusted)}"
    if outcome == "inconclusive":
        text += ", not sure yet"
    text += f"; {_counts(comparison)}"
    if outcome == "inconclusive" and comparison.needed_more:
        noun = "pairs" if comparison.pairs is not None else "requests a group"
        text += f", about {comparison.needed_more:,} more {noun} needed"
    return text


def describe_bounds(
    check: Check,
    gate: Gate,
    measure: Measure,
    value: float,
    interval: Interval | None,
    count: int,
    outcome: Outcome,
) -> str:
    """`ok is 91.2 % (95 % 88.1 to 93.6), at least 90 % asked; 412 requests`"""
    is_share = measure == "share" and check.statistic == "average"
    decimals = 1 if is_share else decimals_for(value)
    name = check.score if check.statistic == "average" else f"{check.statistic} of {check.score}"
    text = f"{name} is {show_number(value, is_share, decimals)}{' %' if is_share else ''}"
    text += _shown_interval(interval, gate, is_share, decimals)
    bounds = {"at least": check.at_least, "at most": check.at_most}
    asked = [f"{word} {_bound(bound, is_share, ' %')}" for word, bound in bounds.items() if bound is not None]
    text += f", {' and '.join(asked)} asked"
    if outcome == "inconclusive":
        text += ", not sure yet"
    return f"{text}; {_requests(count)}"


def _shown_interval(interval: Interval | None, gate: Gate, is_share: bool, decimals: int) -> str:
    if interval is None:
        return ""
    low, high = (show_number(end, is_share, decimals) for end in (interval.low, interval.high))
    return f" ({confidence(gate.confidence)} {low} to {high})"


def _bound(bound: float, is_share: bool, unit: str) -> str:
    """As it was asked for, without rounding."""
    return f"{bound * 100:.10g}{unit}" if is_share else f"{bound:.15g}"


def _counts(comparison: Comparison) -> str:
    if comparison.pairs is not None:
        return f"{comparison.pairs:,} pairs"
    return f"{comparison.other.n:,} against {comparison.base.n:,} requests"


def _requests(count: int) -> str:
    return f"{count:,} request{'' if count == 1 else 's'}"
