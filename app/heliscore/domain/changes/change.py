"""One thing that changed."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from heliscore.domain.changes.period_scores import GroupKey
from heliscore.domain.statistics.compared import Measure
from heliscore.domain.statistics.interval import Interval
from heliscore.domain.statistics.samples import Sample

Direction = Literal["fell", "rose", "vanished", "appeared"]
Verdict = Literal["worse", "better"]

BaseKind = Literal["before", "othersBefore"]
"""The group itself in the time before; or, of a group that is new, all other requests of the time before. Of
a prompt version these are the requests of the same prompt."""


class Side(msgspec.Struct, frozen=True):
    """The values of one time."""

    n: int
    mean: float | None

    @classmethod
    def of(cls, sample: Sample | None) -> Side:
        return cls(0, None) if sample is None else cls(sample.count, sample.mean)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One score of one group that moved, vanished or appeared."""

    score: str
    group: GroupKey
    direction: Direction
    verdict: Verdict | None = None
    """None of scores that vanished or appeared."""

    measure: Measure
    base: BaseKind = "before"
    before: Side
    now: Side
    difference: float | None = None
    interval: Interval | None = None
    """Simultaneous with those of all comparisons; None where no value varies within its group."""

    p: float | None = None
    """Corrected for all comparisons."""

    since: datetime | None = None
    """None: it is not known, or was not looked up yet."""

    of_whole_group: bool = False
    """Whether the group has no other score either; of those that it had, this is the most frequent."""

    beyond: float = 0.0
    """How far it moved beyond noise, in standard deviations of the score."""

    @property
    def is_movement(self) -> bool:
        return self.difference is not None


class Changes(msgspec.Struct, frozen=True):
    """All changes, those that matter most first."""

    changes: list[Change]
    comparisons: int
    too_few: int
    """How many scores of groups had too few values to be compared."""

    values: int
    """How many values the scores have now."""
