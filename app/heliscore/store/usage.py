"""How much an organization holds: its requests and scores in a time, and about how many bytes they take."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec

from heliscore.domain.filter_tree import Everything
from heliscore.store.connections.pool import Connection
from heliscore.store.evaluations import trends
from heliscore.store.score_scan import ScoreSelection
from heliscore.store.scores import ScoreNames
from heliscore.store.statements import load

_SQL: Final = load("usage")

_EVER: Final = datetime(1000, 1, 1, tzinfo=UTC)
"""Before all times that are stored."""


class Held(msgspec.Struct, frozen=True):
    """What an organization holds of a time."""

    requests: int
    scores: int
    """Of these requests."""


class RowSizes(msgspec.Struct, frozen=True):
    """Bytes of a row on average over all organizations, with indexes and history; None: not known yet."""

    request_bytes: float | None
    score_bytes: float | None

    def estimate(self, held: Held) -> int | None:
        """About how many bytes something takes."""
        if self.request_bytes is None:
            return None
        return round(held.requests * self.request_bytes + held.scores * (self.score_bytes or 0))


class DatabaseSize(msgspec.Struct, frozen=True):
    """The database of all organizations."""

    name: str
    bytes: int


async def count_held(
    connection: Connection, names: ScoreNames, organization_id: int, start: datetime | None, end: datetime
) -> Held:
    """Count the requests from `start` (None: ever) up to and without `end`, and their scores. Takes longer
    the more requests there are: bound it."""
    requests = await connection.fetchval(_SQL["count_requests"], organization_id, start, end)
    if not requests:
        return Held(0, 0)
    selection = ScoreSelection(organization_id, Everything(), start or _EVER, end)
    found = await trends(connection, names, selection, [selection.start])
    return Held(requests, sum(bucket.count for bucket in found))


async def measure_rows(connection: Connection) -> RowSizes:
    return RowSizes(*(await connection.fetch(_SQL["measure_rows"]))[0])


async def measure_database(connection: Connection) -> DatabaseSize:
    return DatabaseSize(*(await connection.fetch(_SQL["measure_database"]))[0])
