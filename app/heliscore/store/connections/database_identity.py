"""The identity of a database: a process must not use ids that it remembers from another one.

Processes remember ids of organizations and score names: with keys that were just used, names that were just
posted, calls in progress. An id is valid in one database only. After a backup was restored it may belong to
something else, and a score would be written under a wrong name or into a wrong organization. So everything
that remembers ids belongs to one DatabaseIdentity, and gets no connection to another database.

A restore replaces the tables, and so changes their oids. It locks schema_migration and ends the open sessions
(backup.sql): a new session waits in check() until the restore is over.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from datetime import datetime
from typing import Final

import asyncpg

from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("database_identity")

_TIMEOUT_S: Final = 2


class DatabaseIdentity:
    """The identity of the database that the first checked connection led to."""

    def __init__(self) -> None:
        self.replaced = asyncio.Event()
        """Set when a connection led to another database."""

        self._found: tuple[int, int, datetime] | None = None

    @property
    def name(self) -> str:
        """Eight hexadecimal digits, others for another database; once a connection was checked."""
        return hashlib.blake2b(repr(self._found).encode(), digest_size=4).hexdigest()

    async def check(self, connection: Connection) -> None:
        """Raise InterfaceError, as asyncpg does for a connection that cannot be used, where it leads to
        another database. A database without tables has no identity: it has no ids either."""
        with suppress(asyncpg.UndefinedTableError):
            row = await connection.fetchrow(_SQL["find"], timeout=_TIMEOUT_S)
            found = tuple(row) if row else None
            if self._found is None:
                self._found = found
            elif found != self._found:
                self.replaced.set()
                raise asyncpg.InterfaceError("the database was replaced")
