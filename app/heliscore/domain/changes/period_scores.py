"""The scores of groups of requests in a time, and in the time before that it is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from heliscore.domain.filter_tree import Column, Property
from heliscore.domain.statistics.samples import Sample

_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_HOURLY: Final = timedelta(days=2)
"""Of a longer time, the day is said on which a change began."""


class TwoPeriods(msgspec.Struct, frozen=True):
    """Two times of equal length; each is without its end."""

    before_start: datetime
    before_end: datetime
    start: datetime
    end: datetime

    @property
    def step(self) -> timedelta:
        """The precision with which a beginning is found."""
        return _HOUR if self.end - self.start <= _HOURLY else _DAY

    @property
    def are_adjacent(self) -> bool:
        """Whether no time is left out between them."""
        return self.before_end == self.start


class GroupKey(msgspec.Struct, frozen=True):
    """A group of requests."""

    by: Column | Property | None
    """None: all requests."""

    value: str | None
    """None: the requests without a value."""

    within: str | None = None
    """Of a prompt version, the prompt; None: there is none."""

    @property
    def is_within(self) -> bool:
        """Whether its values mean something within a prompt only."""
        return self.by == PROMPT_VERSION


PROMPT_VERSION: Final = Column("prompt_version")
PROMPT: Final = Column("prompt_id")

USUAL_GROUPS: Final = (Column("model"), Column("provider"), PROMPT_VERSION)
"""What pages and digests group by."""

ALL: Final = GroupKey(None, None)


class Period(msgspec.Struct, frozen=True):
    """One score of one group in one of the times."""

    sample: Sample
    first_at: datetime
    """Of the requests with that score."""

    last_at: datetime


class GroupScores(msgspec.Struct, frozen=True):
    """One score of one group in both times."""

    group: GroupKey
    score: str
    before: Period | None
    now: Period | None

    @property
    def periods(self) -> list[Period]:
        """Those of the two in which there is one, at least one."""
        return [period for period in (self.before, self.now) if period is not None]

    @property
    def first_at(self) -> datetime:
        return min(period.first_at for period in self.periods)

    @property
    def last_at(self) -> datetime:
        return max(period.last_at for period in self.periods)

    @property
    def before_count(self) -> int:
        return 0 if self.before is None else self.before.sample.count

    @property
    def now_count(self) -> int:
        return 0 if self.now is None else self.now.sample.count


class ComparedPeriods(msgspec.Struct, frozen=True):
    """What was read of both times."""

    scores: list[GroupScores]
    """Of all requests, and of each group."""

    prompts: Mapping[tuple[str | None, str], Sample]
    """By prompt and score, all requests of the time before of a prompt that has one of the groups."""

    groups_left_out: int
    """Because of their number: the smallest."""

    scores_left_out: int


def without_copies(scores: Iterable[GroupScores]) -> list[GroupScores]:
    """Leave out the groups that are, by all of their scores, the same requests as one before them: those of a
    provider with one model, or of a model that all requests have."""
    by_group: dict[GroupKey, list[GroupScores]] = {}
    for one in scores:
        by_group.setdefault(one.group, []).append(one)
    first: dict[object, list[GroupScores]] = {}
    for of_group in by_group.values():
        first.setdefault(frozenset((one.score, one.before, one.now) for one in of_group), of_group)
    return [one for of_group in first.values() for one in of_group]


class Bucket(msgspec.Struct, frozen=True):
    """One score of one group in an hour or a day."""

    begins_at: datetime
    count: int
    sum: int
