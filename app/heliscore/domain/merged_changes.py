"""Merges changes of one score of one request that arrive from elsewhere with those that are stored, by time.

What is stored stays as it is. A change that arrives is kept at its own time; it becomes the score only where
it is later than all that was the score before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final

import msgspec

from heliscore.domain.score_changes import COPYING_CALLS, Change, newest_shown

_STEP: Final = timedelta(microseconds=1)
_time = attrgetter("at")


class Arrival(msgspec.Struct, frozen=True):
    """A change that arrives."""

    change: Change
    has_time: bool = True
    """Otherwise its time is only the latest that it can have: it says nothing where the score was that value
    then."""

    place: int = 0
    """Of the line that it came with."""


class Merged(msgspec.Struct, frozen=True):
    """What is to be written."""

    present: Change | None = None
    """The score from now on; None: it stays as it is, or is removed."""

    is_removed: bool = False
    past: Sequence[Change] = ()
    """New in the history."""

    taken_back: Sequence[Change] = ()
    """Stored changes that were taken back since, with the time of that."""

    taken: frozenset[int] = frozenset()
    """The lines of which something is written."""

    conflicts: Sequence[Arrival] = ()
    """Another value of the same author and time is stored, and stays."""


def merge_changes(
    present: Change | None, past: Sequence[Change], arrivals: Iterable[Arrival], *, human_stays: bool
) -> Merged:
    """Merge changes that arrive into the stored present value and past. `human_stays`: what others say later
    than a human is kept aside, as if it were posted now.

    Changes of different authors at one time are told apart by a microsecond each, in order of arrival.
    """
    standing = present or max((one for one in past if not one.is_aside), key=_time, default=None)
    stored = [*past] if present is None else [*past, present]
    new, taken_back, conflicts = _compare(stored, arrivals)
    current, kept = standing, []
    for change in sorted((arrival.change for arrival in new), key=_time):
        if change.is_aside or (standing is not None and change.at < standing.at):
            kept.append(change)
        elif human_stays and _yields(change, current):
            kept.append(msgspec.structs.replace(change, is_aside=True))
        else:
            if current is not None and current is not standing:
                kept.append(current)
            current = change
    is_new = current is not None and current is not standing
    if current is not None and is_new and current.score is None:
        kept.append(current)
    return Merged(
        present=current if is_new and current is not None and current.score is not None else None,
        is_removed=is_new and current is not None and current.score is None and present is not None,
        past=kept,
        taken_back=[arrival.change for arrival in taken_back],
        taken=frozenset(arrival.place for arrival in (*new, *taken_back)),
        conflicts=conflicts,
    )


def _compare(
    stored: Sequence[Change], arrivals: Iterable[Arrival]
) -> tuple[list[Arrival], list[Arrival], list[Arrival]]:
    """Those that are new, those taken back since they were stored, and those that contradict what is."""
    known = {change.at: change for change in stored}
    new: list[Arrival] = []
    taken_back: list[Arrival] = []
    conflicts: list[Arrival] = []
    for arrival in arrivals:
        arrival = _placed(arrival, known)
        change, same = arrival.change, known.get(arrival.change.at)
        if not arrival.has_time and _was(known, change):
            continue
        if same is None:
            known[change.at] = change
            new.append(arrival)
        elif same.score != change.score:
            conflicts.append(arrival)
        elif change.taken_back_at is not None and same.taken_back_at is None:
            taken_back.append(arrival)
    return new, taken_back, conflicts


def _placed(arrival: Arrival, known: Mapping[datetime, Change]) -> Arrival:
    """The arrival at a time at which no other author said anything."""
    change = arrival.change
    at = change.at
    while (other := known.get(at)) is not None and other.author != change.author:
        at += _STEP
    if at == change.at:
        return arrival
    return msgspec.structs.replace(arrival, change=msgspec.structs.replace(change, at=at))


def _was(known: Mapping[datetime, Change], change: Change) -> bool:
    """Whether the score was that value at that time."""
    then = newest_shown(sorted(known.values(), key=_time), change.at)
    return then is not None and then.score == change.score


def _yields(change: Change, current: Change | None) -> bool:
    """Whether a human's value stays over a change. To bring a value back is a human's decision."""
    if current is None or current.score is None or current.author is None or current.author.kind != "human":
        return False
    is_copy = change.origin is not None and change.origin.call in COPYING_CALLS
    return not is_copy and (change.author is None or change.author.kind != "human")
