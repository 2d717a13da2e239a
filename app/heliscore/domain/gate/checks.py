"""The checks of a gate, and the scores that they are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from heliscore.domain.statistics.compared import Arm, Correction, Direction, Measure, Pairs

Statistic = Literal["average", "p50", "p90", "p99", "min", "max"]
Outcome = Literal["pass", "fail", "inconclusive"]
OnTooFew = Outcome
"""The outcome for which an inconclusive one counts."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One rule about one score: `not_worse_by`, `better`, or a bound or two."""

    score: str
    not_worse_by: int | float | None = None
    """The loss against the base that is allowed, above 0."""

    better: bool = False
    """Whether the candidate must be shown to be better than the base."""

    at_least: int | float | None = None
    at_most: int | float | None = None
    sure: bool = False
    """Whether the interval must be within the bounds, and not the average alone."""

    statistic: Statistic = "average"
    direction: Direction | None = None
    """None: the definition's."""

    at_least_scores: int | None = None
    """None: as many as the gate asks for."""

    skip: bool = False

    @property
    def is_relative(self) -> bool:
        """Whether it compares the candidate with the base."""
        return self.better or self.not_worse_by is not None

    @property
    def rule(self) -> str:
        """`notWorseBy 2`, `p90 atMost 500`, `atLeast 0.9 sure`"""
        bounds = {"notWorseBy": self.not_worse_by, "atLeast": self.at_least, "atMost": self.at_most}
        words = [] if self.statistic == "average" else [str(self.statistic)]
        words += [f"{name} {bound:.15g}" for name, bound in bounds.items() if bound is not None]
        words += ["better"] if self.better else []
        words += ["sure"] if self.sure else []
        return " ".join(words) or "skip"


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """The terms of all checks."""

    name: str
    confidence: float = 0.95
    at_least_requests: int = 1
    """The number of scores below which a group decides nothing; of pairs, where items are paired."""

    on_too_few: OnTooFew = "fail"
    correction: Correction = "none"
    """Of the checks for `better`. Checks that must all pass need none."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One score of the candidate and the base."""

    measure: Measure
    direction: Direction = "up"
    """As the score's definition says."""

    candidate: Arm
    base: Arm
    pairs: Pairs | None = None
    """None: items are not paired."""

    statistics: Mapping[Statistic, float] = {}
    """Of the candidate, all but the average."""

    left_out: int = 0
    """How many scores have no unit or item."""

    is_known: bool = True
    """Whether the organization has a score of that name."""


class Case(msgspec.Struct, frozen=True):
    """A check and what it is decided by."""

    check: Check
    group: str | None
    """None: without groups, and the requests without a value."""

    evidence: Evidence
