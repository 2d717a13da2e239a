"""Properties of requests: a client's own keys and values, to filter and group by."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from heliscore.store.connections.pool import Connection
from heliscore.store.like_patterns import escape_like
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
    arguments = (organization_id, request_id, encoded, at, accept_unknown)
    return await connection.fetchval(_SQL["set_properties"], *arguments) is not None


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
