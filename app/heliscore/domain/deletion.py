"""A deletion: how much is deleted, and what is said where that is not what was confirmed."""

from __future__ import annotations

import msgspec

from heliscore.domain.errors import Conflict


class Deleted(msgspec.Struct, frozen=True):
    """How much was deleted, or would be."""

    requests: int = 0
    scores: int = 0
    """Present values."""

    changes: int = 0
    """Past values, of their history."""

    comments: int = 0

    def __add__(self, other: Deleted) -> Deleted:
        return Deleted(
            self.requests + other.requests,
            self.scores + other.scores,
            self.changes + other.changes,
            self.comments + other.comments,
        )


def check_count(found: int, expected: int, noun: str) -> None:
    """Raise Conflict where another number is found than was confirmed."""
    if found != expected:
        raise Conflict(f"there are {found} {noun} now, not {expected}: nothing was deleted, count again")
