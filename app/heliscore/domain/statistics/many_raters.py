"""How well any number of raters agree, some of whom may be missing for some requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from heliscore.domain.statistics.agreement import few
from heliscore.domain.statistics.jackknife import Coefficient, Jackknife
from heliscore.domain.statistics.pair_tables import Level
from heliscore.domain.statistics.reliability import (
    Disagreement,
    Pattern,
    Ratings,
    fleiss_kappa,
    krippendorff_alpha,
)


class ManyAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """Several raters of the same requests."""

    count: int
    """The requests with at least two ratings."""

    complete: int
    """The requests that all raters rated."""

    level: Level
    coefficients: Mapping[str, Coefficient]
    """allEqual is the share of the requests whose ratings are all the same."""

    warnings: tuple[str, ...] = ()


def agree_many(
    patterns: Mapping[Pattern, int],
    *,
    level: Level,
    confidence: float,
    folds: Sequence[Mapping[Pattern, int]] | None,
) -> ManyAgreement:
    """Measure how well raters agree, from how many requests they rated in which way.

    `folds` are groups of the requests, as in `agree_pair`.
    """
    patterns = {pattern: count for pattern, count in patterns.items() if count}
    complete = sum(count for pattern, count in patterns.items() if None not in pattern)
    ratings = Ratings.of(patterns, level)
    count = sum(ratings.counts)
    if not count:
        null = Coefficient(None, None, "noPairs")
        names = ("allEqual", "krippendorffAlpha", "fleissKappa")
        return ManyAgreement(count=0, complete=complete, level=level, coefficients=dict.fromkeys(names, null))
    rests = None if folds is None else _rests(ratings, folds)
    jackknife = Jackknife(ratings.counts if rests is None else [1] * len(rests), confidence)
    return ManyAgreement(
        count=count,
        complete=complete,
        level=level,
        coefficients={
            "allEqual": _all_equal(ratings, rests, jackknife),
            "krippendorffAlpha": _alpha(ratings, rests, jackknife),
            "fleissKappa": _fleiss(ratings, patterns, rests, jackknife),
        },
        warnings=few(count),
    )


def _rests(ratings: Ratings, folds: Sequence[Mapping[Pattern, int]]) -> list[list[int]]:
    """The counts without each group that has any request with two ratings."""
    return [rest for rest in map(ratings.rest, folds) if rest != ratings.counts]


def _alpha(ratings: Ratings, rests: Sequence[list[int]] | None, jackknife: Jackknife) -> Coefficient:
    without = [krippendorff_alpha(one) for one in _without(ratings, rests)]
    return _bounded(krippendorff_alpha(ratings.disagreement(ratings.counts)), without, jackknife)


def _fleiss(
    ratings: Ratings, patterns: Mapping[Pattern, int], rests: Sequence[list[int]] | None, jackknife: Jackknife
) -> Coefficient:
    if any(None in pattern for pattern in patterns):
        return Coefficient(None, None, "missingRatings")
    nominal = msgspec.structs.replace(ratings, level="nominal")
    without = [fleiss_kappa(one) for one in _without(nominal, rests)]
    return _bounded(fleiss_kappa(nominal.disagreement(nominal.counts)), without, jackknife)


def _without(ratings: Ratings, rests: Sequence[list[int]] | None) -> list[Disagreement]:
    return list(ratings.without_one() if rests is None else map(ratings.disagreement, rests))


def _bounded(value: float | None, without: Sequence[float | None], jackknife: Jackknife) -> Coefficient:
    return Coefficient(None, None, "oneValueOnly") if value is None else jackknife.bounded(value, without)


def _all_equal(ratings: Ratings, rests: Sequence[list[int]] | None, jackknife: Jackknife) -> Coefficient:
    without = None if rests is None else [_share_equal(ratings, rest) for rest in rests]
    return jackknife.share(_count_equal(ratings, ratings.counts), sum(ratings.counts), without)


def _count_equal(ratings: Ratings, counts: Sequence[int]) -> int:
    return sum(count for item, count in zip(ratings.items, counts, strict=True) if item[0] == item[-1])


def _share_equal(ratings: Ratings, counts: Sequence[int]) -> float | None:
    total = sum(counts)
    return _count_equal(ratings, counts) / total if total else None
