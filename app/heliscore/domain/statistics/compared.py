"""What two groups of scores are compared by, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

import msgspec

from heliscore.domain.statistics.estimates import Estimate
from heliscore.domain.statistics.interval import Interval
from heliscore.domain.statistics.samples import Counts, Sample

Measure = Literal["share", "mean"]
"""A share is the mean of scores that are all 0 or 1."""

Direction = Literal["up", "down"]
"""Whether higher or lower values are better."""

Verdict = Literal["better", "worse", "equivalent", "notWorse", "noDifferenceShown", "tooFew", "identical"]
Correction = Literal["holm", "bh", "none"]
Method = Literal["welch", "newcombe", "paired", "mcnemar", "clustered", "cuped", "sequential"]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """How one score is to be compared."""

    measure: Measure
    direction: Direction = "up"
    confidence: float = 0.95
    margin: int | float | None = None
    """A loss that does not matter, above 0."""

    minimum_effect: int | float | None = None
    """The difference that must not be missed, above 0: how many scores that takes is computed."""

    power: float = 0.8
    tuning: int | None = None
    """Of the always-valid interval: the number of scores at which it is narrowest. None: for one look."""


class UnitSums(msgspec.Struct, frozen=True):
    """The scores of one group by unit (a user, say): sums over the units of their counts n and sums s."""

    units: int
    count: int
    sum: int
    sum_squares: int
    """Σs²"""

    products: int
    """Σsn"""

    count_squares: int
    """Σn²"""


class CovariateSums(msgspec.Struct, frozen=True):
    """Of the scores y of one group that have a covariate x."""

    count: int
    x: int | Fraction
    y: int | Fraction
    xx: int | Fraction
    yy: int | Fraction
    xy: int | Fraction


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """One score of one group."""

    sample: Sample | None
    """None: the group has no such score."""

    counts: Counts | None = None
    """None: there are too many different values."""

    units: UnitSums | None = None
    """None: each request is a unit."""

    covariate: CovariateSums | None = None
    last_week: int | None = None
    """How many of the scores are of the last seven days; of pairs, of the items."""


Pair = tuple[int, int, int, int]
"""Of one item: sum and count of its scores in the base, sum and count of those in the other group."""


class PairSums(msgspec.Struct, frozen=True):
    """Sums over items of their means: x in the base, y in the other group, d = y - x."""

    count: int
    x: Fraction
    y: Fraction
    xx: Fraction
    yy: Fraction
    dd: Fraction


class Pairs(msgspec.Struct, frozen=True, kw_only=True):
    """One score of the items that both groups answered."""

    items: Mapping[Pair, int] | None
    """How many items have these sums and counts; None: they differ too much, there are only `sums`."""

    sums: PairSums | None = None
    only_base: int = 0
    only_other: int = 0
    last_week: int | None = None


class Summary(msgspec.Struct, frozen=True):
    """The values of one group."""

    n: int
    sum: int | float
    mean: float | None
    sd: float | None


class Effect(msgspec.Struct, frozen=True):
    name: Literal["g", "g_av", "h"]
    value: float
    interval: Interval | None


class Plan(msgspec.Struct, frozen=True):
    """The number of scores in the base that show a difference is `spread` over its square, times a factor
    that depends on confidence and power."""

    spread: float
    """Of the difference between the means: its variance times the number of scores in the base."""

    ratio: float
    """Scores of the other group per score of the base; of pairs, 0."""

    have: int
    """How many scores the base has; of pairs, how many there are."""

    last_week: tuple[int | None, ...]
    """How many of the last seven days there are, of each group, or of pairs."""


class Basis(msgspec.Struct, frozen=True):
    """A comparison's question and findings, from which it is corrected for the others beside it."""

    question: Question
    estimate: Estimate
    plan: Plan | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One score of two groups: other minus base. Where a number is None, `reasons` says why by its name; by
    `effect_interval` for that of the effect."""

    method: Method | None
    base: Summary
    other: Summary
    difference: float | None = None
    interval: Interval | None = None
    p: float | None = None
    p_adjusted: float | None = None
    interval_adjusted: Interval | None = None
    lift: float | None = None
    lift_interval: Interval | None = None
    effect: Effect | None = None
    superiority: float | None = None
    superiority_p: float | None = None
    verdict: Verdict
    uncorrected_verdict: Verdict
    needed_per_arm: int | None = None
    needed_more: int | None = None
    needed_days: float | None = None
    pairs: int | None = None
    only_base: int | None = None
    only_other: int | None = None
    warnings: tuple[str, ...] = ()
    reasons: Mapping[str, str] = {}

    basis: Basis | None = None
    """None where a group has no scores."""
