"""Entries of the audit: write them in the transaction of what they tell of, and list them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from heliscore.domain.audit import Action, Actor, AuditEntry
from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("audit")


def columns_of(actor: Actor) -> tuple[str, int | None, str | None]:
    """Return the arguments that say who does something."""
    return actor.kind, actor.key_id, actor.person


async def note(
    connection: Connection,
    organization_id: int | None,
    by: Actor,
    action: Action,
    subject: Mapping[str, Any] | None = None,
    numbers: Mapping[str, int] | None = None,
) -> int:
    """Write an entry and return its id. The organization is None where all are concerned."""
    json = (msgspec.json.encode(part or {}).decode() for part in (subject, numbers))
    return int(await connection.fetchval(_SQL["note"], organization_id, *columns_of(by), action, *json))


class GrowingEntry:
    """The entry of something that is done in several transactions, each of which adds its numbers."""

    def __init__(self, organization_id: int, by: Actor, action: Action, subject: Mapping[str, Any]) -> None:
        self._fixed = organization_id, by, action, subject
        self._id: int | None = None

    async def add(self, connection: Connection, numbers: Mapping[str, int]) -> None:
        """Add to the numbers; the first transaction that is committed makes the entry."""
        if self._id is not None:
            json = msgspec.json.encode(numbers).decode()
            # None where the transaction that made the entry was rolled back.
            self._id = await connection.fetchval(_SQL["add"], self._fixed[0], self._id, json)
        if self._id is None:
            self._id = await note(connection, *self._fixed, numbers)


async def list_entries(
    connection: Connection,
    organization_id: int | None,
    *,
    before: int | None = None,
    since: datetime | None = None,
    limit: int,
) -> list[AuditEntry]:
    """Return an organization's entries (None: all), the newest first; before an id and from a time on."""
    rows = await connection.fetch(_SQL["list"], organization_id, before, since, limit)
    return [_read(dict(row)) for row in rows]


def _read(row: dict[str, Any]) -> AuditEntry:
    decoded = {key: msgspec.json.decode(row[key]) for key in ("subject", "numbers")}
    return AuditEntry(**{**row, **decoded})
