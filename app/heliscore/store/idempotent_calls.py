"""Calls that carry an Idempotency-Key: claim the key, keep the answer, find it again, forget it after a day.

Claim and answer belong into the transaction of what the call writes. So all are durable or none, also where
the service or PostgreSQL is killed, and no key is left to a call that never ended.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import asyncpg
import msgspec

from heliscore.domain.errors import Unavailable
from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("idempotent_call")

_WAIT_MS: Final = 1000
"""How long a call waits for one with the same key: longer than most calls take."""

Place = tuple[int, str]
"""Organization and key."""


class IdempotentCall(msgspec.Struct, frozen=True):
    """A call by its key, which is unique in its organization."""

    organization_id: int
    key: str
    call_hash: bytes
    """SHA-256 of all that the call says."""

    @property
    def place(self) -> Place:
        return self.organization_id, self.key


class KeptAnswer(msgspec.Struct, frozen=True):
    """The answer of a call."""

    status: int
    headers: str
    """A line each, as in HTTP."""

    body: bytes | None
    """None where the answer shows a secret."""


class AnsweredCall(msgspec.Struct, frozen=True):
    """A call whose answer is known before it is carried out."""

    call: IdempotentCall
    answer: KeptAnswer


class Repeated(Exception):
    """A call is not carried out because another had its key, which has this hash and answer."""

    def __init__(self, call_hash: bytes, answer: KeptAnswer) -> None:
        self.call_hash = call_hash
        self.answer = answer


async def claim(connection: Connection, call: IdempotentCall) -> None:
    """Claim the call's key until the transaction ends. Raises Repeated, and Unavailable while a call with the
    same key is in progress."""
    arguments = (call.organization_id, call.key, call.call_hash, str(_WAIT_MS))
    try:
        if await connection.fetchval(_SQL["claim"], *arguments) is not None:
            return
    except asyncpg.LockNotAvailableError as error:
        raise in_progress() from error
    raise (await find_all(connection, [call])).get(call.place) or in_progress()


def in_progress() -> Unavailable:
    return Unavailable("a call with the same Idempotency-Key is in progress, please try again")


async def complete(connection: Connection, answered: AnsweredCall) -> None:
    """Keep the answer of a call that has claimed its key in this transaction."""
    call, answer = answered.call, answered.answer
    arguments = (call.organization_id, call.key, answer.status, answer.headers, answer.body)
    await connection.execute(_SQL["complete"], *arguments)


async def claim_all(
    connection: Connection, answered: Collection[AnsweredCall], lock_timeout_ms: int
) -> set[Place]:
    """Claim the keys of calls, of which none may occur twice, and keep their answers. Returns those that no
    other call had. Waits for calls in progress up to the timeout (0: without one)."""
    rows = await connection.fetch(
        _SQL["claim_all"],
        [one.call.organization_id for one in answered],
        [one.call.key for one in answered],
        [one.call.call_hash for one in answered],
        [one.answer.status for one in answered],
        [one.answer.headers for one in answered],
        [one.answer.body for one in answered],
        str(lock_timeout_ms),
    )
    return set(map(tuple, rows))


async def find_all(connection: Connection, calls: Collection[IdempotentCall]) -> dict[Place, Repeated]:
    """Return the earlier calls that had the keys."""
    rows = await connection.fetch(_SQL["find_all"], *_places(calls))
    return {(row[0], row[1]): Repeated(row[2], KeptAnswer(*row[3:])) for row in map(tuple, rows)}


async def release_all(connection: Connection, calls: Collection[IdempotentCall]) -> None:
    """Let the keys be free again."""
    await connection.execute(_SQL["release_all"], *_places(calls))


def _places(calls: Collection[IdempotentCall]) -> tuple[list[int], list[str]]:
    return [call.organization_id for call in calls], [call.key for call in calls]


async def forget(connection: Connection, organization_id: int, limit: int) -> int:
    """Delete up to so many of the organization's calls whose keys no longer count; returns their number."""
    status = await connection.execute(_SQL["forget"], organization_id, limit)
    return int(status.rpartition(" ")[2])
