"""How many scores show a difference that is stated beforehand.

The difference that was observed is no argument: power computed from it says nothing that p does not say.
"""

from __future__ import annotations

from math import ceil, sqrt
from typing import Final

import msgspec

from heliscore.domain.statistics.compared import Arm, Plan, Question
from heliscore.domain.statistics.distributions import bisect, normal_quantile
from heliscore.domain.statistics.estimates import always_valid_z, rho_squared
from heliscore.domain.statistics.means import Means
from heliscore.domain.statistics.samples import Sample

_DAYS: Final = 7
_MOST: Final = 1e6
"""Deviations in the difference: to show less than a millionth of one takes some 10^13 scores."""


class Needed(msgspec.Struct, frozen=True):
    per_arm: int | None = None
    """Scores in the base; of pairs, pairs."""

    more: int | None = None
    days: float | None = None
    reason: str | None = None


def plan_arms(base: Arm, other: Arm, means: Means, question: Question) -> Plan | None:
    """Plan with the ratio of the groups, the variances and the design effect that were observed."""
    if base.sample is None or other.sample is None:
        return None
    have, have_of_other = base.sample.count, other.sample.count
    if base.covariate and other.covariate and not (base.units and other.units):
        have, have_of_other = base.covariate.count, other.covariate.count
    ratio, spread = have_of_other / have, means.variance * have
    if question.measure == "share":
        independent = (base.sample.variance or 0.0) / have + (other.sample.variance or 0.0) / have_of_other
        design_effect = means.variance / independent if independent else 1.0
        spread = _share_spread(base.sample, ratio, question) * design_effect
    return Plan(spread, ratio, have, (base.last_week, other.last_week))


def _share_spread(base: Sample, ratio: float, question: Question) -> float:
    """The binomial variance at the base's share, and at the share that shows the stated difference; within
    a margin, the shares are planned to be equal."""
    p = base.mean
    effect = 0 if question.margin is not None else question.minimum_effect or 0
    expected = min(max(p + (effect if question.direction == "up" else -effect), 0.0), 1.0)
    return p * (1 - p) + expected * (1 - expected) / ratio


def find_needed(plan: Plan | None, question: Question, alpha: float) -> Needed:
    """Count the scores that show the margin kept, or else the least difference that matters, with the
    question's power.

    The margin is one-sided at half of alpha, as the interval's lower end is. Always-valid intervals are wider
    and need more.
    """
    difference = question.minimum_effect if question.margin is None else question.margin
    if difference is None:
        return Needed(reason="notAsked")
    if plan is None:
        return Needed(reason="tooFew")
    if not plan.spread:
        return Needed(reason="noVariance")
    if sqrt(plan.spread) / difference > _MOST:
        return Needed(reason="tooMany")
    unit = plan.spread / difference**2
    exact = (normal_quantile(1 - alpha / 2) + normal_quantile(question.power)) ** 2 * unit
    if question.tuning:
        exact = _always_valid(exact, unit, plan, question, alpha)
    per_arm = ceil(exact)
    more = max(0, per_arm - plan.have)
    days, reason = _days(more, plan)
    return Needed(per_arm, more, days, reason)


def _always_valid(fixed: float, unit: float, plan: Plan, question: Question, alpha: float) -> float:
    """Find the count at which an always-valid interval is as narrow as it must be."""
    rho2 = rho_squared(question.tuning or 1, 1 - question.confidence)
    power = normal_quantile(question.power)

    def is_too_few(count: float) -> bool:
        return count < (always_valid_z(count * (1 + plan.ratio) * rho2, alpha) + power) ** 2 * unit

    low, high = fixed, fixed * 2
    while is_too_few(high):
        low, high = high, high * 2
    return bisect(is_too_few, low, high)


def _days(more: int, plan: Plan) -> tuple[float | None, str | None]:
    """How long they take to come as they came last week, in the group that takes longest."""
    if not more:
        return 0.0, None
    needs = (more, more * plan.ratio)
    rates = plan.last_week
    if any(rate is None for rate in rates):
        return None, "unknownRate"
    if not all(rates):
        return None, "noneLastWeek"
    return max(_DAYS * need / rate for need, rate in zip(needs, rates, strict=False) if rate), None
