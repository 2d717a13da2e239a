"""The changes of a score: what it is, what it was at a time, each author's opinion, what taking back leaves.

Pure functions of the changes of one score of one request, the oldest first.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from heliscore.domain.author import Author, Origin
from heliscore.domain.score import Score
from heliscore.domain.times import EPOCH

Action = Literal["set", "replaced", "removed", "restored", "taken back"]

RESTORE: Final = "restore"
REVERT: Final = "revert"
COPYING_CALLS: Final = (RESTORE, REVERT)
"""The calls that bring values back."""

_ACTIONS: Final[dict[str, Action]] = {RESTORE: "restored", REVERT: "taken back"}
"""By the calls that do nothing else."""


class Change(msgspec.Struct, frozen=True):
    """One time that a score was set, replaced, removed or restored."""

    at: datetime
    """To the microsecond: it identifies the change of a score."""

    score: Score | None
    """None: the score was removed."""

    origin: Origin | None
    """None: from before origins were kept."""

    comment: str | None = None
    taken_back_at: datetime | None = None
    """When its author's changes were taken back; until then it is an opinion."""

    is_aside: bool = False
    """It never was the score, because a human's value stood (precedence)."""

    @property
    def author(self) -> Author | None:
        return None if self.origin is None else self.origin.author

    @property
    def number(self) -> int:
        """Its time in microseconds since 1970, by which clients name it."""
        return (self.at - EPOCH) // timedelta(microseconds=1)

    def was_taken_back(self, at: datetime | None) -> bool:
        """Whether it is no opinion any more, now or at a time."""
        return self.taken_back_at is not None and (at is None or self.taken_back_at <= at)

    def repeats(self, earlier: Change) -> bool:
        """Whether it says nothing that the change before did not say."""
        return (self.score, self.origin, self.is_aside) == (
            earlier.score,
            earlier.origin,
            earlier.is_aside,
        ) and self.comment in (None, earlier.comment)


def read_number(number: int) -> datetime:
    """The time of the change of that number."""
    return EPOCH + timedelta(microseconds=number)


def name_action(change: Change, earlier: Change | None) -> Action:
    """Say what a change did, after the one before."""
    if change.origin is not None and change.origin.call in _ACTIONS:
        return _ACTIONS[change.origin.call]
    if change.score is None:
        return "removed"
    return "set" if earlier is None or earlier.score is None else "replaced"


def without_repetitions(changes: Iterable[Change]) -> list[Change]:
    """Leave out changes that say nothing new. Writers compare with the present value only, so what arrived
    together may hold some."""
    kept: list[Change] = []
    newest_aside: dict[Origin | None, Change] = {}
    newest: Change | None = None
    for change in changes:
        earlier = newest_aside.get(change.origin) if change.is_aside else newest
        if earlier is not None and change.repeats(earlier):
            continue
        kept.append(change)
        if change.is_aside:
            newest_aside[change.origin] = change
        else:
            newest = change
    return kept


def newest_shown(changes: Sequence[Change], at: datetime | None = None) -> Change | None:
    """The change that makes the score what it is, or was at that time; None before the first. Of a removal
    the score is None."""
    for change in reversed(changes):
        if not change.is_aside and (at is None or change.at <= at):
            return change
    return None


def find_opinions(changes: Sequence[Change], at: datetime | None = None) -> list[Change]:
    """The newest value of each author, now or at a time, the newest first.

    A removal ends the opinion of the author who removed; changes that were taken back are none.
    """
    opinions: dict[Author, Change | None] = {}
    for change in reversed(changes):
        author = change.author
        if author is None or author in opinions or (at is not None and change.at > at):
            continue
        if change.was_taken_back(at):
            continue
        opinions[author] = None if change.score is None else change
    return [change for change in opinions.values() if change is not None]


def find_remaining(changes: Sequence[Change], taken_back: Container[datetime]) -> Change | None:
    """What stands when the changes of those times are taken back: the newest of the others; None if there is
    no other."""
    for change in reversed(changes):
        if not change.is_aside and change.taken_back_at is None and change.at not in taken_back:
            return change
    return None


def find_undone(changes: Sequence[Change]) -> Change | None:
    """What stood before the present value, which undoing brings back; None if there was nothing. What undoing
    itself took back, at the time of the present value, comes back when that is undone."""
    present = newest_shown(changes)
    for change in reversed(changes):
        is_kept = change.taken_back_at is None or (present and change.taken_back_at == present.at)
        if not change.is_aside and change is not present and is_kept:
            return change
    return None


def goes_back(changes: Sequence[Change], taken_back: Container[datetime]) -> bool:
    """Whether taking back the changes of those times changes the score: its present value, or its removal, is
    one of them, and something else remains."""
    present = newest_shown(changes)
    if present is None or present.at not in taken_back:
        return False
    remaining = find_remaining(changes, taken_back)
    return present.score is not None or (remaining is not None and remaining.score is not None)


def make_origin_of_copy(change: Change | None, caller: Origin) -> Origin:
    """Where a value comes from that a call brings back: from its author, as that call restored it. A removal,
    and a value from before origins were kept, come from the caller."""
    if change is None or change.score is None or change.author in (None, caller.author):
        return caller
    return Origin(change.author, caller.call, str(caller.author))


def find_taken_back(changes: Iterable[Change], is_written: Callable[[Change], bool]) -> list[Change]:
    """The changes to be taken back of those that `is_written` accepts, an author's in some time.

    A value that was restored counts as the change that it came from, so it goes with that: the newest of its
    author's changes to that value that had not been taken back. Where all had been, it stays. What taking
    back has removed is nobody's writing.
    """
    found: list[Change] = []
    sources: dict[tuple[Author | None, Score], list[tuple[Change, bool]]] = {}
    for change in changes:
        call = "" if change.origin is None else change.origin.call
        equals = [] if change.score is None else sources.setdefault((change.author, change.score), [])
        if call in COPYING_CALLS and equals:
            standing = (counts for source, counts in reversed(equals) if not source.was_taken_back(change.at))
            is_counted = next(standing, False)
        else:
            is_counted = call != REVERT and is_written(change)
        equals.append((change, is_counted))
        if is_counted and change.taken_back_at is None:
            found.append(change)
    return found
