"""What each score of each group is compared with."""

from __future__ import annotations

from collections import Counter
from typing import Final

import msgspec

from heliscore.domain.changes.change import BaseKind
from heliscore.domain.changes.period_scores import ALL, ComparedPeriods, GroupKey, GroupScores
from heliscore.domain.statistics.samples import Sample

_NEW: Final = 10
"""So many times as many scores as before has a group that is new: a release may begin with a few requests."""

_LEAST: Final = 2
"""A single value has no variance."""


class Base(msgspec.Struct, frozen=True):
    sample: Sample
    kind: BaseKind


class Bases:
    """Finds what to compare with; `least`: fewer values are not compared."""

    def __init__(self, found: ComparedPeriods, least: int) -> None:
        self._least = max(least, _LEAST)
        self._prompts = found.prompts
        self._all = {one.score: one for one in found.scores if one.group == ALL}
        self._before: Counter[GroupKey] = Counter()
        self._now: Counter[GroupKey] = Counter()
        for one in found.scores:
            self._before[one.group] += one.before_count
            self._now[one.group] += one.now_count

    def find(self, scores: GroupScores) -> Base | None:
        """None where there is too little to compare."""
        if scores.now_count < self._least:
            return None
        if scores.before is not None and scores.before_count >= self._least:
            return Base(scores.before.sample, "before")
        if scores.group == ALL or not self._is_new(scores.group):
            return None
        others = self._find_others(scores)
        if others is None or others.count < self._least:
            return None
        return Base(others, "othersBefore")

    def _is_new(self, group: GroupKey) -> bool:
        return self._before[group] * _NEW <= self._now[group]

    def _find_others(self, scores: GroupScores) -> Sample | None:
        group, whole = scores.group, self._all[scores.score].before
        if group.is_within:
            everything = self._prompts.get((group.within, scores.score))
        else:
            everything = None if whole is None else whole.sample
        if everything is None or scores.before is None:
            return everything
        return everything.minus(scores.before.sample)
