"""The comparison of two groups of requests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from heliscore.domain.statistics.compared import Arm, Basis, Comparison, Measure, Method, Question
from heliscore.domain.statistics.conclusions import conclude, explain, nothing_to_compare, with_lift
from heliscore.domain.statistics.effects import effect_of_samples
from heliscore.domain.statistics.estimates import Bare, Estimate, Newcombe
from heliscore.domain.statistics.means import (
    Means,
    estimate_difference,
    means_of_samples,
    means_of_units,
    means_with_covariate,
)
from heliscore.domain.statistics.sample_size import plan_arms
from heliscore.domain.statistics.samples import Sample
from heliscore.domain.statistics.superiority import superiority_of

_FEW: Final = 5
"""Fewer in a group, and Newcombe's interval covers less than 0.90 at worst."""

_SKEW_SIZE: Final = 100
_SKEW_RATIO: Final = 3
"""A smaller group beside one so many times as large: Welch's interval then covers 0.85 of skewed scores."""


def measure_of(samples: Iterable[Sample]) -> Measure:
    """A share where all values of all groups are 0 or 1, which have no other square than themselves."""
    present = list(samples)
    return "share" if present and all(sample.sum == sample.squares for sample in present) else "mean"


def compare_arms(base: Arm, other: Arm, question: Question) -> Comparison:
    """Compare one score of two groups of requests that have nothing to do with each other.

    The method follows from what there is: sums by unit, a covariate, a tuning, a share, else Welch's.
    """
    if base.sample is None or other.sample is None or _has_no_units(base) or _has_no_units(other):
        return nothing_to_compare(base.sample, other.sample)
    method, means = _method(base, other, question), _means(base, other)
    estimate = _estimate(base.sample, other.sample, means, method, question)
    plan = plan_arms(base, other, means, question) if means and means.least > 1 else None
    comparison = conclude(method, base.sample, other.sample, Basis(question, estimate, plan))
    comparison = with_lift(comparison, means, question)
    comparison = _with_effect(
        comparison, base.sample, other.sample, question, _dependence(base, other, question)
    )
    comparison = _with_superiority(comparison, base, other, _dependence(base, other, question))
    return replace(comparison, warnings=_warnings(base, other, means, method, question))


def _has_no_units(arm: Arm) -> bool:
    return arm.units is not None and not arm.units.units


def _method(base: Arm, other: Arm, question: Question) -> Method:
    if question.tuning:
        return "sequential"
    if base.units and other.units:
        return "clustered"
    if base.covariate and other.covariate:
        return "cuped"
    return "newcombe" if question.measure == "share" else "welch"


def _means(base: Arm, other: Arm) -> Means | None:
    """Sums by unit go before a covariate: requests that depend on each other would make it too sure."""
    if base.units and other.units:
        return means_of_units(base.units, other.units)
    if base.covariate and other.covariate:
        return means_with_covariate(base.covariate, other.covariate)
    if base.sample and other.sample:
        return means_of_samples(base.sample, other.sample)
    return None


def _estimate(
    base: Sample, other: Sample, means: Means | None, method: Method, question: Question
) -> Estimate:
    if method == "newcombe":
        return Newcombe(int(base.sum), base.count, int(other.sum), other.count)
    if means is None:
        return Bare(float(means_of_samples(base, other).difference), None, "constantCovariate")
    return estimate_difference(means, question)


def _dependence(base: Arm, other: Arm, question: Question) -> str | None:
    """The reason why numbers that count on independent requests and one look are left out."""
    if question.tuning:
        return "sequential"
    return "clustered" if base.units and other.units else None


def _with_effect(
    comparison: Comparison, base: Sample, other: Sample, question: Question, dependence: str | None
) -> Comparison:
    if min(base.count, other.count) < 2:
        return explain(comparison, {"effect": "tooFew"})
    confidence = None if dependence else question.confidence
    effect = effect_of_samples(base, other, question.measure == "share", confidence)
    if effect is None:
        return explain(comparison, {"effect": "noVariance"})
    comparison = replace(comparison, effect=effect)
    return explain(comparison, {"effect_interval": dependence}) if dependence else comparison


def _with_superiority(comparison: Comparison, base: Arm, other: Arm, dependence: str | None) -> Comparison:
    if base.counts is None or other.counts is None:
        return explain(comparison, {"superiority": "tooManyValues", "superiority_p": "tooManyValues"})
    found = superiority_of(base.counts, other.counts)
    if dependence:
        comparison = replace(comparison, superiority=found.value)
        return explain(comparison, {"superiority_p": dependence})
    comparison = replace(comparison, superiority=found.value, superiority_p=found.p)
    return comparison if found.p is not None else explain(comparison, {"superiority_p": "noVariance"})


def _warnings(
    base: Arm, other: Arm, means: Means | None, method: Method, question: Question
) -> tuple[str, ...]:
    sizes = sorted(_independent(arm) for arm in (base, other))
    has_covariate = bool(base.covariate and other.covariate)
    has_interval = sizes[0] > 1
    is_uneven = sizes[0] < _SKEW_SIZE and sizes[1] > _SKEW_RATIO * sizes[0]
    warnings = {
        "fewScores": method == "newcombe" and sizes[0] < _FEW,
        "skewed": question.measure == "mean" and has_interval and is_uneven,
        "pooledVariance": method != "newcombe" and has_interval and means is not None and means.is_pooled,
        "covariateUnused": has_covariate and (means is None or bool(base.units and other.units)),
        "arrivalOrder": bool(question.tuning),
    }
    return tuple(name for name, applies in warnings.items() if applies)


def _independent(arm: Arm) -> int:
    if arm.units:
        return arm.units.units
    return arm.sample.count if arm.sample else 0
