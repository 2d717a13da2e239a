"""The changes of a score: what it is, what it was at a time, each author's opinion, what taking back leaves.

Pure functions of the changes of one score of one request, the oldest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from heliscore.domain.author import Author, Origin
from heliscore.domain.score import Score
from heliscore.domain.times import EPOCH

Action = Literal["set", "replaced", "removed", "restored", "taken back"]

_ACTIONS: Final[dict[str, Action]] = {"restore": "restored", "revert": "taken back"}
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
        if change.taken_back_at is not None and (at is None or change.taken_back_at <= at):
            continue
        opinions[author] = None if change.score is None else change
    return [change for change in opinions.values() if change is not None]


def find_remaining(changes: Sequence[Change], is_taken_back: Callable[[Change], bool]) -> Change | None:
    """What stands when some changes are taken back: the newest of the others; None if there is no other."""
    for change in reversed(changes):
        if not change.is_aside and change.taken_back_at is None and not is_taken_back(change):
            return change
    return None
