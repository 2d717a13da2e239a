"""The coefficients of two raters: their names, their formulas and their intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from heliscore.domain.statistics.agreement_sums import (
    AgreementSums,
    bias,
    half_limits,
    has_constant_rater,
    interval_disagreement,
    mean_absolute_error,
    pearson,
    quadratic_kappa,
    root_mean_square_error,
)
from heliscore.domain.statistics.chance_agreement import (
    cohen_kappa,
    gwet_ac1,
    linear_kappa,
    nominal_disagreement,
)
from heliscore.domain.statistics.interval import Interval
from heliscore.domain.statistics.jackknife import Coefficient, Jackknife
from heliscore.domain.statistics.measured_table import MeasuredTable, TableSums
from heliscore.domain.statistics.pair_tables import Level, PairTable
from heliscore.domain.statistics.rank_agreement import kendall_tau_b, spearman
from heliscore.domain.statistics.reliability import fleiss_kappa, krippendorff_alpha

_KAPPAS: Final = frozenset({"cohenKappa", "linearKappa", "quadraticKappa"})
"""0 whatever the other rater does where one is constant."""

_BOUNDED: Final[Mapping[str, Callable[[TableSums], float | None]]] = {
    "cohenKappa": lambda of: cohen_kappa(of.sums, of.chance),
    "linearKappa": lambda of: linear_kappa(of.sums, of.chance),
    "quadraticKappa": lambda of: quadratic_kappa(of.sums),
    "krippendorffAlpha": lambda of: krippendorff_alpha(of.disagreement),
    "fleissKappa": lambda of: fleiss_kappa(nominal_disagreement(of.sums, of.chance)),
    "gwetAC1": lambda of: gwet_ac1(of.sums, of.chance),
    "spearman": lambda of: spearman(of.ranks),
    "kendallTauB": lambda of: kendall_tau_b(of.ranks),
    "pearson": lambda of: pearson(of.sums),
}
_BOUNDED_OF_SUMS: Final[Mapping[str, Callable[[AgreementSums], float | None]]] = {
    "quadraticKappa": quadratic_kappa,
    "krippendorffAlpha": lambda sums: krippendorff_alpha(interval_disagreement(sums)),
    "pearson": pearson,
}
RANKS: Final = ("spearman", "kendallTauB")
NAMES: Final = ("observedAgreement", "cohenKappa", "krippendorffAlpha", "fleissKappa", "gwetAC1")
"""These take values for names: neither order nor distance matters."""

_FROM_SUMS: Final = (
    "observedAgreement",
    "withinTolerance",
    "meanAbsoluteError",
    "rootMeanSquareError",
    "bias",
    "limitsOfAgreement",
)
COEFFICIENTS: Final = (*_FROM_SUMS[:2], *_BOUNDED, *_FROM_SUMS[2:])


def coefficients_of(
    table: MeasuredTable, confidence: float, folds: Sequence[PairTable] | None
) -> dict[str, Coefficient]:
    """Compute all coefficients, by `folds` as in `agree_pair`."""
    if folds is None:
        without, jackknife = list(table.without_one()), Jackknife(table.pairs.counts, confidence)
    else:
        without = [table.without(fold) for fold in folds if any(fold.values())]
        jackknife = Jackknife([1] * len(without), confidence)
    sums = table.all.sums
    bounded = {
        name: _bounded(name, formula(table.all), [formula(one) for one in without], sums, jackknife)
        for name, formula in _BOUNDED.items()
    }
    return bounded | _from_sums(sums, [one.sums for one in without], jackknife, folds is not None)


def coefficients_of_sums(
    sums: AgreementSums, level: Level, confidence: float, folds: Sequence[AgreementSums]
) -> dict[str, Coefficient]:
    """Compute the coefficients that need no more than sums, by `folds` as in `agree_pair_sums`."""
    without = [sums.rest(fold) for fold in folds if fold.count]
    jackknife = Jackknife([1] * len(without), confidence)
    bounded = {
        name: _bounded(name, formula(sums), [formula(one) for one in without], sums, jackknife)
        for name, formula in _BOUNDED_OF_SUMS.items()
        if name != "krippendorffAlpha" or level == "interval"
    }
    return bounded | _from_sums(sums, without, jackknife, True)


def _bounded(
    name: str, value: float | None, without: Sequence[float | None], sums: AgreementSums, jackknife: Jackknife
) -> Coefficient:
    if value is None:
        return Coefficient(None, None, "constantRater" if sums.squares else "oneValueOnly")
    if name in _KAPPAS and has_constant_rater(sums):
        return Coefficient(value, None, "constantRater")
    return jackknife.bounded(value, without)


def _from_sums(
    sums: AgreementSums, without: Sequence[AgreementSums], jackknife: Jackknife, grouped: bool
) -> dict[str, Coefficient]:
    n, equal, within = sums.count, None, None
    if grouped:
        equal = [one.equal / one.count if one.count else None for one in without]
        within = [one.within / one.count if one.count else None for one in without]
    return {
        "observedAgreement": jackknife.share(sums.equal, n, equal),
        "withinTolerance": jackknife.share(sums.within, n, within),
        "meanAbsoluteError": _error(mean_absolute_error, sums, without, jackknife, 0),
        "rootMeanSquareError": _error(root_mean_square_error, sums, without, jackknife, 0),
        "bias": _error(bias, sums, without, jackknife, None),
        "limitsOfAgreement": _limits(sums),
    }


def _error(
    formula: Callable[[AgreementSums], float | None],
    sums: AgreementSums,
    without: Sequence[AgreementSums],
    jackknife: Jackknife,
    lowest: float | None,
) -> Coefficient:
    value = formula(sums)
    if value is None:
        return Coefficient(None, None, "noPairs")
    return jackknife.unbounded(value, [formula(one) for one in without], lowest)


def _limits(sums: AgreementSums) -> Coefficient:
    """The bias, and as its interval the limits between which 95 % of the differences are."""
    middle, half = bias(sums), half_limits(sums)
    if middle is None or half is None:
        return Coefficient(middle, None, "tooFew")
    return Coefficient(middle, Interval(middle - half, middle + half))
