"""Asks of the rows that INSERT … ON CONFLICT DO UPDATE returns, which of them it made."""

from __future__ import annotations

from typing import Final

from heliscore.store.connections.pool import Connection
from heliscore.store.statements import fill

_OLD_ROWS_SINCE: Final = 18
"""The version of PostgreSQL from which RETURNING knows the row that was there before. Older ones have xmax,
which cannot be asked for in a partitioned table."""


class MadeRows:
    """A statement with the slot `is_new`, in both forms."""

    def __init__(self, statement: str, key: str) -> None:
        """`key`: a column of the table that is never null."""
        self._by_xmax = statement
        self._by_old_row = fill(statement, is_new=f"old.{key} IS NULL")

    def on(self, connection: Connection) -> str:
        """The form for a connection's server."""
        is_known = connection.get_server_version().major >= _OLD_ROWS_SINCE
        return self._by_old_row if is_known else self._by_xmax
