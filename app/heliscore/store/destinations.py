"""Destinations of events: list, find, add, change and remove them.

Scores and logged requests become events only where somebody wants them (`event_interest`). Each function that
changes what destinations want says so in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from heliscore.domain.destination import MAX_DESTINATIONS, NOTHING_TO_SEND, Destination, DestinationKind
from heliscore.domain.digest_schedule import DEFAULT_DIGEST_HOUR, DigestPeriod, next_due
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.event import EventType
from heliscore.store.connections.pool import Connection
from heliscore.store.events import drop_interest, set_interest
from heliscore.store.statements import load

_SQL: Final = load("destination")

_ON_DEMAND: Final[frozenset[EventType]] = frozenset(("score.recorded", "request.logged"))
"""The events that are published only where there is interest."""

Kinds = Collection[DestinationKind]
"""The kinds that the caller speaks of: others are not there for it."""


async def list_destinations(connection: Connection, organization_id: int, kinds: Kinds) -> list[Destination]:
    """Return the organization's destinations, the oldest first."""
    return [
        make_destination(row) for row in await connection.fetch(_SQL["list"], organization_id, list(kinds))
    ]


async def find_destination(
    connection: Connection, organization_id: int, id_: UUID, kinds: Kinds
) -> Destination | None:
    row = await connection.fetchrow(_SQL["find"], organization_id, id_, list(kinds))
    return None if row is None else make_destination(row)


async def list_enabled(connection: Connection) -> list[Destination]:
    """Return the destinations of all organizations that are not disabled."""
    return [make_destination(row) for row in await connection.fetch(_SQL["list_enabled"])]


def make_destination(row: asyncpg.Record) -> Destination:
    """Make a destination of the columns that each statement returns."""
    columns = {name: row[name] for name in Destination.__struct_fields__}
    return Destination(**columns | {"options": msgspec.json.decode(columns["options"])})


async def add_destination(
    connection: Connection,
    organization_id: int,
    *,
    kind: DestinationKind,
    name: str,
    address: str,
    events: Sequence[EventType],
    options: Mapping[str, Any],
    secret: str | None,
    digest: DigestPeriod | None = None,
    digest_hour: int = DEFAULT_DIGEST_HOUR,
) -> Destination | None:
    """Add a destination; None where the organization has as many as it may have."""
    async with connection.transaction():
        await connection.execute(_SQL["lock"], organization_id)
        if await connection.fetchval(_SQL["count"], organization_id) >= MAX_DESTINATIONS:
            return None
        id_ = await connection.fetchval(
            _SQL["add"],
            organization_id,
            kind,
            name,
            address,
            list(events),
            _encode(options),
            secret,
            digest,
            digest_hour,
            await _find_next_digest(connection, digest, digest_hour),
        )
        await _follow_interest(connection, organization_id)
        return await find_destination(connection, organization_id, id_, [kind])


async def change_destination(
    connection: Connection,
    organization_id: int,
    id_: UUID,
    kinds: Kinds,
    *,
    name: str | None = None,
    address: str | None = None,
    events: Sequence[EventType] | None = None,
    options: Mapping[str, Any] | None = None,
    is_enabled: bool | None = None,
    digest: DigestPeriod | msgspec.UnsetType | None = msgspec.UNSET,
    digest_hour: int | None = None,
) -> Destination | None:
    """Change what is given, of the options the keys that are given; None where there is no such destination.
    Deliveries to one that is disabled wait, and it gets no digest of that time. Raises InvalidInput where
    nothing would be sent: neither events nor a digest."""
    async with connection.transaction():
        await connection.execute(_SQL["lock"], organization_id)
        before = await connection.fetchrow(_SQL["lock_one"], organization_id, id_, list(kinds))
        if before is None:
            return None
        period = before["digest"] if digest is msgspec.UNSET else digest
        _check_purpose(before["events"] if events is None else events, period)
        hour = before["digest_hour"] if digest_hour is None else digest_hour
        await connection.execute(
            _SQL["change"],
            organization_id,
            id_,
            list(kinds),
            name,
            address,
            None if events is None else list(events),
            None if options is None else _encode(options),
            is_enabled,
            period,
            hour,
            await _change_digest_at(connection, before, period, hour, is_enabled=is_enabled),
        )
        await _follow_interest(connection, organization_id)
        return await find_destination(connection, organization_id, id_, kinds)


async def rotate_secret(
    connection: Connection, organization_id: int, id_: UUID, kinds: Kinds, secret: str, old_for: timedelta
) -> Destination | None:
    """Sign with a new secret, and with the one before as well for a while; None where there is no such
    destination."""
    arguments = (organization_id, id_, list(kinds), secret, old_for)
    if await connection.fetchval(_SQL["rotate_secret"], *arguments) is None:
        return None
    return await find_destination(connection, organization_id, id_, kinds)


async def remove_destination(connection: Connection, organization_id: int, id_: UUID, kinds: Kinds) -> bool:
    """Remove a destination with its deliveries; False where there is none."""
    async with connection.transaction():
        await connection.execute(_SQL["lock"], organization_id)
        removed = await connection.fetchval(_SQL["remove"], organization_id, id_, list(kinds))
        await _follow_interest(connection, organization_id)
    return removed is not None


async def disable_destination(connection: Connection, organization_id: int, id_: UUID, reason: str) -> bool:
    """Disable a destination for a reason, and park what waits for it; False where it was disabled already."""
    async with connection.transaction():
        await connection.execute(_SQL["lock"], organization_id)
        if await connection.fetchval(_SQL["disable"], organization_id, id_, reason) is None:
            return False
        await connection.execute(_SQL["park_waiting"], organization_id, id_)
        await _follow_interest(connection, organization_id)
    return True


def _check_purpose(events: Sequence[EventType], digest: DigestPeriod | None) -> None:
    if not events and digest is None:
        raise InvalidInput([FieldError("events", NOTHING_TO_SEND)])


async def _change_digest_at(
    connection: Connection,
    before: asyncpg.Record,
    period: DigestPeriod | None,
    hour: int,
    *,
    is_enabled: bool | None,
) -> datetime | None:
    """A digest that is due stays so, unless the change is about it, or the destination was disabled."""
    is_resumed = is_enabled and not before["is_enabled"]
    if is_resumed or (period, hour) != (before["digest"], before["digest_hour"]):
        return await _find_next_digest(connection, period, hour)
    due: datetime | None = before["digest_at"]
    return due


async def _find_next_digest(
    connection: Connection, digest: DigestPeriod | None, hour: int
) -> datetime | None:
    return None if digest is None else next_due(digest, hour, await connection.fetchval(_SQL["read_clock"]))


async def _follow_interest(connection: Connection, organization_id: int) -> None:
    wanted = {type_ for (type_,) in await connection.fetch(_SQL["list_types"], organization_id)}
    await set_interest(connection, organization_id, _ON_DEMAND & wanted, "destination", None)
    await drop_interest(connection, organization_id, _ON_DEMAND - wanted, "destination")


def _encode(options: Mapping[str, Any]) -> str:
    return msgspec.json.encode(options).decode()
