"""Long work of which a call does what some seconds are enough for; the next call goes on where it came."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from heliscore.api.http.body_fields import Field, ValueType, optional
from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.http.json_schema import STRING
from heliscore.api.http.opaque_strings import from_opaque
from heliscore.domain.errors import Unavailable

_WORK_S: Final = 5
"""How long a call works before it answers: proxies and clients give up calls that take long."""


class Summed(Protocol):
    """Numbers of what was done."""

    def __add__(self, other: Self, /) -> Self: ...


S = TypeVar("S", bound=Summed)
P = TypeVar("P")
C = TypeVar("C")


class TimedWork(Generic[S]):
    """The work of one call: how much it did, and how far it came."""

    def __init__(self, nothing: S) -> None:
        self._deadline = time.monotonic() + _WORK_S
        self.total = nothing

    @property
    def is_over(self) -> bool:
        """Whether the time is."""
        return time.monotonic() > self._deadline

    async def take(self, steps: AsyncGenerator[tuple[S, P], None], position: P) -> P:
        """Take steps until the time is over, and return how far they came. Raises Unavailable where not even
        the first is possible."""
        has_begun = False
        try:
            async with aclosing(steps):
                async for done, reached in steps:
                    self.total, position, has_begun = self.total + done, reached, True
                    if self.is_over:
                        break
        except Unavailable:
            if not has_begun:
                raise
        return position


def next_field(cursor: type[C], nothing: C) -> Field[C | None]:
    """The field in which a client sends where the call before came; `nothing` stands in for what is none."""

    def read(raw: Any, path: str, errors: FieldErrors) -> C:
        found = from_opaque(raw, cursor)
        if found is None:
            errors.add(path, "expected what the call before answered as next")
        return nothing if found is None else found

    said = "What the call before answered, to go on there."
    return optional("next", ValueType[C](STRING, read), description=said)
