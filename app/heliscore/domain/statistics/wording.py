"""Comparisons in words, one sentence each, with the numbers that they rest on."""

from __future__ import annotations

from typing import Final

from heliscore.domain.statistics.compared import Comparison, Question, Verdict

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
        sentence += f", p {show_p(comparison.p_adjusted)}"
    sentence += f"; {describe_counts(comparison)}"
    if comparison.needed_more:
        noun = "pairs" if comparison.pairs is not None else "scores a group"
        sentence += f"; {comparison.needed_more:,} more {noun} needed"
    return sentence


def describe_difference(question: Question, comparison: Comparison) -> str:
    """`84.1 against 81.0, +3.1 (95 % 1.8 to 4.4)`, of shares in percent and percentage points."""
    interval = comparison.interval_adjusted or comparison.interval
    difference = comparison.difference or 0.0
    is_share = question.measure == "share"
    decimals = 1 if is_share else decimals_for(difference if interval is None else interval.reach)
    other, base = (
        show_number(of.mean or 0.0, is_share, decimals) for of in (comparison.other, comparison.base)
    )
    unit = (" %", " points") if is_share else ("", "")
    sign = "+" if difference > 0 else ""
    change = f"{sign}{show_number(difference, is_share, decimals)}{unit[1]}"
    text = f"{other}{unit[0]} against {base}{unit[0]}, {change}"
    if interval is not None:
        together = "" if interval == comparison.interval else " together"
        low, high = (show_number(end, is_share, decimals) for end in (interval.low, interval.high))
        text += f" ({confidence(question.confidence)}{together} {low} to {high})"
    return text


def describe_counts(comparison: Comparison) -> str:
    if comparison.pairs is not None:
        return f"{comparison.pairs:,} {'pair' if comparison.pairs == 1 else 'pairs'}"
    return f"{comparison.other.n:,} against {comparison.base.n:,} scores"


def label(group: str | None) -> str:
    return "requests without a value" if group is None else group


def confidence(level: float) -> str:
    return f"{level * 100:.10g} %"


def decimals_for(reach: float) -> int:
    """The decimals that show a number of that size to three digits."""
    size = abs(reach)
    return 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 or size == 0 else 3


def show_number(value: float, is_share: bool, decimals: int) -> str:
    text = f"{value * 100 if is_share else value:,.{decimals}f}"
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def show_p(p: float) -> str:
    return f"below {_LEAST_P}" if p < _LEAST_P else f"{p:.2g}"
