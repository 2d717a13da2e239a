"""Agreement in words: how often two raters agree, how far beyond chance, and which way they differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from heliscore.api.shared.agreements import Pair
from heliscore.dashboard.parts.number_formats import (
    format_count,
    format_interval,
    format_number,
    format_share,
    format_sign,
)
from heliscore.domain.statistics.interval import Interval
from heliscore.domain.statistics.jackknife import Coefficient

_WORDS: Final = (
    (0.2, "slight"),
    (0.4, "fair"),
    (0.6, "moderate"),
    (0.8, "substantial"),
    (1.0, "almost perfect"),
)
"""Landis and Koch's (1977), each up to that kappa: of the interval's lower end, so that chance earns none."""

REASONS: Final = {
    "noPairs": "no request has a value of both",
    "oneValueOnly": "both gave one value only",
    "constantRater": "one of them gave one value only",
    "perfect": "they agree in every request",
    "scales": "they use different scales",
    "nominal": "the values are names: neither order nor distance matters",
    "tooManyValues": "there are too many different pairs of values",
    "tooFew": "there are too few requests",
    "tooFewDifferent": "too few values differ",
    "noVariance": "the values do not vary",
    "noSuchRequests": "there are no such requests",
    "missingRatings": "not all rated every request",
    "notBetterThanChance": "the judge is no better than chance",
}
"""Why there is no number, or no interval."""

NAMES: Final = {
    "observedAgreement": "Exact agreement",
    "withinTolerance": "Agreement within the tolerance",
    "cohenKappa": "Cohen's kappa",
    "linearKappa": "Kappa, linear weights",
    "quadraticKappa": "Kappa, quadratic weights",
    "krippendorffAlpha": "Krippendorff's alpha",
    "fleissKappa": "Fleiss' kappa",
    "gwetAC1": "Gwet's AC1",
    "spearman": "Spearman's rho",
    "kendallTauB": "Kendall's tau-b",
    "pearson": "Pearson's r",
    "meanAbsoluteError": "Mean absolute difference",
    "rootMeanSquareError": "Root mean square difference",
    "bias": "Mean difference",
    "limitsOfAgreement": "Limits of 95 % of the differences",
    "allEqual": "All raters the same",
    "precision": "Precision",
    "recall": "Recall",
    "trueNegativeRate": "Recall of what fails",
    "f1": "F1",
    "balancedAccuracy": "Balanced accuracy",
    "matthewsCorrelation": "Matthews' correlation",
    "correctedShare": "Share that passes, without the judge's errors",
}
_SHARES: Final = frozenset(
    (
        *("observedAgreement", "withinTolerance", "allEqual", "precision", "recall", "trueNegativeRate"),
        *("balancedAccuracy", "correctedShare"),
    )
)


class ShownCoefficient(msgspec.Struct, frozen=True):
    """One number of a table."""

    name: str
    value: str
    interval: str
    reason: str
    """Why there is no value or no interval; empty where there is."""


def show_coefficients(coefficients: Mapping[str, Coefficient]) -> list[ShownCoefficient]:
    return [_show(name, one) for name, one in coefficients.items()]


def _show(name: str, one: Coefficient) -> ShownCoefficient:
    is_share = name in _SHARES
    value = "" if one.value is None else format_share(one.value) if is_share else _signed(one.value)
    interval = "" if one.interval is None else _range(one.interval, is_share=is_share)
    reason = "" if one.reason is None else REASONS.get(one.reason, one.reason)
    return ShownCoefficient(NAMES.get(name, name), value, interval, reason)


def _signed(value: float) -> str:
    if abs(value) >= 10:
        return format_number(value)
    shown = f"{value:.2f}"
    return shown.removeprefix("-") if float(shown) == 0 else shown.replace("-", "\N{MINUS SIGN}")


def _range(interval: Interval, *, is_share: bool) -> str:
    ends = (interval.low, interval.high)
    return " to ".join(format_share(end) if is_share else _signed(end) for end in ends)


def describe_agreement(pair: Pair, first: str, second: str, tolerance: int) -> str:
    """`judges and people agree in 84% (79.5% to 87.6%) of 312 requests`"""
    agreement = pair.agreement
    if not agreement.count:
        return f"No request has a value of both {first} and {second}"
    is_near = tolerance > 0 and agreement.coefficients["withinTolerance"].value is not None
    found = agreement.coefficients["withinTolerance" if is_near else "observedAgreement"]
    requests = "1 request" if agreement.count == 1 else f"{format_count(agreement.count)} requests"
    agree = f"agree within {format_count(tolerance)}" if is_near else "agree"
    if found.value is None:
        return f"{first} and {second} rated {requests} on different scales"
    interval = "" if found.interval is None else f" ({_range(found.interval, is_share=True)})"
    return f"{first} and {second} {agree} in {format_share(found.value)}{interval} of {requests}"


def describe_kappa(pair: Pair) -> str:
    """`kappa 0.62 (0.51 to 0.72): at least moderate`; of values in an order, weighted by distance."""
    agreement = pair.agreement
    is_named = agreement.level == "nominal"
    kappa = agreement.coefficients["cohenKappa" if is_named else "quadraticKappa"]
    name = "kappa" if is_named else "weighted kappa"
    if kappa.value is None:
        return f"no {name}: {REASONS.get(kappa.reason or '', kappa.reason)}" if agreement.count else ""
    if kappa.interval is None:
        return f"{name} {_signed(kappa.value)}"
    numbers = f"{name} {_signed(kappa.value)} ({_range(kappa.interval, is_share=False)})"
    if kappa.interval.low <= 0:
        return f"{numbers}: perhaps no better than chance"
    word = next(word for most, word in _WORDS if kappa.interval.low <= most)
    return f"{numbers}: {word}" if word == _WORDS[-1][1] else f"{numbers}: at least {word}"


def describe_bias(pair: Pair, first: str, second: str) -> str:
    """`values of judges are 3.10 higher than those of people on average (+1.90 to +4.30)`, or that no bias is
    shown."""
    bias = pair.agreement.coefficients["bias"]
    if bias.value is None:
        return ""
    is_share = all(cell.x_from in (0, 1) and cell.y_from in (0, 1) for cell in pair.agreement.confusion)
    is_share = is_share and pair.agreement.level == "nominal"
    size = abs(bias.value) * (100 if is_share else 1)
    unit = " points" if is_share else ""
    interval = bias.interval
    ends = "" if interval is None else f" ({format_interval(interval, is_share)})"
    if interval is not None and interval.low <= 0 <= interval.high:
        sign = format_sign(bias.value) or "±"
        return f"no bias shown: {sign}{format_number(size)}{unit} on average{ends}"
    if not bias.value:
        return "no bias"
    word = "higher" if bias.value > 0 else "lower"
    return f"values of {first} are {format_number(size)}{unit} {word} than those of {second} on average{ends}"


def describe_coverage(pair: Pair, first: str, second: str) -> str:
    """How many requests only one of them rated."""
    parts = [
        f"{format_count(count)} requests have only {name}"
        for count, name in ((pair.only_a, first), (pair.only_b, second))
        if count
    ]
    return "; ".join(parts)
