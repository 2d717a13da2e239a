"""Comparisons as answers have them."""

from __future__ import annotations

from typing import Final

from heliscore.api.http.json_schema import COUNT, NUMBER, STRING, Schema, nullable, one_of, whole_object
from heliscore.api.shared.arm_comparisons import Result
from heliscore.domain.statistics.compared import Comparison, Effect, Summary
from heliscore.domain.statistics.interval import Interval
from heliscore.domain.statistics.wording import describe

_REASON_OF: Final = ("interval", "p", "difference")
"""The numbers of which the first that is missing gives the comparison its reason."""


def show_comparison(result: Result, base: str | None) -> dict[str, object]:
    """One score of one arm beside the base."""
    found, question = result.comparison, result.question
    reasons = {_camel_case(name): reason for name, reason in found.reasons.items()}
    return {
        "score": result.score,
        "arm": result.arm,
        "measure": question.measure,
        "direction": question.direction,
        "method": found.method,
        "base": _show_summary(found.base),
        "other": _show_summary(found.other),
        "difference": found.difference,
        "interval": show_interval(found.interval),
        "p": found.p,
        "pAdjusted": found.p_adjusted,
        "intervalAdjusted": show_interval(found.interval_adjusted),
        "lift": found.lift,
        "liftInterval": show_interval(found.lift_interval),
        "effect": _show_effect(found.effect),
        "superiority": found.superiority,
        "superiorityP": found.superiority_p,
        "verdict": found.verdict,
        "uncorrectedVerdict": found.uncorrected_verdict,
        "neededPerArm": found.needed_per_arm,
        "neededMore": found.needed_more,
        "neededDays": found.needed_days,
        "pairs": found.pairs,
        "onlyBase": found.only_base,
        "onlyOther": found.only_other,
        "leftOut": result.left_out,
        "warnings": found.warnings,
        "reason": _first_reason(found),
        "reasons": reasons,
        "summary": describe(result.score, base, result.arm, question, found),
    }


def show_interval(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _show_summary(summary: Summary) -> dict[str, object]:
    return {"n": summary.n, "sum": summary.sum, "mean": summary.mean, "sd": summary.sd}


def _show_effect(effect: Effect | None) -> dict[str, object] | None:
    if effect is None:
        return None
    return {"name": effect.name, "value": effect.value, "interval": show_interval(effect.interval)}


def _first_reason(comparison: Comparison) -> str | None:
    return next((comparison.reasons[name] for name in _REASON_OF if name in comparison.reasons), None)


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


INTERVAL: Final[Schema] = {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}
_SUMMARY: Final = {"n": COUNT, "sum": NUMBER, "mean": nullable(NUMBER), "sd": nullable(NUMBER)}
_SUMMARY_SCHEMA: Final = whole_object("ArmSummary", _SUMMARY)
_EFFECT: Final = {"name": STRING, "value": NUMBER, "interval": nullable(INTERVAL)}

_PROPERTIES: Final[dict[str, Schema]] = {
    "score": STRING,
    "arm": nullable(STRING),
    "measure": one_of(("share", "mean")),
    "direction": one_of(("up", "down")),
    "method": nullable(STRING),
    "base": _SUMMARY_SCHEMA,
    "other": _SUMMARY_SCHEMA,
    "difference": nullable(NUMBER),
    "interval": nullable(INTERVAL),
    "p": nullable(NUMBER),
    "pAdjusted": nullable(NUMBER),
    "intervalAdjusted": nullable(INTERVAL),
    "lift": nullable(NUMBER),
    "liftInterval": nullable(INTERVAL),
    "effect": nullable(whole_object("Effect", _EFFECT)),
    "superiority": nullable(NUMBER),
    "superiorityP": nullable(NUMBER),
    "verdict": STRING,
    "uncorrectedVerdict": STRING,
    "neededPerArm": nullable(COUNT),
    "neededMore": nullable(COUNT),
    "neededDays": nullable(NUMBER),
    "pairs": nullable(COUNT),
    "onlyBase": nullable(COUNT),
    "onlyOther": nullable(COUNT),
    "leftOut": COUNT,
    "warnings": {"type": "array", "items": STRING},
    "reason": nullable(STRING),
    "reasons": {"type": "object", "additionalProperties": STRING},
    "summary": STRING,
}
COMPARISON: Final = whole_object("ArmComparison", _PROPERTIES)
