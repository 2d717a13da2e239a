"""Take the locks of a migration without making the writers of scores wait for long.

All others queue behind a migration that waits for a table's lock. So it waits for a moment only, lets go
of everything, and tries again after a pause. It locks the tables that posts lock in the order of posts: the
other way round, each could hold what the other wants.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Iterable
from typing import Final

import msgspec

from heliscore.domain.errors import MigrationError
from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("migration")

_log = logging.getLogger("heliscore")

_ORDER_OF_POSTS: Final = ("request", "score")

_EXCLUSIVE: Final = (
    r"\b(?:ALTER|DROP)\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?{table}\b"
    r"|\bTRIGGER\b[^;]*\bON\s+{table}\b"
)
_AGAINST_WRITERS: Final = r"\b(?:ON|REFERENCES)\s+(?:ONLY\s+)?{table}\b"
"""An index, a reference to the table."""

_PAUSE_GROWTH: Final = 1.5
_LONGEST_PAUSES: Final = 5


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How long a migration waits."""

    lock_timeout_ms: int = 300
    """For one lock. Of two tables a post can wait for both: less than a second."""

    pause_s: float = 1.0
    """Between two attempts at first; it grows to five times as much."""

    patience_s: float = 600.0
    """For all locks of a file together; a backup keeps a table's lock for as long as it runs."""

    turn_s: float = 0.1
    """Between two questions whether another process has finished migrating."""


DEFAULT_PACE: Final = Pace()


async def lock_tables(connection: Connection, statements: Iterable[str]) -> None:
    """Lock the tables that posts lock too, those that the statements change, in the order of posts."""
    script = without_comments(";\n".join(statements))
    for table in _ORDER_OF_POSTS:
        mode = _find_mode(script, table)
        if mode is not None and await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table):
            await connection.execute(f"LOCK TABLE {table} IN {mode} MODE")


def without_comments(sql: str) -> str:
    return re.sub(r"^\s*--.*$", "", sql, flags=re.MULTILINE)


def _find_mode(script: str, table: str) -> str | None:
    if re.search(_EXCLUSIVE.format(table=table), script, re.IGNORECASE):
        return "ACCESS EXCLUSIVE"
    if re.search(_AGAINST_WRITERS.format(table=table), script, re.IGNORECASE):
        return "SHARE ROW EXCLUSIVE"
    return None


class Patience:
    """Counts what one migration has waited for locks, and says so in the log."""

    def __init__(self, pace: Pace) -> None:
        self._pause_s = pace.pause_s
        self._longest_pause_s = _LONGEST_PAUSES * pace.pause_s
        self._patience_s = pace.patience_s
        self._deadline = time.monotonic() + pace.patience_s

    async def pause(self, connection: Connection, place: str) -> None:
        """Wait before the next attempt at a place in a migration. Raises MigrationError in the end."""
        holder = await describe_holder(connection)
        if time.monotonic() > self._deadline:
            raise MigrationError(f"{place}: waited {self._patience_s:.0f} s for a lock held by {holder}")
        _log.warning(
            "%s: waiting for a lock held by %s; next attempt in %.1f s", place, holder, self._pause_s
        )
        await asyncio.sleep(self._pause_s)
        self._pause_s = min(self._pause_s * _PAUSE_GROWTH, self._longest_pause_s)


async def describe_holder(connection: Connection) -> str:
    """Name the session whose transaction has held a lock on one of our tables for longest."""
    row = await connection.fetchrow(_SQL["find_holder"])
    if row is None:
        return "a session that has let it go"
    pid, application, state, open_s = row
    return f"process {pid} ({application or 'unnamed'}, {state or 'working'}, for {open_s or 0:.0f} s)"
