"""Which database the ids come from that a process remembers.

Processes remember ids of organizations and of score names: with a key that was just used, with a name that
was just posted, with every call under way. An id means something in one database only. Where a backup was
restored it may be another's, and a score would be written under a wrong name or into a wrong organization. So
whatever remembers ids remembers those of one Origin, and no connection to another is lent to it.

A restore replaces the tables, so the oid of one is another than before; it holds the lock of schema_migration
and ends the sessions that are open (backup.sql): a new one waits in check() until the restore is over.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Final

import asyncpg

from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("origin")

_TIMEOUT_S: Final = 2


class Origin:
    """The database of the first connection that was checked."""

    def __init__(self) -> None:
        self.replaced = asyncio.Event()
        """Set when a connection led to another database."""

        self._found: tuple[int, int, datetime] | None = None

    async def check(self, connection: Connection) -> None:
        """Raises InterfaceError, asyncpg's word for a connection that is of no use, where it leads to another
        database. Nothing can be remembered of one without tables."""
        with suppress(asyncpg.UndefinedTableError):
            row = await connection.fetchrow(_SQL["find"], timeout=_TIMEOUT_S)
            found = tuple(row) if row else None
            if self._found is None:
                self._found = found
            elif found != self._found:
                self.replaced.set()
                raise asyncpg.InterfaceError("the database was replaced")
