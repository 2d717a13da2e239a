"""Deletions in calls of some seconds each: what confirms one, how far it came, where the next one goes on."""

from __future__ import annotations

from contextlib import aclosing, suppress
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec

from heliscore.api.http.body_fields import Field, Values
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import COUNT, STRING, Schema, nullable
from heliscore.api.http.opaque_strings import to_opaque
from heliscore.api.native.timed_work import TimedWork, next_field
from heliscore.domain.deletion import Deleted
from heliscore.domain.errors import Unavailable
from heliscore.domain.times import EPOCH, exactly_now
from heliscore.store import delivery_cuts

MAX_COUNT: Final = 10**9 - 1

EXPECT_SAID: Final = "How many there are, as the dry run counted them."
DRY_RUN_SAID: Final = "Only count."


class Cursor(msgspec.Struct, array_like=True, frozen=True):
    """Where the next call goes on: the content of `next`."""

    after: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    """A request's number, or a delivery's."""

    begun: Annotated[datetime, msgspec.Meta(tz=True)]
    is_of_deliveries: bool

    def at(self, after: int) -> Cursor:
        return msgspec.structs.replace(self, after=after)

    def of_deliveries(self) -> Cursor:
        """The beginning of the last part of the work."""
        return msgspec.structs.replace(self, after=0, is_of_deliveries=True)


def begin() -> Cursor:
    return Cursor(0, exactly_now(), False)


NEXT: Final = next_field(Cursor, Cursor(0, EPOCH, False))


def check_one(values: Values, *fields: Field[Any]) -> None:
    """Note an error unless one of the fields is given: without a number that was confirmed, nothing is
    deleted."""
    if not all(map(values.has, fields)):
        return
    if sum(values[field] is not None and values[field] is not False for field in fields) != 1:
        values.errors.add("", "expected either dryRun, to count, or expect with that number, or next")


class Deletion(TimedWork[Deleted]):
    """The work of one call, in which deliveries are cut behind all else."""

    def __init__(self, call: ApiCall) -> None:
        super().__init__(Deleted())
        self._call = call

    async def cut(self, cursor: Cursor, score: str | None = None) -> str | None:
        """Cut deliveries until the time is over, and return where to go on, None at the end."""
        call, position = self._call, cursor.after
        steps = delivery_cuts.cut(
            call.services.uploads, call.principal.organization_id, position, score=score, before=cursor.begun
        )
        with suppress(Unavailable):  # to be repeated from there
            async with aclosing(steps):
                async for reached in steps:
                    if reached is None:
                        return None
                    position = reached
                    if self.is_over:
                        break
        return to_opaque(cursor.at(position))


NUMBERS: Final[dict[str, Schema]] = {
    "requests": {**COUNT, "description": "Requests that were deleted, or lost the score."},
    "scores": {**nullable(COUNT), "description": "Present values."},
    "changes": {**nullable(COUNT), "description": "Past values."},
    "comments": nullable(COUNT),
    "done": {"type": "boolean"},
    "next": nullable(STRING),
}
