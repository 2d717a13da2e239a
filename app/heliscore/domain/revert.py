"""A revert: which of an author's changes of scores are taken back, and how many that were."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from heliscore.domain.author import Author
from heliscore.domain.filter_tree import Everything, Filter
from heliscore.domain.score_changes import Change
from heliscore.domain.times import EPOCH


class Wanted(msgspec.Struct, frozen=True):
    """What is to be taken back."""

    organization_id: int
    author: Author
    until: datetime
    since: datetime = EPOCH
    all_versions: bool = False
    names: Sequence[str] | None = None
    filter: Filter = Everything()

    def covers(self, change: Change) -> bool:
        """Whether it is one of the author's in that time, both ends included."""
        author = change.author
        return (
            author is not None
            and (author.kind, author.name) == (self.author.kind, self.author.name)
            and (self.all_versions or author.version == self.author.version)
            and self.since <= change.at <= self.until
        )


class Reverted(msgspec.Struct, frozen=True, rename="camel"):
    """How much was taken back."""

    requests: int = 0
    """That had such changes."""

    scores: int = 0
    """That have another value, or none, since."""

    taken_back: int = 0
    """Changes."""

    def __add__(self, other: Reverted) -> Reverted:
        return Reverted(
            self.requests + other.requests,
            self.scores + other.scores,
            self.taken_back + other.taken_back,
        )
