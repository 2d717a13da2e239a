"""API keys in the database: register, mint, find, list, change, revoke."""

from __future__ import annotations

from datetime import datetime

import asyncpg
import msgspec

from heliscore.domain.api_key import Permissions, Principal, find_key_error, hash_key, hint_of
from heliscore.domain.audit import COMMAND, Actor
from heliscore.domain.author import Author, make_author
from heliscore.domain.errors import StartError
from heliscore.domain.review_queue import ReviewerLink
from heliscore.store.audit_entries import columns_of
from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("key")


class ApiKey(msgspec.Struct, frozen=True):
    """A key as it is listed, without the key itself."""

    id: int
    organization: str
    name: str
    hint: str
    permissions: Permissions
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    made_by: int | None
    """The key that made it through the API."""

    author: str | None
    """Of the scores that it sends; None: `api:` and the key's name."""


class UsableKey(msgspec.Struct, frozen=True):
    """What is known of a key that a call was made with."""

    organization_id: int
    key_id: int
    permissions: Permissions
    expires_at: datetime | None
    name: str
    author: str | None
    queue_id: str | None

    @property
    def principal(self) -> Principal:
        author = make_author(self.key_id, self.name, self.author)
        return Principal(
            self.organization_id, self.key_id, self.permissions, self.expires_at, author, self.queue_id
        )


class KeyRejected(StartError):
    """The key cannot be registered: its form is wrong or it is registered already."""


async def register(
    connection: Connection,
    organization_id: int,
    key: str,
    *,
    name: str,
    permissions: Permissions = "rw",
    expires_at: datetime | None = None,
    author: Author | None = None,
    by: Actor = COMMAND,
) -> int:
    """Register a key and return its id; `by` is who does, for the audit. Raises KeyRejected."""
    if field_error := find_key_error(key):
        raise KeyRejected(f"the key cannot be registered: {field_error}")
    try:
        return int(
            await connection.fetchval(
                _SQL["register"],
                organization_id,
                hash_key(key),
                hint_of(key),
                name,
                permissions,
                expires_at,
                None if author is None else str(author),
                *columns_of(by),
            )
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "api_key_key_hash_key":
            raise
        raise KeyRejected(f"the key {hint_of(key)} is registered already") from None


async def mint(
    connection: Connection,
    maker: Principal,
    key: str,
    *,
    name: str,
    permissions: Permissions,
    author: Author | None = None,
    expires_at: datetime | None = None,
    by: Actor | None = None,
) -> int | None:
    """Register a key that another key makes, and return its id; None when the maker is revoked or expired.
    It expires with its maker at the latest. `permissions` must be the maker's or less; `by` is who does, for
    the audit, where that is not the maker."""
    actor = by or Actor("key", maker.key_id)
    row = await _mint(connection, maker, key, name, permissions, author, expires_at, actor)
    return None if row is None else int(row["id"])


async def mint_for_queue(
    connection: Connection,
    maker: Principal,
    key: str,
    *,
    name: str,
    queue_id: str,
    expires_at: datetime,
    by: Actor,
) -> ReviewerLink | None:
    """The same for a key that reviews a queue only, until then or until its maker expires."""
    row = await _mint(connection, maker, key, name, "q", None, expires_at, by, queue_id)
    return None if row is None else ReviewerLink(*row)


async def _mint(
    connection: Connection,
    maker: Principal,
    key: str,
    name: str,
    permissions: Permissions,
    author: Author | None,
    expires_at: datetime | None,
    by: Actor,
    queue_id: str | None = None,
) -> asyncpg.Record | None:
    return await connection.fetchrow(
        _SQL["mint"],
        maker.organization_id,
        maker.key_id,
        hash_key(key),
        hint_of(key),
        name,
        permissions,
        None if author is None else str(author),
        expires_at,
        by.kind,
        by.person,
        queue_id,
    )


async def revoke_of_queue(connection: Connection, organization_id: int, queue_id: str, by: Actor) -> None:
    """Revoke all keys that review a queue."""
    await connection.execute(_SQL["revoke_of_queue"], organization_id, queue_id, *columns_of(by))


async def find(connection: Connection, key_hash: bytes) -> Principal | None:
    """Return the caller that a key belongs to, or None when the key is unknown, revoked or expired."""
    row = await connection.fetchrow(_SQL["find"], key_hash)
    return None if row is None else UsableKey(*row).principal


async def count_usable(connection: Connection, organization_id: int) -> int:
    return int(await connection.fetchval(_SQL["count_usable"], organization_id))


async def list_keys(connection: Connection, organization: str | None = None) -> list[ApiKey]:
    return [ApiKey(*row) for row in await connection.fetch(_SQL["list"], organization)]


async def revoke(connection: Connection, key_id: int) -> bool:
    """Revoke a key for ever, from the command line; False when there is none of that id."""
    return await connection.fetchval(_SQL["revoke"], key_id, *columns_of(COMMAND)) is not None


async def revoke_with_minted(connection: Connection, key_id: int) -> list[int]:
    """Revoke a key for ever with all that it made, that those made, and so on. Returns their ids; none when
    there is no key of that id."""
    async with connection.transaction():
        makers = [key_id] if await revoke(connection, key_id) else []
        revoked: list[int] = []
        while makers:
            revoked += makers
            # A statement each: the next one sees what these had made before they were revoked.
            rows = await connection.fetch(_SQL["revoke_minted"], makers, *columns_of(COMMAND))
            makers = [id_ for (id_,) in rows]
    return revoked


class OwnKey(msgspec.Struct, frozen=True):
    """A usable key as its organization lists it."""

    id: int
    name: str
    hint: str
    permissions: Permissions
    created_at: datetime
    expires_at: datetime | None
    made_by: int | None
    """The key that made it through the API."""

    author: str | None
    """Of the scores that it sends; None: `api:` and the key's name."""


async def list_own(connection: Connection, organization_id: int) -> list[OwnKey]:
    return [OwnKey(*row) for row in await connection.fetch(_SQL["list_own"], organization_id)]


class MadeKey(msgspec.Struct, frozen=True):
    """A key of an organization, also one that is revoked or expired, with its maker."""

    id: int
    name: str
    hint: str
    permissions: Permissions
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    author: str | None
    is_usable: bool
    maker_name: str | None
    """Of the key that made it; None: an operator did."""

    maker_hint: str | None
    person: str | None
    """Who made it in a session, an author."""


async def list_with_makers(
    connection: Connection, organization_id: int, limit: int, key_id: int | None = None
) -> list[MadeKey]:
    """Return the organization's keys, or the one of an id: usable ones first, then the newest."""
    rows = await connection.fetch(_SQL["list_with_makers"], organization_id, limit, key_id)
    return [MadeKey(*row) for row in rows]


async def change(
    connection: Connection,
    organization_id: int,
    key_id: int,
    *,
    name: str | None = None,
    author: Author | None = None,
) -> bool:
    """Change what is given of one of the organization's keys; False when it has none of that id. Services
    follow within 5 seconds."""
    arguments = (organization_id, key_id, name, None if author is None else str(author))
    return await connection.fetchval(_SQL["change"], *arguments) is not None


async def set_author(connection: Connection, key_id: int, author: Author | None) -> bool:
    """Set the author of a key's scores; None: the key itself. False when there is none of that id."""
    value = None if author is None else str(author)
    return await connection.fetchval(_SQL["set_author"], key_id, value) is not None


async def revoke_own(connection: Connection, organization_id: int, key_id: int, by: Actor) -> bool:
    """Revoke one of the organization's keys for ever; False when it has none of that id."""
    arguments = organization_id, key_id, *columns_of(by)
    return await connection.fetchval(_SQL["revoke_own"], *arguments) is not None
