"""Authenticates calls: reads the API key from a header and looks it up by its hash, with a short cache."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request

from heliscore.domain.api_key import PREFIX, Principal, hash_key
from heliscore.domain.errors import TooManyFailures, Unauthenticated
from heliscore.store import keys
from heliscore.store.connections.pool import Database
from heliscore.store.connections.shared_lookups import SharedLookups

_REMEMBERED_S: Final = 2.0
"""How long a revoked key may still work in a process that has just looked it up; the promise is 5 s."""

MAX_FAILURES: Final = 1000
_FAILURES_S: Final = 60

_CAPACITY: Final = 10_000

KEY_HEADERS: Final = ("helicone-auth", "authorization", "x-api-key")
"""In each of these a key may be sent, on every path."""

_BEARER: Final = re.compile(r"(?:^|,)\s*bearer(?:\s+|$)", re.IGNORECASE)
"""Begins a key; Helicone's clients may send the provider's and ours in one header, with a comma between."""


class _Failures:
    """The calls with keys that are not valid, of each address in the current minute."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._over_at = 0.0

    def raise_if_too_many(self, address: str) -> None:
        """Raises TooManyFailures."""
        left_s = self._over_at - time.monotonic()
        if left_s > 0 and self._counts[address] >= MAX_FAILURES:
            raise TooManyFailures(MAX_FAILURES, math.ceil(left_s))

    def count(self, address: str) -> None:
        if time.monotonic() > self._over_at or len(self._counts) >= _CAPACITY:
            self._counts.clear()
            self._over_at = time.monotonic() + _FAILURES_S
        self._counts[address] += 1


class Keyring:
    """Looks keys up. Only valid ones are cached: a new key works at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._remembered: dict[bytes, tuple[float, Principal]] = {}
        self._beginning = SharedLookups[bytes, Principal]()
        """Those that wait for a connection. One that has begun is not joined: it may miss a key that was made
        since."""
        self._failures = _Failures()

    async def principal(self, key: str, address: str) -> Principal:
        """Find the principal of a key that was sent from an address. Raises Unauthenticated, with one message
        for all invalid keys, and TooManyFailures."""
        key_hash = hash_key(key)
        until, principal = self._remembered.get(key_hash, (0.0, None))
        if principal is None or time.monotonic() > until:
            # Others call from the same address, perhaps through a proxy: a key that was valid is looked up.
            if principal is None:
                self._failures.raise_if_too_many(address)
            try:
                principal = await self._beginning.join(key_hash, self._look_up)
            except Unauthenticated:
                self._failures.count(address)
                raise
        if principal.expires_at is not None and principal.expires_at <= datetime.now(UTC):
            raise Unauthenticated("the API key is not valid")
        return principal

    async def _look_up(self, key_hash: bytes) -> Principal:
        async with AsyncExitStack() as stack:
            try:
                connection = await stack.enter_async_context(self._database.connection())
            finally:
                self._beginning.close(key_hash)
            asked_at = time.monotonic()
            principal = await keys.find(connection, key_hash)
        if principal is None:
            self._remembered.pop(key_hash, None)
            raise Unauthenticated("the API key is not valid")
        if len(self._remembered) >= _CAPACITY:
            self._remembered.clear()
        self._remembered[key_hash] = asked_at + _REMEMBERED_S, principal
        return principal


def address_of(request: Request) -> str:
    """The address of the client, or of the proxy before it."""
    return "" if request.client is None else request.client.host


def bearer_keys(sent: str) -> list[str]:
    """Read the keys in a header: one, or the provider's and ours in either order. Raises Unauthenticated."""
    keys = [key.strip() for key in _BEARER.split(sent.strip())[1:]]
    if not keys or not all(keys) or _BEARER.match(sent.strip()) is None:
        raise Unauthenticated("expected Authorization: Bearer <key>")
    return keys


def choose_key(keys: list[str]) -> str:
    """Ours of the keys in one header."""
    return next((key for key in keys if key.startswith(PREFIX)), keys[0])


def bearer_key(request: Request) -> str:
    """Read the key from `Helicone-Auth`, `Authorization` or `X-API-KEY`; the first that is sent counts: in
    logging calls, the others are for the model provider's key. Raises Unauthenticated."""
    sent = request.headers.get("helicone-auth") or request.headers.get("authorization")
    if sent is None:
        if key := request.headers.get("x-api-key", "").strip():
            return key
        raise Unauthenticated("an API key is needed: Authorization: Bearer <key>")
    return choose_key(bearer_keys(sent))


def has_header_key(request: Request) -> bool:
    """Whether a header carries a key."""
    return any(request.headers.get(name, "").strip() for name in KEY_HEADERS)
