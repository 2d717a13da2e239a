"""Properties of requests: a client's own keys and values, to filter and group by."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime

import msgspec

from heliscore.domain.times import now
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.like_patterns import escape_like
from heliscore.store.request_steps import BATCH, lock_requests, rest
from heliscore.store.statements import load

_SQL = load("property")


async def set_properties(
    connection: Connection,
    organization_id: int,
    request_id: str,
    properties: Mapping[str, str],
    at: datetime,
    *,
    accept_unknown: bool,
) -> bool:
    """Set some properties and keep the others. False when the request does not exist and `accept_unknown` is
    false."""
    encoded = msgspec.json.encode(properties).decode()
    arguments = (organization_id, request_id, encoded, at)
    if accept_unknown:
        return await connection.fetchval(_SQL["set_properties"], *arguments) is not None
    return await connection.fetchval(_SQL["set_of_known"], *arguments) is not None


async def set_property_of(
    connection: Connection, organization_id: int, numbers: list[int], key: str, value: str, at: datetime
) -> int:
    """Set one property of the requests of these numbers, and return how many of them there still are. Raises
    Unavailable where one of them is locked for long."""
    encoded = msgspec.json.encode({key: value}).decode()
    async with connection.transaction():
        await lock_requests(connection, organization_id, numbers)
        done = await connection.fetch(_SQL["set_of_requests"], organization_id, numbers, encoded, at)
    return len(done)


async def set_property_in_steps(
    database: Database, organization_id: int, numbers: list[int], key: str, value: str
) -> AsyncGenerator[tuple[int, int], None]:
    """The same of many requests, some hundred at a time; yields how many of these there still were, and the
    number of the last."""
    for start in range(0, len(numbers), BATCH):
        begun, batch = time.monotonic(), numbers[start : start + BATCH]
        async with database.connection() as connection:
            done = await set_property_of(connection, organization_id, batch, key, value, now())
        yield done, batch[-1]
        await rest(begun)


async def remove_property(
    connection: Connection, organization_id: int, request_id: str, key: str, at: datetime
) -> bool:
    """Remove one property; False when there was none."""
    arguments = (organization_id, request_id, key, at)
    return await connection.fetchval(_SQL["remove_property"], *arguments) is not None


async def list_property_keys(connection: Connection, organization_id: int) -> list[str]:
    """Return every property key that a request of the organization has, sorted."""
    return [key for (key,) in await connection.fetch(_SQL["keys"], organization_id)]


async def search_property_values(
    connection: Connection, organization_id: int, key: str, part: str
) -> list[str]:
    """Return up to 25 values of a property that contain a string, whatever its case, sorted."""
    pattern = f"%{escape_like(part)}%"
    rows = await connection.fetch(_SQL["search_values"], organization_id, key, pattern)
    return [value for (value,) in rows]
