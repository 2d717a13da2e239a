"""Finds and rotates the secrets that sign what the service hands out, one for each purpose.

They are made with the schema and kept in the database, so that all services on it accept what one has signed.
No answer, page, log line or command shows them; whoever reads the database or a backup can sign.
"""

from __future__ import annotations

import secrets
import time
from typing import Final, Literal, get_args

from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

Purpose = Literal["session", "body_url"]
PURPOSES: Final[tuple[Purpose, ...]] = get_args(Purpose)

_SQL: Final = load("signing_secret")

_BYTES: Final = 32
_REMEMBERED_S: Final = 2.0
"""How long a process may still sign with a secret that was rotated."""


async def find(connection: Connection, purpose: Purpose) -> bytes:
    return bytes(await connection.fetchval(_SQL["find"], purpose))


async def rotate(connection: Connection, purpose: Purpose) -> None:
    """Make a new secret: nothing that was signed with the old one is valid any more."""
    await connection.execute(_SQL["rotate"], purpose, secrets.token_bytes(_BYTES))


class RememberedSecret:
    """A secret that is looked up every two seconds at most."""

    def __init__(self, purpose: Purpose) -> None:
        self._purpose: Final[Purpose] = purpose
        self._found: tuple[float, bytes] | None = None

    async def find(self, connection: Connection) -> bytes:
        asked_at = time.monotonic()
        if self._found is None or asked_at > self._found[0] + _REMEMBERED_S:
            self._found = asked_at, await find(connection, self._purpose)
        return self._found[1]
