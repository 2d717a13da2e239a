"""Who is calling: the key in a header, looked up by its hash, remembered for a moment."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request

from app.api.headers import header
from app.errors import Unauthenticated
from app.keys import Principal, hash_key
from app.store import keys
from app.store.pool import Database

_REMEMBERED_S: Final = 2.0
"""How long a revoked key may still work in a process that has just seen it; the promise is 5 s."""

_CAPACITY: Final = 10_000


class Keyring:
    """Looks keys up. Only good ones are remembered: a key made this moment works this moment."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._remembered: dict[bytes, tuple[float, Principal]] = {}
        self._checks: dict[bytes, asyncio.Task[Principal]] = {}

    async def principal(self, key: str) -> Principal:
        """Return whom the key belongs to. Raises Unauthenticated, in the same words for any bad key."""
        key_hash = hash_key(key)
        until, principal = self._remembered.get(key_hash, (0.0, None))
        if principal is None or time.monotonic() > until:
            principal = await (self._look_up(key_hash) if principal is None else self._check(key_hash))
        if principal.expires_at is not None and principal.expires_at <= datetime.now(UTC):
            raise Unauthenticated("the API key is not valid")
        return principal

    def _check(self, key_hash: bytes) -> asyncio.Future[Principal]:
        """Look a known key up anew, once for all calls that need it: they may be a thousand."""
        if (check := self._checks.get(key_hash)) is None:
            check = self._checks[key_hash] = asyncio.create_task(self._look_up(key_hash))
            check.add_done_callback(lambda _: self._checks.pop(key_hash))
        return asyncio.shield(check)

    async def _look_up(self, key_hash: bytes) -> Principal:
        asked_at = time.monotonic()
        async with self._database.connection() as connection:
            principal = await keys.find(connection, key_hash)
        if principal is None:
            self._remembered.pop(key_hash, None)
            raise Unauthenticated("the API key is not valid")
        if len(self._remembered) >= _CAPACITY:
            self._remembered.clear()
        self._remembered[key_hash] = asked_at + _REMEMBERED_S, principal
        return principal


def bearer_key(request: Request) -> str:
    """Take the key from `Helicone-Auth` or `Authorization`. The first counts where both are sent: clients of
    the logging calls use the other for their model provider's key. Raises Unauthenticated."""
    sent = header(request, b"helicone-auth") or header(request, b"authorization")
    if sent is None:
        raise Unauthenticated("an API key is needed: Authorization: Bearer <key>")
    scheme, _, key = sent.strip().partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthenticated("expected Authorization: Bearer <key>")
    return key.strip()
