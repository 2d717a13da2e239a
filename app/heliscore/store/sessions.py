"""Sessions of the dashboard in the database: the key of one, and those that were ended before their time."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from heliscore.domain.api_key import Permissions, Principal
from heliscore.domain.author import make_author
from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL: Final = load("session")


class SignedInKey(msgspec.Struct, frozen=True):
    """A usable key of a signed-in person, with what signs the session."""

    organization_id: int
    organization: str
    key_id: int
    name: str
    hint: str
    permissions: Permissions
    expires_at: datetime | None
    author: str | None
    key_hash: bytes
    secret: bytes
    queue_id: str | None
    """The queue to which the key is limited."""

    @property
    def principal(self) -> Principal:
        author = make_author(self.key_id, self.name, self.author)
        return Principal(
            self.organization_id, self.key_id, self.permissions, self.expires_at, author, self.queue_id
        )


async def find_signed_in_key(connection: Connection, key_id: int, session_id: str) -> SignedInKey | None:
    """Return the key of that id; None when it is unknown, revoked or expired, or the session was ended. The
    ids prove nothing: believe them only with a signature made with the secret."""
    row = await connection.fetchrow(_SQL["find"], key_id, session_id)
    return None if row is None else SignedInKey(*row)


class PastKey(msgspec.Struct, frozen=True):
    """A key with which a person once signed in, with what signed the session."""

    name: str
    hint: str
    revoked_at: datetime | None
    expired_at: datetime | None
    key_hash: bytes
    secret: bytes


async def find_past_key(connection: Connection, key_id: int) -> PastKey | None:
    """Return the key of that id, also one that is revoked or expired. As of `find_signed_in_key`, believe the
    id only with a signature."""
    row = await connection.fetchrow(_SQL["find_past"], key_id)
    return None if row is None else PastKey(*row)


async def end_session(connection: Connection, session_id: str, lifetime_s: int) -> None:
    """End a session for all services; `lifetime_s` is how long its cookie may still be valid."""
    await connection.execute(_SQL["end"], session_id, lifetime_s)
