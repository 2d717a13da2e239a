"""Judges what was measured in one window against a monitor's condition.

Worse than before is a value only where the whole interval of the difference is beyond the margin, as gates
decide it. The confidence is Bonferroni's over the groups that are compared, so that of many groups none seems
worse by chance. Where no value varies there is no interval: then an exact test of as many scores decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from heliscore.domain.errors import NotMeasurable
from heliscore.domain.monitors.monitor_definition import Bound, Definition, WorseThan
from heliscore.domain.monitors.monitor_states import Outcome
from heliscore.domain.statistics.arms import compare_arms, measure_of
from heliscore.domain.statistics.compared import Arm, Direction, Question
from heliscore.domain.statistics.interval import Interval
from heliscore.domain.statistics.samples import Sample


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One group in one window."""

    group: str | None = None
    count: int = 0
    """Of the scores, or where requests are counted, of these."""

    value: float | None = None
    """Of the monitor's statistic; None: there is nothing to compute it from."""

    sample: Sample | None = None
    """Of averages and shares."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What a group's window comes to."""

    outcome: Outcome
    measured: Measured
    base: Measured | None = None
    interval: Interval | None = None
    """Of value minus base value, where it was needed for the judgement."""


def judge(
    definition: Definition, direction: Direction, measured: Sequence[Measured], base: Sequence[Measured]
) -> list[Judged]:
    """Judge the groups of a window; `base` are those of the window that it is compared with.

    Raises NotMeasurable for a share of values that are not 0 or 1.
    """
    if definition.statistic == "share":
        _check_shares(definition, (*measured, *base))
    condition = definition.condition
    if isinstance(condition, Bound):
        return [_judge_bound(definition, condition, one) for one in measured]
    return _judge_worse(definition, condition, direction, measured, {one.group: one for one in base})


def _check_shares(definition: Definition, measured: Iterable[Measured]) -> None:
    samples = [one.sample for one in measured if one.sample is not None]
    if samples and measure_of(samples) != "share":
        raise NotMeasurable(f"{definition.score} has values other than 0 and 1, and so no share of true")


def _judge_bound(definition: Definition, condition: Bound, measured: Measured) -> Judged:
    value = measured.value
    if value is None or (definition.statistic != "count" and measured.count < definition.at_least_scores):
        return Judged(outcome="no_data", measured=measured)
    recover_at = condition.limit if definition.recover_at is None else definition.recover_at
    outcome: Outcome = "between"
    if value < condition.limit if condition.is_below else value > condition.limit:
        outcome = "bad"
    elif value >= recover_at if condition.is_below else value <= recover_at:
        outcome = "recovered"
    return Judged(outcome=outcome, measured=measured)


# Worse than before


def _judge_worse(
    definition: Definition,
    condition: WorseThan,
    direction: Direction,
    measured: Sequence[Measured],
    bases: Mapping[str | None, Measured],
) -> list[Judged]:
    least = max(definition.at_least_scores, 2)
    pairs = [(one, bases.get(one.group, Measured(group=one.group))) for one in measured]
    compared = sum(min(one.count, base.count) >= least for one, base in pairs)
    confidence = 1 - (1 - condition.confidence) / max(1, compared)
    return [
        _compare(base, one, condition.margin, direction, confidence)
        if min(one.count, base.count) >= least
        else Judged(outcome="no_data", measured=one, base=base)
        for one, base in pairs
    ]


def _compare(
    base: Measured, measured: Measured, margin: float, direction: Direction, confidence: float
) -> Judged:
    if base.sample is None or measured.sample is None:
        return Judged(outcome="no_data", measured=measured, base=base)
    change = measured.sample.mean - base.sample.mean
    if (change if direction == "down" else -change) <= margin:
        # The interval holds the difference: it is not all beyond the margin.
        return Judged(outcome="recovered", measured=measured, base=base)
    measure = measure_of([base.sample, measured.sample])
    question = Question(measure=measure, direction=direction, confidence=confidence)
    comparison = compare_arms(Arm(sample=base.sample), Arm(sample=measured.sample), question)
    interval = comparison.interval
    if interval is None:
        is_bad = comparison.p is not None and comparison.p < 1 - confidence
    else:
        is_bad = (interval.low if direction == "down" else -interval.high) > margin
    outcome: Outcome = "bad" if is_bad else "recovered"
    return Judged(outcome=outcome, measured=measured, base=base, interval=interval)
