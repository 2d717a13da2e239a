"""Comparisons in words, one sentence each, with the numbers that they rest on."""

from __future__ import annotations

from typing import Final

from heliscore.domain.statistics.compared import Comparison, Measure, Question, Verdict
from heliscore.domain.statistics.interval import Interval

MINUS: Final = "\u2212"

_LEAST_P: Final = 0.0001

_VERDICTS: Final[dict[Verdict, str]] = {
    "better": "{other} is better than {base}",
    "worse": "{other} is worse than {base}",
    "equivalent": "{other} and {base} differ by less than the margin",
    "notWorse": "{other} is not worse than {base} by more than the margin",
    "noDifferenceShown": "no difference shown between {other} and {base}",
    "tooFew": "too few scores to compare {other} with {base}",
    "identical": "all values of {other} and {base} are the same",
}


def describe(
    score: str, base: str | None, other: str | None, question: Question, comparison: Comparison
) -> str:
    """`accuracy: B is better than A, 84.1 against 81.0, +3.1 (95 % 1.8 to 4.4), p 0.0003; 412 against 398
    scores`"""
    named = {"base": label(base), "other": label(other)}
    sentence = f"{score}: {_VERDICTS[comparison.verdict].format(**named)}"
    if comparison.difference is not None:
        sentence += ", " + describe_difference(question, comparison)
    if comparison.p_adjusted is not None:
        sentence += f", p {_p(comparison.p_adjusted)}"
    sentence += f"; {describe_counts(comparison)}"
    if comparison.needed_more:
        noun = "pairs" if comparison.pairs is not None else "scores a group"
        sentence += f"; {comparison.needed_more:,} more {noun} needed"
    return sentence


def describe_difference(question: Question, comparison: Comparison) -> str:
    """`84.1 against 81.0, +3.1 (95 % 1.8 to 4.4)`"""
    measure, interval = question.measure, comparison.interval_adjusted or comparison.interval
    other, base = (number(of.mean or 0.0, measure) for of in (comparison.other, comparison.base))
    text = f"{other} against {base}, {signed(comparison.difference or 0.0, measure)}"
    if interval is not None:
        text += f" ({confidence(question.confidence)} {between(interval, measure)})"
    return text


def describe_counts(comparison: Comparison) -> str:
    if comparison.pairs is not None:
        return f"{comparison.pairs:,} pairs"
    return f"{comparison.other.n:,} against {comparison.base.n:,} scores"


def label(group: str | None) -> str:
    return "requests without a value" if group is None else group


def number(value: float, measure: Measure) -> str:
    """A mean, or a share in percent."""
    return f"{_digits(value * 100)} %" if measure == "share" else _digits(value)


def signed(value: float, measure: Measure) -> str:
    """A difference; of shares in percentage points."""
    sign = "+" if value > 0 else ""
    return f"{sign}{_digits(value * 100)} points" if measure == "share" else f"{sign}{_digits(value)}"


def between(interval: Interval, measure: Measure) -> str:
    factor = 100 if measure == "share" else 1
    return f"{_digits(interval.low * factor)} to {_digits(interval.high * factor)}"


def confidence(level: float) -> str:
    return f"{level * 100:.10g} %"


def _digits(value: float) -> str:
    """Three significant digits or more, without an exponent: enough to compare, not to compute with."""
    if value == 0:
        return "0"
    decimals = max(0, 2 - len(str(int(abs(value)))) + 1) if abs(value) >= 1 else 3
    text = f"{abs(value):,.{decimals}f}"
    if not any(digit in text for digit in "123456789"):
        text = f"{abs(value):.2g}"
    return f"{MINUS}{text}" if value < 0 else text


def _p(p: float) -> str:
    return f"below {_LEAST_P}" if p < _LEAST_P else f"{p:.2g}"
