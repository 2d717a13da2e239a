"""How well a judge finds what a reference calls positive, and the share of positives without its errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from typing import Final, Self

import msgspec

from heliscore.domain.statistics.agreement import few
from heliscore.domain.statistics.agreement_sums import correlation
from heliscore.domain.statistics.confusion import bins_of
from heliscore.domain.statistics.distributions import normal_quantile
from heliscore.domain.statistics.interval import Interval, wilson
from heliscore.domain.statistics.jackknife import Coefficient, Jackknife
from heliscore.domain.statistics.pair_tables import PairTable


class Outcomes(msgspec.Struct, frozen=True):
    """How many requests the judge found right or wrong, by what the reference says."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def count(self) -> int:
        return self.true_positives + self.false_positives + self.false_negatives + self.true_negatives

    def without_one(self) -> list[Self]:
        """The outcomes without one request of each kind that occurs."""
        kinds = msgspec.structs.astuple(self)
        return [
            type(self)(*(count - (place == kind) for place, count in enumerate(kinds)))
            for kind in range(len(kinds))
            if kinds[kind]
        ]


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """The requests to which the judge gave a value from low to high."""

    low: int
    high: int
    count: int
    mean: float
    """The mean of the reference's values, which is the share of 1 where they are 0 and 1."""

    share: Coefficient
    """The share that the reference calls positive."""


class ReferenceAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """A judge measured by a reference that is taken to be right."""

    count: int
    outcomes: Outcomes
    coefficients: Mapping[str, Coefficient]
    calibration: tuple[Calibration, ...] = ()
    """By what the judge gave, ascending: its value, or at most 25 ranges of values."""

    warnings: tuple[str, ...] = ()


def against_reference(
    table: PairTable,
    *,
    positive: Callable[[int], bool],
    reference_is_first: bool,
    confidence: float,
    judge_positive: Callable[[int], bool] | None = None,
    judged: tuple[int, int] | None = None,
) -> ReferenceAgreement:
    """Measure a judge by a reference.

    `positive` says which values pass, of both unless `judge_positive` says it of the judge. `judged` is how
    many requests the judge calls positive, and how many it judged, with a reference or without: the corrected
    share is of those. Else it is of the requests in the table, where it is the share that the reference calls
    positive.
    """
    pairs = Counter(
        {(pair if reference_is_first else pair[::-1]): count for pair, count in table.items() if count}
    )
    outcomes = _outcomes(pairs, positive, judge_positive or positive)
    if not outcomes.count:
        null = Coefficient(None, None, "noPairs")
        return ReferenceAgreement(count=0, outcomes=outcomes, coefficients=dict.fromkeys(COEFFICIENTS, null))
    return ReferenceAgreement(
        count=outcomes.count,
        outcomes=outcomes,
        coefficients={
            **{name: _rate(*rate(outcomes), confidence) for name, rate in _RATES.items()},
            **{name: _coefficient(formula, outcomes, confidence) for name, formula in _FORMULAS.items()},
            "correctedShare": _corrected_share(outcomes, judged, confidence),
        },
        calibration=_calibration(pairs, positive, confidence),
        warnings=few(outcomes.count),
    )


def _outcomes(
    pairs: PairTable, positive: Callable[[int], bool], judge_positive: Callable[[int], bool]
) -> Outcomes:
    found: Counter[tuple[bool, bool]] = Counter()
    for (reference, judge), count in pairs.items():
        found[positive(reference), judge_positive(judge)] += count
    return Outcomes(found[True, True], found[False, True], found[True, False], found[False, False])


def _precision(of: Outcomes) -> tuple[int, int]:
    return of.true_positives, of.true_positives + of.false_positives


def _recall(of: Outcomes) -> tuple[int, int]:
    return of.true_positives, of.true_positives + of.false_negatives


def _true_negative_rate(of: Outcomes) -> tuple[int, int]:
    return of.true_negatives, of.true_negatives + of.false_positives


def _f1(of: Outcomes) -> float | None:
    all_ = 2 * of.true_positives + of.false_positives + of.false_negatives
    return 2 * of.true_positives / all_ if all_ else None


def _balanced_accuracy(of: Outcomes) -> float | None:
    (found, positives), (passed, negatives) = _recall(of), _true_negative_rate(of)
    return (found / positives + passed / negatives) / 2 if positives and negatives else None


def _matthews(of: Outcomes) -> float | None:
    positives, judged = _recall(of)[1], _precision(of)[1]
    return correlation(
        of.true_positives * of.true_negatives - of.false_positives * of.false_negatives,
        positives * (of.count - positives),
        judged * (of.count - judged),
    )


def _kappa(of: Outcomes) -> float | None:
    positives, judged, n = _recall(of)[1], _precision(of)[1], of.count
    unexpected = n * n - positives * judged - (n - positives) * (n - judged)
    return 1 - n * (of.false_positives + of.false_negatives) / unexpected if unexpected else None


_RATES: Final[Mapping[str, Callable[[Outcomes], tuple[int, int]]]] = {
    "precision": _precision,
    "recall": _recall,
    "trueNegativeRate": _true_negative_rate,
}
_FORMULAS: Final[Mapping[str, Callable[[Outcomes], float | None]]] = {
    "f1": _f1,
    "balancedAccuracy": _balanced_accuracy,
    "matthewsCorrelation": _matthews,
    "cohenKappa": _kappa,
}
COEFFICIENTS: Final = (*_RATES, *_FORMULAS, "correctedShare")


def _rate(successes: int, trials: int, confidence: float) -> Coefficient:
    if not trials:
        return Coefficient(None, None, "noSuchRequests")
    return Coefficient(successes / trials, wilson(successes, trials, confidence))


def _coefficient(
    formula: Callable[[Outcomes], float | None], outcomes: Outcomes, confidence: float
) -> Coefficient:
    value = formula(outcomes)
    if value is None:
        return Coefficient(None, None, "oneValueOnly" if formula in (_kappa, _f1) else "constantRater")
    weights = [count for count in msgspec.structs.astuple(outcomes) if count]
    return Jackknife(weights, confidence).bounded(value, [formula(one) for one in outcomes.without_one()])


def _corrected_share(outcomes: Outcomes, judged: tuple[int, int] | None, confidence: float) -> Coefficient:
    """Rogan and Gladen's share of positives."""
    (found, positives), (passed, negatives) = _recall(outcomes), _true_negative_rate(outcomes)
    if not (positives and negatives):
        return Coefficient(None, None, "constantRater")
    excess = found / positives + passed / negatives - 1
    if excess <= 0:
        return Coefficient(None, None, "notBetterThanChance")
    if judged is None:
        return _rate(positives, outcomes.count, confidence)
    successes, trials = judged
    if not trials:
        return Coefficient(None, None, "noSuchRequests")
    share = (successes / trials + passed / negatives - 1) / excess
    return Coefficient(_clipped(share), _corrected_interval(outcomes, successes, trials, confidence))


def _corrected_interval(outcomes: Outcomes, successes: int, trials: int, confidence: float) -> Interval:
    """The interval for the errors of all three rates, by Lang and Reiczigel (2014), Preventive Veterinary
    Medicine 113, 13-22."""
    z2 = normal_quantile((1 + confidence) / 2) ** 2
    (found, positives), (passed, negatives) = _recall(outcomes), _true_negative_rate(outcomes)
    apparent = (successes + z2 / 2) / (trials + z2)
    recall, specificity = (found + 1) / (positives + 2), (passed + 1) / (negatives + 2)
    excess = recall + specificity - 1
    if excess <= 0:
        return Interval(0.0, 1.0)
    share = (apparent + specificity - 1) / excess
    recall_error = recall * (1 - recall) / (positives + 2)
    specificity_error = specificity * (1 - specificity) / (negatives + 2)
    apparent_error = apparent * (1 - apparent) / (trials + z2)
    error = sqrt(apparent_error + share**2 * recall_error + (1 - share) ** 2 * specificity_error) / excess
    middle = share + 2 * z2 * (share * recall_error - (1 - share) * specificity_error)
    margin = sqrt(z2) * error
    return Interval(_clipped(middle - margin), _clipped(middle + margin))


def _clipped(share: float) -> float:
    return min(max(share, 0.0), 1.0)


def _calibration(
    pairs: PairTable, positive: Callable[[int], bool], confidence: float
) -> tuple[Calibration, ...]:
    bins = bins_of({judge for _, judge in pairs})
    by_bin: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for (reference, judge), count in sorted(pairs.items()):
        by_bin.setdefault(bins.around(judge), []).append((reference, count))
    return tuple(_calibrated(*ends, by_bin[ends], positive, confidence) for ends in sorted(by_bin))


def _calibrated(
    low: int, high: int, given: Sequence[tuple[int, int]], positive: Callable[[int], bool], confidence: float
) -> Calibration:
    count = sum(number for _, number in given)
    passed = sum(number for reference, number in given if positive(reference))
    return Calibration(
        low=low,
        high=high,
        count=count,
        mean=sum(reference * number for reference, number in given) / count,
        share=Coefficient(passed / count, wilson(passed, count, confidence)),
    )
