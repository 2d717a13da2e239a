"""Deletions in calls of some seconds each: what confirms one, how far it came, where the next one goes on."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec

from heliscore.api.http.body_fields import Field, Values, ValueType, optional
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_schema import COUNT, STRING, Schema, nullable
from heliscore.domain.deletion import Deleted
from heliscore.domain.errors import Unavailable
from heliscore.domain.times import EPOCH, exactly_now
from heliscore.store import delivery_cuts

_WORK_S: Final = 5
"""How long a call works before it answers: proxies and clients give up calls that take long."""

MAX_COUNT: Final = 10**9 - 1

EXPECT_SAID: Final = "How many there are, as the dry run counted them."
DRY_RUN_SAID: Final = "Only count."


class Cursor(msgspec.Struct, array_like=True, frozen=True):
    """Where the next call goes on: the content of `next`."""

    after: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    """A request's number, or a delivery's."""

    begun: datetime
    is_of_deliveries: bool

    def at(self, after: int) -> Cursor:
        return msgspec.structs.replace(self, after=after)

    def of_deliveries(self) -> Cursor:
        """The beginning of the last part of the work."""
        return msgspec.structs.replace(self, after=0, is_of_deliveries=True)


def begin() -> Cursor:
    return Cursor(0, exactly_now(), False)


_NO_CURSOR: Final = "expected what the call before answered as next"


def _read_cursor(raw: Any, path: str, errors: FieldErrors) -> Cursor:
    try:
        cursor = msgspec.json.decode(base64.urlsafe_b64decode(str(raw)), type=Cursor)
    except (binascii.Error, msgspec.MsgspecError, ValueError, RecursionError):
        errors.add(path, _NO_CURSOR)
        return Cursor(0, EPOCH, False)
    if cursor.begun.tzinfo is None:
        errors.add(path, _NO_CURSOR)
    return cursor


NEXT: Final = optional(
    "next",
    ValueType[Cursor](STRING, _read_cursor),
    description="What the call before answered, to go on there.",
)


def check_one(values: Values, *fields: Field[Any]) -> None:
    """Note an error unless one of the fields is given: without a number that was confirmed, nothing is
    deleted."""
    if not all(map(values.has, fields)):
        return
    if sum(values[field] is not None and values[field] is not False for field in fields) != 1:
        values.errors.add("", "expected either dryRun, to count, or expect with that number, or next")


P = TypeVar("P")


class Deletion:
    """The work of one call: how much it deleted, and how far it came."""

    def __init__(self, call: ApiCall) -> None:
        self._call = call
        self._deadline = time.monotonic() + _WORK_S
        self.total = Deleted()

    @property
    def is_over(self) -> bool:
        """Whether the time is."""
        return time.monotonic() > self._deadline

    async def take(self, steps: AsyncGenerator[tuple[Deleted, P], None], position: P) -> P:
        """Take steps until the time is over, and return how far they came. Raises Unavailable where not even
        the first is possible."""
        has_begun = False
        try:
            async with aclosing(steps):
                async for deleted, reached in steps:
                    self.total, position, has_begun = self.total + deleted, reached, True
                    if self.is_over:
                        break
        except Unavailable:
            if not has_begun:
                raise
        return position

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
        return encode(cursor.at(position))


def encode(cursor: Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode()


NUMBERS: Final[dict[str, Schema]] = {
    "requests": {**COUNT, "description": "Requests that were deleted, or lost the score."},
    "scores": {**nullable(COUNT), "description": "Present values."},
    "changes": {**nullable(COUNT), "description": "Past values."},
    "comments": nullable(COUNT),
    "done": {"type": "boolean"},
    "next": nullable(STRING),
}
