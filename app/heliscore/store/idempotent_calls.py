"""Calls that carry an Idempotency-Key: claim the key, keep the answer, find it again, forget it after a day.

Claim and answer belong into the transaction of what the call writes. So all are durable or none, also where
the service or PostgreSQL is killed, and no key is left to a call that never ended.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import asyncpg
import msgspec

from heliscore.domain.errors import Unavailable
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.statements import load

_SQL = load("idempotent_call")

_WAIT_MS: Final = 1000
"""How long a call waits for one with the same key: longer than most calls take."""

_BATCH: Final = 1000
_SHORTEST_PAUSE_S: Final = 0.02


class IdempotentCall(msgspec.Struct, frozen=True):
    """A call by its key, which is unique in its organization."""

    organization_id: int
    key: str
    call_hash: bytes
    """SHA-256 of all that the call says."""


class KeptAnswer(msgspec.Struct, frozen=True):
    """The answer of an earlier call."""

    call_hash: bytes
    status: int
    headers: list[str]
    """Names and values by turns."""

    body: bytes | None
    """None where the answer showed a secret."""


async def claim(connection: Connection, call: IdempotentCall) -> KeptAnswer | None:
    """Claim the call's key until the transaction ends, or return the answer of the call that has it.

    Raises Unavailable while a call with the same key is in progress.
    """
    while not await _insert(connection, call):
        if (kept := await _find(connection, call)) is not None:
            return kept
    return None


async def _insert(connection: Connection, call: IdempotentCall) -> bool:
    arguments = (call.organization_id, call.key, call.call_hash, str(_WAIT_MS))
    try:
        return await connection.fetchval(_SQL["claim"], *arguments) is not None
    except asyncpg.LockNotAvailableError as error:
        raise Unavailable("a call with the same Idempotency-Key is in progress, please try again") from error


async def _find(connection: Connection, call: IdempotentCall) -> KeptAnswer | None:
    row = await connection.fetchrow(_SQL["find"], call.organization_id, call.key)
    return None if row is None else KeptAnswer(*row)


async def complete(connection: Connection, call: IdempotentCall, answer: KeptAnswer) -> None:
    """Keep the answer of a call that has claimed its key in this transaction."""
    arguments = (call.organization_id, call.key, answer.status, answer.headers, answer.body)
    await connection.execute(_SQL["complete"], *arguments)


async def prune(database: Database) -> None:
    """Delete the calls whose keys no longer count, in small batches with pauses. Raises Unavailable."""
    async with database.connection() as connection:
        organizations = [id_ for (id_,) in await connection.fetch(_SQL["list_organizations"])]
    for organization_id in organizations:
        while await _prune_batch(database, organization_id) == _BATCH:
            pass


async def _prune_batch(database: Database, organization_id: int) -> int:
    begun = time.monotonic()
    async with database.connection() as connection:
        status = await connection.execute(_SQL["forget"], organization_id, _BATCH)
    count = int(status.rpartition(" ")[2])
    if count:
        # At most half of the time is ours.
        await asyncio.sleep(max(_SHORTEST_PAUSE_S, time.monotonic() - begun))
    return count
