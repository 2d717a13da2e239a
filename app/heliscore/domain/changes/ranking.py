"""What changed from one time to the next, that which matters most first."""

from __future__ import annotations

from collections.abc import Collection
from functools import reduce
from typing import Final

from msgspec.structs import replace

from heliscore.domain.changes.bases import Bases
from heliscore.domain.changes.change import Change, Changes
from heliscore.domain.changes.movements import Compared, find_movements
from heliscore.domain.changes.period_scores import ALL, ComparedPeriods, TwoPeriods, without_copies
from heliscore.domain.changes.presence import find_appeared, find_vanished
from heliscore.domain.statistics.samples import Sample

_ORDER: Final = {"worse": 0, "vanished": 1, "better": 2, "appeared": 3}


def find_changes(
    found: ComparedPeriods, periods: TwoPeriods, falling: Collection[str], *, confidence: float, least: int
) -> Changes:
    """Find what is worse, what vanished, what is better and what appeared, in that order, the largest first.

    `falling`: the scores of which lower values are better; of fewer values than `least`, nothing is said.
    """
    found = replace(found, scores=without_copies(found.scores))
    bases = Bases(found, least)
    compared: list[Compared] = [
        (scores, scores.now, base)
        for scores in found.scores
        if scores.now is not None and (base := bases.find(scores)) is not None
    ]
    moved = find_movements(compared, _add_periods(found), falling, confidence)
    new = {scores.group for scores, _, base in compared if base.kind == "othersBefore"}
    is_dated = periods.are_adjacent
    changes = [
        *(_with_beginning(change, found) for change in moved),
        *find_vanished(found.scores, least, is_dated=is_dated),
        *find_appeared(found.scores, new, least, is_dated=is_dated),
    ]
    done = len(compared) + len(changes) - len(moved)
    values = sum(scores.now_count for scores in found.scores if scores.group == ALL)
    return Changes(sorted(changes, key=_rank), len(compared), len(found.scores) - done, values)


def _add_periods(found: ComparedPeriods) -> dict[str, Sample]:
    """By score, all values of both times."""
    return {
        scores.score: reduce(Sample.plus, (period.sample for period in scores.periods))
        for scores in found.scores
        if scores.group == ALL
    }


def _with_beginning(change: Change, found: ComparedPeriods) -> Change:
    """A group that is new changes the scores from its first request on."""
    if change.base == "before":
        return change
    first = min(scores.first_at for scores in found.scores if scores.group == change.group)
    return replace(change, since=first)


def _rank(change: Change) -> tuple[object, ...]:
    size = change.beyond if change.is_movement else max(change.before.n, change.now.n)
    group = change.group
    place = _ORDER[change.verdict or change.direction]
    return place, -size, group == ALL, change.score, group.value or "", group.within or ""
