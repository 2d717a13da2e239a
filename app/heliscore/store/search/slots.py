"""What a compiled filter is: SQL for the slots of a statement, and the arguments of its parameters."""

from __future__ import annotations

import msgspec

from heliscore.store.statements import fill


class Slots(msgspec.Struct, frozen=True, kw_only=True):
    """SQL by slot, as the statements of sql/queries name them; None keeps what the file has there."""

    bodies: str | None = None
    """The columns request_body and response_body."""

    outcome: str | None = None
    """The outcome that a filter compares."""

    source: str | None = None
    """Where the rows come from: those called r, or of a statement about scores v."""

    organization: str | None = None
    """The condition by which the rows are found by organization."""

    joins: str | None = None
    where: str | None = None
    order: str | None = None

    sort_value: str | None = None
    """What the page is sorted by."""

    request: str | None = None
    """The join of the request's row; empty where nothing needs it."""

    group: str | None = None

    keys: str | None = None
    """The columns that an array of groups is made of: to group by them takes less time than by the array."""

    unit: str | None = None
    """What counts as one case: the user, or the item of a data set, of a request."""

    rater: str | None = None
    """The number of a score's rater, from 1."""

    ratings: str | None = None
    """The values of a request's raters, as an array."""

    fold: str | None = None
    """A number by whose remainder requests are put into groups at random."""

    covariate: str | None = None
    """A number of the request that a score is adjusted by."""

    bits: str | None = None
    """A word of bits for each leading score: which of 64 requests have it."""

    words: str | None = None
    """The word of the requests that have all of them."""

    counts: str | None = None
    """One count for each leading score."""

    scores: str | None = None
    """The rows of the score that a probe walks."""

    direction: str | None = None


class Compiled(msgspec.Struct, frozen=True):
    """A filter compiled for a statement."""

    slots: Slots

    arguments: tuple[object, ...]
    """The values of the parameters after the statement's own."""

    def fill(self, statement: str) -> str:
        """Put the slots into a statement of sql/queries."""
        slots = msgspec.structs.asdict(self.slots)
        return fill(statement, **{name: sql for name, sql in slots.items() if sql is not None})
