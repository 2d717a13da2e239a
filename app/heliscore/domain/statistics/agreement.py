"""How well two raters of the same requests agree: coefficients with intervals, or why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from heliscore.domain.statistics.agreement_sums import AgreementSums
from heliscore.domain.statistics.chance_agreement import expected_agreement
from heliscore.domain.statistics.confusion import MAX_BINS, Cell, confusion
from heliscore.domain.statistics.jackknife import Coefficient
from heliscore.domain.statistics.measured_table import MeasuredTable
from heliscore.domain.statistics.pair_coefficients import (
    COEFFICIENTS,
    NAMES,
    RANKS,
    coefficients_of,
    coefficients_of_sums,
)
from heliscore.domain.statistics.pair_tables import Level, Margins, PairLists, PairTable

FEW: Final = 50
"""Intervals of 95 % of 20 requests held the truth in 90 to 99 %: tests/bench/statistics_agreement.py."""

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
    pairs, one_scale = PairLists.of(table), not scales_differ(table)
    measured = MeasuredTable.of(pairs, level, tolerance)
    full, coefficients = measured.all, coefficients_of(measured, confidence, folds)
    if level == "nominal" and len(pairs.values) > 2:
        coefficients |= _null({*COEFFICIENTS} - {*NAMES}, "nominal")
    if not one_scale:
        coefficients |= _null({*COEFFICIENTS} - {*RANKS}, "scales")
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
    known = coefficients_of_sums(sums, level, confidence, folds)
    return PairAgreement(
        count=sums.count,
        level=level,
        coefficients=_null(COEFFICIENTS, "tooManyValues") | known,
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


def _prevalence(pairs: PairLists) -> tuple[Prevalence, ...]:
    if len(pairs.values) > MAX_BINS:
        return ()
    margins, n = Margins.of(pairs, pairs.counts), sum(pairs.counts)
    given = zip(pairs.values, margins.first, margins.second, strict=True)
    return tuple(Prevalence(value, first / n, second / n) for value, first, second in given)
