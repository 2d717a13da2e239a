"""Decides the checks of a gate.

What cannot be decided is inconclusive and never a pass: an unknown score, an empty group, too few scores, an
interval that reaches across the bound. Where no value varies there is no interval; then the value counts as
certain if there are so many scores that an exact test at the same confidence could find something.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log

from msgspec.structs import replace

from heliscore.domain.gate.checks import Case, Check, Evidence, Gate, Outcome
from heliscore.domain.gate.gate_reasons import describe_bounds, describe_difference, find_lack
from heliscore.domain.gate.gate_report import CheckResult, GateReport, GroupSummary, make_report
from heliscore.domain.statistics.arms import compare_arms
from heliscore.domain.statistics.compared import Arm, Comparison, Direction, Question, Summary
from heliscore.domain.statistics.conclusions import summarize
from heliscore.domain.statistics.corrections import correct
from heliscore.domain.statistics.distributions import log_choose
from heliscore.domain.statistics.interval import Interval
from heliscore.domain.statistics.paired import compare_pairs
from heliscore.domain.statistics.samples import Sample
from heliscore.domain.statistics.single_groups import interval_of_mean, interval_of_share, interval_of_units


def decide(gate: Gate, cases: Sequence[Case]) -> GateReport:
    """Decide every case. Those for `better` are corrected for each other."""
    relative = [place for place, case in enumerate(cases) if case.check.is_relative and not case.check.skip]
    compared = {place: _compare(cases[place], gate) for place in relative}
    better = [place for place in relative if cases[place].check.better]
    corrected = correct([compared[place] for place in better], gate.correction, gate.confidence)
    compared.update(zip(better, corrected, strict=True))
    results = [_decide(case, gate, compared.get(place)) for place, case in enumerate(cases)]
    return make_report(gate.name, gate.on_too_few, results)


def _compare(case: Case, gate: Gate) -> Comparison:
    evidence = case.evidence
    question = Question(
        measure=evidence.measure,
        direction=_direction(case),
        confidence=gate.confidence,
        margin=case.check.not_worse_by,
    )
    if evidence.pairs is not None:
        return compare_pairs(evidence.pairs, question)
    return compare_arms(evidence.base, evidence.candidate, question)


def _direction(case: Case) -> Direction:
    return case.check.direction or case.evidence.direction


def _decide(case: Case, gate: Gate, comparison: Comparison | None) -> CheckResult:
    check = case.check
    result = CheckResult(
        score=check.score, check=check.rule, group=case.group, result="skipped", reason="skip is true"
    )
    if check.skip:
        return result
    result = replace(result, left_out=case.evidence.left_out)
    if comparison is None:
        return _decide_bounds(result, case, gate)
    result = replace(
        result,
        base=_show(comparison.base),
        candidate=_show(comparison.other),
        value=comparison.difference,
        pairs=comparison.pairs,
        needed_more=comparison.needed_more,
    )
    return _decide_difference(result, case, gate, comparison)


def _show(summary: Summary) -> GroupSummary:
    return GroupSummary(summary.n, summary.mean)


def _ends(interval: Interval | None) -> tuple[float, float] | None:
    return None if interval is None else (interval.low, interval.high)


# The difference from the base


def _decide_difference(result: CheckResult, case: Case, gate: Gate, comparison: Comparison) -> CheckResult:
    check = case.check
    interval = comparison.interval_adjusted if check.better else comparison.interval
    p = comparison.p_adjusted if check.better else comparison.p
    result = replace(result, interval=_ends(interval), p=p)
    lack = find_lack(check, case.evidence, gate, comparison)
    if lack is not None:
        return replace(result, result="inconclusive", reason=lack)
    if check.better:
        outcome = _judge_better(comparison)
    else:
        outcome = _judge_margin(case, comparison, interval or _certain(case.evidence, gate, comparison))
    reason = describe_difference(check, gate, case.evidence.measure, comparison, outcome)
    return replace(result, result=outcome, reason=reason)


def _judge_better(comparison: Comparison) -> Outcome:
    match comparison.verdict:
        case "better":
            return "pass"
        case "worse":
            return "fail"
        case _:
            return "inconclusive"


def _judge_margin(case: Case, comparison: Comparison, interval: Interval | None) -> Outcome:
    """Pass where the interval's worse end is a loss within the margin, fail where its better end is not."""
    margin = case.check.not_worse_by
    if interval is None or margin is None or comparison.verdict == "tooFew":
        return "inconclusive"
    is_up = _direction(case) == "up"
    worse, better = (interval.low, interval.high) if is_up else (-interval.high, -interval.low)
    if worse > -margin:
        return "pass"
    return "fail" if better < -margin else "inconclusive"


def _certain(evidence: Evidence, gate: Gate, comparison: Comparison) -> Interval | None:
    """The interval, of no width, of a difference between values that do not vary.

    The chance is that of the least p that a permutation of the groups can have, or of pairs, a sign test.
    """
    difference = comparison.difference
    if difference is None or comparison.reasons.get("interval") != "noVariance":
        return None
    if comparison.pairs is not None:
        chance = _chance_of_sign(comparison.pairs)
    else:
        base, candidate = _independent(evidence.base), _independent(evidence.candidate)
        chance = exp(log(2) - log_choose(base + candidate, base))
    return Interval(difference, difference) if chance < 1 - gate.confidence else None


def _chance_of_sign(count: int) -> float:
    """The least p of a sign test."""
    return 2.0 ** (1 - count)


def _independent(arm: Arm) -> int:
    if arm.units is not None:
        return arm.units.units
    return 0 if arm.sample is None else arm.sample.count


# Bounds


def _decide_bounds(result: CheckResult, case: Case, gate: Gate) -> CheckResult:
    check, evidence = case.check, case.evidence
    sample = evidence.candidate.sample
    result = replace(result, candidate=_show(summarize(sample)))
    lack = find_lack(check, evidence, gate)
    if lack is not None or sample is None:
        return replace(result, result="inconclusive", reason=lack or "no scores")
    if check.statistic != "average":
        interval, value = None, evidence.statistics[check.statistic]
    else:
        interval, value = _interval_of_average(evidence, sample, gate.confidence), sample.mean
    within: Interval | None = Interval(value, value)
    if check.sure:
        within = interval or _certain_average(evidence.candidate, sample, gate)
    outcome: Outcome = "inconclusive" if within is None else _judge_bounds(check, within)
    reason = describe_bounds(check, gate, evidence.measure, value, interval, sample.count, outcome)
    return replace(result, value=value, interval=_ends(interval), result=outcome, reason=reason)


def _interval_of_average(evidence: Evidence, sample: Sample, confidence: float) -> Interval | None:
    if evidence.candidate.units is not None:
        return interval_of_units(evidence.candidate.units, confidence)
    if evidence.measure == "share":
        return interval_of_share(sample, confidence)
    return interval_of_mean(sample, confidence)


def _certain_average(candidate: Arm, sample: Sample, gate: Gate) -> Interval | None:
    if _chance_of_sign(_independent(candidate)) >= 1 - gate.confidence:
        return None
    return Interval(sample.mean, sample.mean)


def _judge_bounds(check: Check, interval: Interval) -> Outcome:
    """Pass where the whole interval is within the bounds, fail where none of it is within one of them."""
    low, high = check.at_least, check.at_most
    if (low is not None and interval.high < low) or (high is not None and interval.low > high):
        return "fail"
    if (low is None or interval.low >= low) and (high is None or interval.high <= high):
        return "pass"
    return "inconclusive"
