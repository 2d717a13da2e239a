"""A comparison's numbers and verdict, from its estimate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from heliscore.domain.statistics.compared import Basis, Comparison, Method, Question, Summary
from heliscore.domain.statistics.estimates import Bare
from heliscore.domain.statistics.lifts import lift_interval, lift_of
from heliscore.domain.statistics.means import Means
from heliscore.domain.statistics.sample_size import Needed, find_needed
from heliscore.domain.statistics.samples import Sample
from heliscore.domain.statistics.verdicts import judge

_NUMBERS: Final = (
    "difference",
    "interval",
    "p",
    "lift",
    "lift_interval",
    "effect",
    "superiority",
    "superiority_p",
)


def summarize(sample: Sample | None) -> Summary:
    if sample is None:
        return Summary(0, 0, None, None)
    total = int(sample.sum) if sample.sum == int(sample.sum) else float(sample.sum)
    return Summary(sample.count, total, sample.mean, sample.deviation)


def nothing_to_compare(base: Sample | None, other: Sample | None) -> Comparison:
    """The comparison of a group that has no scores."""
    needed = ("needed_per_arm", "needed_more", "needed_days")
    return Comparison(
        method=None,
        base=summarize(base),
        other=summarize(other),
        verdict="tooFew",
        uncorrected_verdict="tooFew",
        reasons=dict.fromkeys((*_NUMBERS, *needed), "tooFew"),
    )


def conclude(method: Method, base: Sample, other: Sample, basis: Basis) -> Comparison:
    """Begin a comparison with what its estimate says, as if it were the only one."""
    question, estimate = basis.question, basis.estimate
    alpha = 1 - question.confidence
    interval, p = estimate.interval(question.confidence), estimate.p
    verdict = judge(estimate, interval, p, alpha, question)
    reason = estimate.reason if isinstance(estimate, Bare) else None
    comparison = Comparison(
        method=method,
        base=summarize(base),
        other=summarize(other),
        difference=estimate.difference,
        interval=interval,
        p=p,
        verdict=verdict,
        uncorrected_verdict=verdict,
        reasons={
            name: reason for name, number in (("interval", interval), ("p", p)) if number is None and reason
        },
        basis=basis,
    )
    return with_needed(comparison, find_needed(basis.plan, question, alpha))


def with_needed(comparison: Comparison, needed: Needed) -> Comparison:
    numbers = {"needed_per_arm": needed.per_arm, "needed_more": needed.more, "needed_days": needed.days}
    missing = {name: needed.reason for name, number in numbers.items() if number is None and needed.reason}
    kept = {name: reason for name, reason in comparison.reasons.items() if name not in numbers}
    return replace(
        comparison,
        needed_per_arm=needed.per_arm,
        needed_more=needed.more,
        needed_days=needed.days,
        reasons={**kept, **missing},
    )


def with_lift(comparison: Comparison, means: Means | None, question: Question) -> Comparison:
    """Add the difference in relation to the base."""
    if means is None or means.least < 2:
        reason = "tooFew" if means else "constantCovariate"
        return explain(comparison, {"lift": reason, "lift_interval": reason})
    lift = lift_of(means, question.confidence, question.measure == "share")
    interval = None
    if lift is not None and not question.tuning:
        interval = lift_interval(means, question.confidence)
    reasons = {}
    if lift is None:
        reasons = {"lift": "baseMayBe0", "lift_interval": "baseMayBe0"}
    elif interval is None:
        reason = "sequential" if question.tuning else "unbounded" if means.variance else "noVariance"
        reasons = {"lift_interval": reason}
    return explain(replace(comparison, lift=lift, lift_interval=interval), reasons)


def explain(comparison: Comparison, reasons: Mapping[str, str]) -> Comparison:
    """Add why numbers are None."""
    return replace(comparison, reasons={**comparison.reasons, **reasons})
