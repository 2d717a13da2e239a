"""How far scores moved, beyond noise.

A score has moved if p is below 1 - confidence, corrected by Holm's method for all comparisons of the call.
How far: the end of its simultaneous interval that is nearest to no change, in standard deviations of the
score in both times together, so that scores of any scale stand in one list.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from heliscore.domain.changes.bases import Base
from heliscore.domain.changes.change import Change, Direction, Side, Verdict
from heliscore.domain.changes.period_scores import GroupScores, Period
from heliscore.domain.statistics.arms import measure_of
from heliscore.domain.statistics.compared import Measure, Question
from heliscore.domain.statistics.corrections import adjust
from heliscore.domain.statistics.estimates import Estimate, Newcombe
from heliscore.domain.statistics.interval import Interval
from heliscore.domain.statistics.means import cautious_means_of_samples, estimate_difference
from heliscore.domain.statistics.samples import Sample

_QUESTION: Final = Question(measure="mean")

Compared = tuple[GroupScores, Period, Base]
"""A score of a group, its values now, and what they are compared with."""


def find_movements(
    compared: Sequence[Compared],
    whole: Mapping[str, Sample],
    falling: Collection[str],
    confidence: float,
) -> list[Change]:
    """Compare each with its base. `whole`: by score, the values of all requests in both times; `falling`: the
    scores of which lower values are better."""
    measures = {name: measure_of([sample]) for name, sample in whole.items()}
    estimates = [_estimate(base.sample, now.sample, measures[scores.score]) for scores, now, base in compared]
    alpha = 1 - confidence
    adjusted = adjust([1.0 if estimate.p is None else estimate.p for estimate in estimates], "holm")
    moved = []
    for one, estimate, p in zip(compared, estimates, adjusted, strict=True):
        if p < alpha and estimate.difference:
            interval = estimate.interval(1 - alpha / len(compared))
            name = one[0].score
            deviation = whole[name].deviation or 0.0
            moved.append(_make(one, estimate, interval, p, deviation, measures[name], name in falling))
    return moved


def _estimate(base: Sample, now: Sample, measure: Measure) -> Estimate:
    if measure == "share":
        return Newcombe(int(base.sum), base.count, int(now.sum), now.count)
    return estimate_difference(cautious_means_of_samples(base, now), _QUESTION)


def _make(
    compared: Compared,
    estimate: Estimate,
    interval: Interval | None,
    p: float,
    deviation: float,
    measure: Measure,
    is_falling: bool,
) -> Change:
    scores, now, base = compared
    difference = estimate.difference
    direction: Direction = "rose" if difference > 0 else "fell"
    verdict: Verdict = "better" if (difference > 0) != is_falling else "worse"
    return Change(
        score=scores.score,
        group=scores.group,
        direction=direction,
        verdict=verdict,
        measure=measure,
        base=base.kind,
        before=Side.of(base.sample),
        now=Side.of(now.sample),
        difference=difference,
        interval=interval,
        p=p,
        beyond=_nearest(difference, interval) / deviation,
    )


def _nearest(difference: float, interval: Interval | None) -> float:
    """How far from 0 the interval begins; below 0 where it reaches beyond, as Bonferroni's may where Holm's p
    is small enough."""
    if interval is None:
        return abs(difference)
    return interval.low if difference > 0 else -interval.high
