"""How well two raters of the same requests agree: coefficients with intervals, or why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import sub
from typing import Final, Self

import msgspec

from heliscore.domain.statistics.agreement_sums import (
    AgreementSums,
    PairColumns,
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
    ChanceSums,
    cohen_kappa,
    expected_agreement,
    gwet_ac1,
    linear_kappa,
    nominal_disagreement,
)
from heliscore.domain.statistics.confusion import MAX_BINS, Cell, confusion
from heliscore.domain.statistics.interval import Interval
from heliscore.domain.statistics.jackknife import Coefficient, Jackknife
from heliscore.domain.statistics.pair_tables import Level, Margins, Pairs, PairTable, dot
from heliscore.domain.statistics.rank_agreement import (
    RankSums,
    kendall_tau_b,
    signs_of,
    signs_within,
    spearman,
)
from heliscore.domain.statistics.reliability import Disagreement, Ratings, fleiss_kappa, krippendorff_alpha

FEW: Final = 50
"""With fewer requests than these, an interval of 95 % holds the true number in as few as 85 %."""

_SMALL_SCALE: Final = 10
_TIMES_SMALL: Final = 3


class Prevalence(msgspec.Struct, frozen=True):
    """The share of the requests to which each rater gave a value."""

    value: int
    first: float
    second: float


class PairAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """Two raters of the same requests."""

    count: int
    level: Level
    coefficients: Mapping[str, Coefficient]
    observed: float | None = None
    expected: float | None = None
    """The agreement that Cohen's kappa expects by chance."""

    prevalence: tuple[Prevalence, ...] = ()
    """Empty where there are more than 25 values."""

    confusion: tuple[Cell, ...] = ()
    warnings: tuple[str, ...] = ()


class _Sums(msgspec.Struct, frozen=True):
    sums: AgreementSums
    chance: ChanceSums
    ranks: RankSums
    disagreement: Disagreement


_KAPPAS: Final = frozenset({"cohenKappa", "linearKappa", "quadraticKappa"})
"""0 whatever the other rater does where one is constant."""

_BOUNDED: Final[Mapping[str, Callable[[_Sums], float | None]]] = {
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
_RANKS: Final = ("spearman", "kendallTauB")
_NAMES: Final = ("observedAgreement", "cohenKappa", "krippendorffAlpha", "fleissKappa", "gwetAC1")
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


def agree_pair(
    table: PairTable, *, level: Level, tolerance: int, confidence: float, folds: Sequence[PairTable] | None
) -> PairAgreement:
    """Measure how well two raters agree.

    `folds` are parts that make up the table, of requests put into groups by chance or by a unit such as the
    user: the intervals then come from leaving out one group at a time, else one request.
    """
    table = {pair: count for pair, count in table.items() if count}
    if not table:
        return _no_pairs(level)
    pairs, one_scale = Pairs.of(table), not scales_differ(table)
    measured = _Measured.of(pairs, level, tolerance)
    full, coefficients = measured.all, measured.coefficients(confidence, folds)
    if level == "nominal" and len(pairs.values) > 2:
        coefficients |= _null({*COEFFICIENTS} - {*_NAMES}, "nominal")
    if not one_scale:
        coefficients |= _null({*COEFFICIENTS} - {*_RANKS}, "scales")
    return PairAgreement(
        count=full.sums.count,
        level=level,
        coefficients={name: coefficients[name] for name in COEFFICIENTS},
        observed=full.sums.equal / full.sums.count,
        expected=expected_agreement(full.sums, full.chance),
        prevalence=_prevalence(pairs),
        confusion=confusion(table, one_scale=one_scale),
        warnings=(*few(full.sums.count), *(() if one_scale else ("scales",))),
    )


def agree_pair_sums(
    sums: AgreementSums, *, level: Level, confidence: float, folds: Sequence[AgreementSums]
) -> PairAgreement:
    """Measure how well two raters agree whose pairs of values are too many: all but what needs each value.

    `folds` are the sums of groups of the requests, as in `agree_pair`.
    """
    if not sums.count:
        return _no_pairs(level)
    folds = [fold for fold in folds if fold.count]
    without = [sums.rest(fold) for fold in folds]
    jackknife = Jackknife([1] * len(folds), confidence)
    bounded = {
        name: _bounded(name, formula(sums), [formula(one) for one in without], sums, jackknife)
        for name, formula in _BOUNDED_OF_SUMS.items()
        if name != "krippendorffAlpha" or level == "interval"
    }
    coefficients = _null(COEFFICIENTS, "tooManyValues") | _from_sums(sums, without, jackknife, True) | bounded
    return PairAgreement(
        count=sums.count,
        level=level,
        coefficients=coefficients,
        observed=sums.equal / sums.count,
        warnings=few(sums.count),
    )


def few(count: int) -> tuple[str, ...]:
    """The warning that there are few requests, or none."""
    return ("few",) if count < FEW else ()


def scales_differ(table: PairTable) -> bool:
    """Tell whether the raters seem to use scales of different length, such as 1 to 5 and 0 to 100.

    So it seems where one uses two values or more, all from 0 to 10, and the greatest of the other is above 10
    and above three times the first one's.
    """
    xs, ys = {x for x, _ in table}, {y for _, y in table}
    return any(
        len(small) > 1
        and min(small) >= 0
        and max(small) <= _SMALL_SCALE
        and max(large) > max(_SMALL_SCALE, _TIMES_SMALL * max(small))
        for small, large in ((xs, ys), (ys, xs))
    )


def _no_pairs(level: Level) -> PairAgreement:
    return PairAgreement(count=0, level=level, coefficients=_null(COEFFICIENTS, "noPairs"))


def _null(names: Iterable[str], reason: str) -> dict[str, Coefficient]:
    return {name: Coefficient(None, None, reason) for name in names}


class _Measured(msgspec.Struct, frozen=True):
    """The sums of a table, and what they are computed from."""

    pairs: Pairs
    columns: PairColumns
    ratings: Ratings
    signs: list[int]
    all: _Sums

    @classmethod
    def of(cls, pairs: Pairs, level: Level, tolerance: int) -> Self:
        columns, ratings, signs = (
            PairColumns.of(pairs, tolerance),
            Ratings.of_pairs(pairs, level),
            signs_of(pairs),
        )
        all_ = _sums(pairs, columns, ratings, pairs.counts, dot(signs, pairs.counts))
        return cls(pairs, columns, ratings, signs, all_)

    def without_one(self) -> Iterator[_Sums]:
        """Of each pair in turn, the sums without one of its requests."""
        return map(
            _Sums,
            self.columns.without_one(self.pairs.counts),
            ChanceSums.without_one(self.pairs),
            RankSums.without_one(self.pairs, self.signs),
            self.ratings.without_one(),
        )

    def without(self, part: PairTable) -> _Sums:
        counts = self.pairs.counts_of(part)
        both = 2 * dot(self.signs, counts) - signs_within(self.pairs, counts)
        rest = list(map(sub, self.pairs.counts, counts))
        return _sums(self.pairs, self.columns, self.ratings, rest, self.all.ranks.signs - both)

    def coefficients(self, confidence: float, folds: Sequence[PairTable] | None) -> dict[str, Coefficient]:
        if folds is None:
            without, jackknife = list(self.without_one()), Jackknife(self.pairs.counts, confidence)
        else:
            without = [self.without(fold) for fold in folds if any(fold.values())]
            jackknife = Jackknife([1] * len(without), confidence)
        sums = self.all.sums
        bounded = {
            name: _bounded(name, formula(self.all), [formula(one) for one in without], sums, jackknife)
            for name, formula in _BOUNDED.items()
        }
        return bounded | _from_sums(sums, [one.sums for one in without], jackknife, folds is not None)


def _sums(pairs: Pairs, columns: PairColumns, ratings: Ratings, counts: list[int], signs: int) -> _Sums:
    margins = Margins.of(pairs, counts)
    return _Sums(
        columns.sums(counts),
        ChanceSums.of(pairs.values, margins),
        RankSums.of(pairs, counts, margins, signs),
        ratings.disagreement(counts, margins.pooled()),
    )


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
    assert value is not None  # noqa: S101 (there are pairs)
    return jackknife.unbounded(value, [formula(one) for one in without], lowest)


def _limits(sums: AgreementSums) -> Coefficient:
    """The bias, and as its interval the limits between which 95 % of the differences are."""
    middle, half = bias(sums), half_limits(sums)
    if middle is None or half is None:
        return Coefficient(middle, None, "tooFew")
    return Coefficient(middle, Interval(middle - half, middle + half))


def _prevalence(pairs: Pairs) -> tuple[Prevalence, ...]:
    if len(pairs.values) > MAX_BINS:
        return ()
    margins, n = Margins.of(pairs, pairs.counts), sum(pairs.counts)
    given = zip(pairs.values, margins.first, margins.second, strict=True)
    return tuple(Prevalence(value, first / n, second / n) for value, first, second in given)
