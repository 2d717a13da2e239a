"""Finds releases: when a model, a prompt version or a value of a property was first used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("release")

_REQUESTS: Final = 4000
_PARTS: Final = 40
"""Of more requests than _REQUESTS only the newest in each of so many parts of the time are looked at."""

By = Literal["model", "prompt_version", "property"]


class Uses(msgspec.Struct, frozen=True, kw_only=True):
    """The requests that are looked at, and for which values. None: all requests."""

    organization_id: int
    start: datetime
    end: datetime
    key: str | None = None
    """The property whose values are wanted; None: models and prompt versions."""

    model: str | None = None
    prompt: str | None = None
    version: str | None = None
    having: str | None = None
    """A property that the requests have."""

    having_value: str | None = None

    @property
    def filters(self) -> tuple[str | None, ...]:
        return self.key, self.model, self.prompt, self.version, self.having, self.having_value


class FirstUse(msgspec.Struct, frozen=True):
    """The first request with a value."""

    by: By
    value: str
    within: str | None
    """Of a prompt version, the prompt."""

    first_at: datetime
    count: int
    """How many of the requests that were looked at have it."""

    is_exact: bool
    """Whether all requests were looked at."""


async def list_first_uses(connection: Connection, uses: Uses) -> list[FirstUse]:
    """List values by when they are first seen. Of many requests only some are read, from all parts of the
    time: a rare value may be missing, or was used before."""
    rows = await connection.fetch(
        _SQL["find"], uses.organization_id, uses.start, uses.end, *uses.filters, _REQUESTS, _PARTS
    )
    return [FirstUse(*row) for row in rows]


async def refine(connection: Connection, uses: Uses, found: Sequence[FirstUse]) -> list[FirstUse]:
    """Look again for earlier uses of those that are not exact, in all requests of the part in which they were
    first seen and of the one before."""
    vague = [use for use in found if not use.is_exact]
    if not vague:
        return [*found]
    back: timedelta = 2 * (uses.end - uses.start) / _PARTS
    rows = await connection.fetch(
        _SQL["refine"],
        uses.organization_id,
        uses.start,
        back,
        *uses.filters,
        [use.value for use in vague],
        [use.by for use in vague],
        [use.within for use in vague],
        [use.first_at for use in vague],
    )
    pairs = zip(vague, rows, strict=True)
    return [msgspec.structs.replace(use, first_at=row["first_at"] or use.first_at) for use, row in pairs]
