"""Scores and groups that vanished or appeared.

A group's score has vanished if there is none, and at least as many were to be expected as are compared: as
many as before, but fewer where the score has fewer values in all. What appeared is found the same way, with
the times exchanged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from heliscore.domain.changes.change import Change, Direction, Side
from heliscore.domain.changes.period_scores import ALL, GroupKey, GroupScores
from heliscore.domain.statistics.arms import measure_of


def find_vanished(scores: Sequence[GroupScores], least: int, *, is_dated: bool) -> list[Change]:
    """`is_dated`: whether the last request with a score can be known."""
    present = {one.group for one in scores if one.now is not None}
    whole = {one.score: one for one in scores if one.group == ALL}
    gone = [
        _make(one, "vanished", one.group not in present, is_dated=is_dated)
        for one in scores
        if one.now is None
        and _is_expected(one.before_count, whole[one.score], one.group, least, were_before=True)
    ]
    return _first_of_whole_groups(gone)


def find_appeared(
    scores: Sequence[GroupScores], compared: Collection[GroupKey], least: int, *, is_dated: bool
) -> list[Change]:
    """`compared`: the groups that are compared with others, because they are new. Nothing appeared where
    there was nothing before."""
    present = {one.group for one in scores if one.before is not None}
    whole = {one.score: one for one in scores if one.group == ALL}
    if sum(one.before_count for one in whole.values()) < least:
        return []
    come = [
        _make(one, "appeared", one.group not in present, is_dated=is_dated)
        for one in scores
        if one.before is None
        and one.group not in compared
        and _is_expected(one.now_count, whole[one.score], one.group, least, were_before=False)
    ]
    return _first_of_whole_groups(come)


def _is_expected(count: int, whole: GroupScores, group: GroupKey, least: int, *, were_before: bool) -> bool:
    if group == ALL:
        return count >= least
    there, other = whole.before_count, whole.now_count
    if not were_before:
        there, other = other, there
    return count * min(other, there) >= least * there and other > 0


def _make(scores: GroupScores, direction: Direction, of_whole_group: bool, *, is_dated: bool) -> Change:
    before = None if scores.before is None else scores.before.sample
    now = None if scores.now is None else scores.now.sample
    at = scores.first_at if direction == "appeared" else scores.last_at
    return Change(
        score=scores.score,
        group=scores.group,
        direction=direction,
        measure=measure_of([sample for sample in (before, now) if sample is not None]),
        before=Side.of(before),
        now=Side.of(now),
        since=at if is_dated else None,
        of_whole_group=of_whole_group and scores.group != ALL,
    )


def _first_of_whole_groups(changes: Iterable[Change]) -> list[Change]:
    """Of a group as a whole, only the score with the most values."""
    kept: dict[object, Change] = {}
    for change in sorted(changes, key=lambda one: -max(one.before.n, one.now.n)):
        kept.setdefault(change.group if change.of_whole_group else (change.group, change.score), change)
    return [*kept.values()]
