"""Publish events, and read those that have become durable since a snapshot was taken.

A reader remembers a snapshot, PostgreSQL's `pg_snapshot` as text. Transactions commit in another order than
they take numbers: who remembered the last number would miss the events of a transaction that commits late.

In a cluster each group of organizations (`list_groups()`) has events of its own, and its node's snapshots.
Any organization of it stands for the group.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime
from typing import Any, Literal

import asyncpg
import msgspec

from heliscore.domain.event import ALERT_TYPES, AlertType, Event, EventType
from heliscore.domain.snapshots import before, behind
from heliscore.domain.times import EPOCH, format_time
from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("event")

Source = Literal["destination", "live"]
"""Who is interested in events."""


async def take_snapshot(connection: Connection, group: int = 0) -> str:
    """Return which transactions are visible now."""
    snapshot: str = await connection.fetchval(_SQL["take_snapshot"], group)
    return snapshot


async def look(connection: Connection, group: int = 0) -> tuple[str, datetime]:
    """Return which transactions are visible now, and the database's time."""
    snapshot, at = await connection.fetchrow(_SQL["look"], group)  # type: ignore[misc]
    return snapshot, at


async def find_new(connection: Connection, seen: Mapping[int, str], group: int = 0) -> tuple[str, set[int]]:
    """Return which transactions are visible now, and the nodes of which there are events that are not visible
    in the node's snapshot, or that have none."""
    snapshot, nodes = await connection.fetchrow(  # type: ignore[misc]
        _SQL["find_new"], group, list(seen), list(seen.values())
    )
    return snapshot, {int(node) for node in nodes.split(",") if node}


async def take_end(connection: Connection, node: int, group: int = 0) -> str:
    """Return a snapshot in which all that a node has written is visible, which writes there no longer."""
    snapshot: str = await connection.fetchval(_SQL["find_end"], group, before(node), behind(node))
    return snapshot


async def remove_foreign(connection: Connection, node: int, group: int = 0) -> None:
    """Remove the events of transactions that have not begun yet: they came from elsewhere."""
    await connection.execute(_SQL["remove_foreign"], group, behind(node))


async def read_between(
    connection: Connection,
    seen: str,
    until: str,
    *,
    group: int = 0,
    after: int = 0,
    organization_ids: Collection[int] | None = None,
    limit: int,
) -> list[Event]:
    """Return events that are visible in the snapshot `until` and not in `seen`, by number, those after a
    number; of all organizations where none are named."""
    ids = None if organization_ids is None else list(organization_ids)
    rows = await connection.fetch(_SQL["read_between"], group, seen, until, after, ids, limit)
    return [_make_event(row) for row in rows]


async def read_pages(
    connection: Connection, seen: str, until: str, *, group: int, after: int, of: Collection[int], size: int
) -> AsyncIterator[list[Event]]:
    """Read the events of some organizations between two snapshots, after a number, in pages of which only the
    last may be less than full."""
    page: list[Event] | None = None
    while page is None or len(page) == size:
        page = await read_between(
            connection, seen, until, group=group, after=after, organization_ids=of, limit=size
        )
        if page:
            yield page
            after = page[-1].number


def _make_event(row: asyncpg.Record) -> Event:
    return Event(
        number=row["id"],
        organization_id=row["organization_id"],
        type=row["type"],
        happened_at=row["happened_at"],
        request_no=row["request_no"],
        data=_make_data(row),
    )


def _make_data(row: asyncpg.Record) -> dict[str, Any]:
    match row["type"]:
        case "score.recorded":
            kind = row["kind"]
            author = {"kind": kind, "name": row["author"], "version": row["version"] or None}
            return {
                "requestId": row["request_id"],
                "name": row["name"],
                "value": bool(row["value"]) if row["is_boolean"] else row["value"],
                "author": None if kind is None else author,
                "comment": row["comment"],
                "scoredAt": format_time(row["scored_at"]),
            }
        case "request.logged":
            properties = row["properties"]  # null: too large for a glance
            return {
                "requestId": row["request_id"],
                "createdAt": format_time(row["created_at"]),
                "model": row["model"],
                "provider": row["provider"],
                "userId": row["user_id"],
                "promptId": row["prompt_id"],
                "promptVersion": row["prompt_version"],
                "status": row["status"],
                "latencyMs": row["latency_ms"],
                "costUsd": row["cost_usd"],
                "properties": properties and msgspec.json.decode(properties),
            }
        case _:
            body: dict[str, Any] = msgspec.json.decode(row["body"])
            return body


async def publish_alert(
    connection: Connection, organization_id: int, kind: AlertType, body: dict[str, Any]
) -> None:
    """Publish an alert, in the transaction that changes the state of its monitor."""
    await connection.execute(_SQL["publish"], organization_id, kind, msgspec.json.encode(body).decode())


async def set_interest(
    connection: Connection,
    organization_id: int,
    types: Collection[EventType],
    source: Source,
    until: datetime | None,
) -> None:
    """Have such events published until then at least; None: until the interest is dropped."""
    await connection.execute(
        _SQL["set_interest"], organization_id, list(types), source, until or datetime.max
    )


async def drop_interest(
    connection: Connection, organization_id: int, types: Collection[EventType], source: Source
) -> None:
    """Have such events published no longer, as far as that source is concerned."""
    await connection.execute(_SQL["drop_interest"], organization_id, list(types), source)


async def find_since(
    connection: Connection, organization_id: int, types: Collection[EventType]
) -> datetime | None:
    """Return since when all events of these types have been published; None where nobody is interested in
    one of them. Alerts always are."""
    optional = [type_ for type_ in types if type_ not in ALERT_TYPES]
    rows = await connection.fetch(_SQL["find_since"], organization_id, optional)
    if len(rows) < len(optional):
        return None
    return max((row["since"] for row in rows), default=EPOCH)


async def prune(connection: Connection, seen: Mapping[int, str], limit: int, group: int = 0) -> int:
    """Delete events that have served their time, of the oldest so many of each node; return the most that
    these were of one. `seen`: what has become deliveries, by node."""
    await connection.execute(_SQL["prune_interest"], group)
    most = 0
    _, nodes = await find_new(connection, {}, group)
    for node in nodes:
        span = before(node), behind(node)
        most = max(most, await connection.fetchval(_SQL["prune"], group, *span, limit, seen.get(node)))
    return most
