"""Finds and rotates the secrets that sign what the service hands out, one for each purpose.

They are made with the schema and kept in the database, so that all services on it accept what one has signed.
No answer, page, log line or command shows them; whoever reads the database or a backup can sign.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Final, Literal, get_args

from heliscore.store.connections.pool import Connection, Database
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
    """A secret that is looked up every two seconds at most, by one caller for all that wait."""

    def __init__(self, database: Database, purpose: Purpose) -> None:
        self._database = database
        self._purpose: Final[Purpose] = purpose
        self._found: tuple[float, bytes] = (0.0, b"")
        """Until when it is remembered, and the secret."""
        self._asking = asyncio.Lock()

    async def find(self) -> bytes:
        """Raises Unavailable."""
        if (secret := self._remembered()) is None:
            async with self._asking:
                if (secret := self._remembered()) is None:
                    secret = await self._look_up()
        return secret

    def _remembered(self) -> bytes | None:
        until, secret = self._found
        return secret if time.monotonic() < until else None

    async def _look_up(self) -> bytes:
        async with self._database.connection() as connection:
            asked_at = time.monotonic()
            secret = await find(connection, self._purpose)
        self._found = asked_at + _REMEMBERED_S, secret
        return secret
