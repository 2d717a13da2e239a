"""Count the calls of each key in its current window of a minute, in one place for all processes."""

from __future__ import annotations

from typing import Final

from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL: Final = load("rate_window")


async def count_call(connection: Connection, key_id: int) -> tuple[int, float]:
    """Count a call of the key. Returns the number of calls in the window, this one included, and the seconds
    left of the window; the first call after its end begins another."""
    row = await connection.fetchrow(_SQL["count_call"], key_id)
    if row is None:
        raise LookupError("an upsert returns its row")
    return row[0], row[1]
