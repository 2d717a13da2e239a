"""Review queues: requests that people are asked to score, what is asked of them, and how far they are."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import msgspec

MAX_QUEUES: Final = 1_000
"""Of an organization."""

MAX_ITEMS: Final = 10_000
MAX_REVIEWERS_PER_ITEM: Final = 10
MAX_SCORES: Final = 20
MAX_INSTRUCTIONS_LENGTH: Final = 5_000
MAX_RESERVATION_MINUTES: Final = 7 * 24 * 60
MAX_LINK_DAYS: Final = 90

ItemState = Literal["left", "in_work", "done"]


class QueueTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a queue's reviewers."""

    name: str
    instructions: str
    scores: tuple[str, ...]
    """The names of those that each reviewer gives."""

    reviewers_per_item: int
    is_blind: bool
    """Whether reviewers see each other's scores of an item only once they have given their own."""

    reservation_minutes: int


class ReviewQueue(QueueTerms, frozen=True, kw_only=True):
    """A queue and how far it is."""

    id: str
    created_at: datetime
    closed_at: datetime | None
    items: int
    items_done: int
    """By as many reviewers as are wanted."""

    items_in_work: int
    """Of the others, those that somebody has done or reserved."""

    reviews_wanted: int
    reviews_done: int

    @property
    def items_left(self) -> int:
        return self.items - self.items_done - self.items_in_work


class Reviewer(msgspec.Struct, frozen=True):
    """Somebody who has worked on a queue."""

    author: str
    done: int
    skipped: int
    is_at_work: bool
    """Whether an item is reserved for them."""

    last_done_at: datetime | None


class QueueItem(msgspec.Struct, frozen=True):
    """A request in a queue."""

    position: int
    request_id: str
    created_at: datetime
    done_by: list[str]
    reserved_by: list[str]
    skipped_by: list[str]
    places: int

    @property
    def state(self) -> ItemState:
        if len(self.done_by) >= self.places:
            return "done"
        return "in_work" if self.done_by or self.reserved_by else "left"


class ReviewedItem(msgspec.Struct, frozen=True):
    """A request in a queue, to one reviewer."""

    position: int
    request_no: int
    number: int
    """From 1, among the queue's items."""

    of: int
    reserved_until: datetime | None
    """When others may take it; None where it is not reserved for this reviewer."""

    done_at: datetime | None
    """By this reviewer."""

    is_skipped: bool


class QueueOpinion(msgspec.Struct, frozen=True):
    """A score that a reviewer of a queue gave."""

    position: int
    request_id: str
    reviewer: str
    done_at: datetime
    name: str
    value: int
    is_boolean: bool
    scored_at: datetime
    comment: str | None


class ReviewerLink(msgspec.Struct, frozen=True):
    """A key that reviews one queue."""

    id: int
    name: str
    hint: str
    created_at: datetime
    expires_at: datetime
