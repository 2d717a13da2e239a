"""Monitors: add, replace, list and remove them, claim those that are due, and store what they came to.

A claim keeps other services away for a while, so that one that was killed is taken over. It is no lock: what
is stored of an evaluation counts only if nothing was stored since it began, whoever else tried.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import msgspec

from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.monitors.monitor_definition import Definition
from heliscore.domain.monitors.monitor_periods import Change, Stand
from heliscore.domain.monitors.monitor_schedule import begin, next_end
from heliscore.domain.monitors.monitor_states import ERROR_FAILURES, State
from heliscore.observability.event_loop import Turn
from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL: Final = load("monitor")

MAX_MONITORS: Final = 1_000
"""Of an organization."""

CLAIM: Final = timedelta(seconds=25)
"""How long a service that was killed keeps others from its monitors."""

HISTORY_DAYS: Final = 90

_PRUNE_BATCH: Final = 5_000

_read_stand: Final = msgspec.json.Decoder(Stand)


class StoredMonitor(msgspec.Struct, frozen=True, kw_only=True):
    """A monitor and how it stands."""

    organization_id: int
    id: str
    revision: int
    definition: bytes
    """JSON, as the API takes it."""

    created_at: datetime
    updated_at: datetime
    evaluated_until: datetime
    next_at: datetime | None
    stand: Stand
    failures: int
    error: str | None
    failing_since: datetime | None
    clock: datetime
    """The database's, when this was read."""

    @property
    def state(self) -> State:
        """Of the group that stands worst, or `error` where it cannot be evaluated."""
        return "error" if self.failures >= ERROR_FAILURES else self.stand.worst


class Result(msgspec.Struct, frozen=True):
    """What the evaluation of a monitor came to."""

    claimed: StoredMonitor
    """As it was before."""

    evaluated_until: datetime
    next_at: datetime
    stand: Stand


class StoredChange(Change, frozen=True, kw_only=True):
    """An entry of the history, by its number."""

    number: int


def _read(row: asyncpg.Record) -> StoredMonitor:
    return StoredMonitor(**{**dict(row), "stand": _read_stand.decode(row["stand"])})


# For clients


async def list_monitors(connection: Connection, organization_id: int) -> list[StoredMonitor]:
    """Return the monitors of an organization, by name."""
    monitors, turn = [], Turn()
    for row in await connection.fetch(_SQL["list"], organization_id):
        monitors.append(_read(row))
        await turn.give_way()  # with a hundred groups each, a thousand take a quarter of a second
    return monitors


async def find_monitor(connection: Connection, organization_id: int, id_: str) -> StoredMonitor | None:
    row = await connection.fetchrow(_SQL["find"], organization_id, id_)
    return None if row is None else _read(row)


async def add_monitor(
    connection: Connection, organization_id: int, definition: Definition, stored: bytes
) -> str:
    """Add a monitor and return its id; `stored` is its definition as JSON.

    Raises InvalidInput for a name that is taken, and where there are too many.
    """
    async with connection.transaction():
        clock = await connection.fetchval(_SQL["lock"], organization_id)
        if await connection.fetchval(_SQL["count"], organization_id) >= MAX_MONITORS:
            raise InvalidInput([FieldError("", f"there may be at most {MAX_MONITORS} monitors")])
        evaluated_until = begin(clock, definition.every)
        values = (definition.name, stored.decode(), evaluated_until, _next_at(definition, evaluated_until))
        try:
            id_: str = await connection.fetchval(_SQL["add"], organization_id, *values)
        except asyncpg.UniqueViolationError as error:
            raise _explain(error) from None
        return id_


def _next_at(definition: Definition, evaluated_until: datetime) -> datetime | None:
    return None if definition.is_paused else next_end(evaluated_until, definition.every)


def _explain(error: asyncpg.UniqueViolationError) -> Exception:
    if error.constraint_name != "monitor_name_key":
        return error
    return InvalidInput([FieldError("name", "there is a monitor of that name")])


async def find_for_change(connection: Connection, organization_id: int, id_: str) -> StoredMonitor | None:
    """As find_monitor, in a transaction that is going to change it."""
    row = await connection.fetchrow(_SQL["find_for_change"], organization_id, id_)
    return None if row is None else _read(row)


async def replace_monitor(
    connection: Connection,
    before: StoredMonitor,
    definition: Definition,
    stored: bytes,
    *,
    keeps_states: bool,
) -> None:
    """Replace a monitor. If it keeps its states, periods that were evaluated stay so; else it begins as a new
    one does. Raises InvalidInput for a name that is taken."""
    evaluated_until = begin(before.clock, definition.every, before.evaluated_until if keeps_states else None)
    values = (definition.name, stored.decode(), evaluated_until, _next_at(definition, evaluated_until))
    stand = _encode(before.stand if keeps_states else Stand())
    try:
        await connection.execute(_SQL["replace"], before.organization_id, before.id, *values, stand)
    except asyncpg.UniqueViolationError as error:
        raise _explain(error) from None


def _encode(stand: Stand) -> str:
    return msgspec.json.encode(stand).decode()


async def remove_monitor(connection: Connection, organization_id: int, id_: str) -> bool:
    """Remove a monitor and its history; False when there was none."""
    return await connection.fetchval(_SQL["remove"], organization_id, id_) is not None


async def find_destinations(connection: Connection, organization_id: int, ids: Collection[str]) -> set[str]:
    """Return those of the destinations' ids that the organization has."""
    return {id_ for (id_,) in await connection.fetch(_SQL["find_destinations"], organization_id, list(ids))}


async def list_changes(
    connection: Connection, organization_id: int, id_: str, before: int | None, limit: int
) -> list[StoredChange]:
    """Return a monitor's history, newest first, from before that number on."""
    rows = await connection.fetch(_SQL["list_changes"], organization_id, id_, before, limit)
    return [StoredChange(**dict(row)) for row in rows]


# For evaluations


async def claim(connection: Connection, limit: int, now: datetime | None = None) -> list[StoredMonitor]:
    """Claim monitors that are due, of all organizations. `now`: None for the database's clock."""
    return [_read(row) for row in await connection.fetch(_SQL["claim"], now, limit, CLAIM)]


async def store_results(connection: Connection, results: Sequence[Result]) -> set[str]:
    """Store how things stand after evaluations; return the ids of those for which no other service was
    quicker, and that were not changed since."""
    rows = [(*_fence(one.claimed), one.evaluated_until, one.next_at, _encode(one.stand)) for one in results]
    columns = map(list, zip(*sorted(rows), strict=True)) if rows else ([] for _ in range(7))
    return {id_ for (id_,) in await connection.fetch(_SQL["store"], *columns)}


async def store_failure(
    connection: Connection, claimed: StoredMonitor, reason: str, next_at: datetime
) -> bool:
    """Store why an evaluation failed, likewise."""
    return (
        await connection.fetchval(_SQL["store_failure"], *_fence(claimed), reason, next_at, claimed.clock)
        is not None
    )


def _fence(claimed: StoredMonitor) -> tuple[int, str, int, datetime]:
    return claimed.organization_id, claimed.id, claimed.revision, claimed.evaluated_until


async def record_changes(
    connection: Connection, organization_id: int, id_: str, changes: Sequence[Change]
) -> None:
    """Add to a monitor's history."""
    columns: tuple[list[object], ...] = (
        [change.at for change in changes],
        [change.group for change in changes],
        [change.previous_state for change in changes],
        [change.state for change in changes],
        [change.value for change in changes],
        [change.base_value for change in changes],
        [change.count for change in changes],
        [change.reason for change in changes],
    )
    await connection.execute(_SQL["record"], organization_id, id_, *columns)


async def prune_changes(connection: Connection) -> bool:
    """Delete some of the changes that are too old, of all organizations; False once none is left."""
    deleted = await connection.fetch(_SQL["prune"], HISTORY_DAYS, _PRUNE_BATCH)
    return len(deleted) == _PRUNE_BATCH
