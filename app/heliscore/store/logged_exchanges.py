"""Read a request that was logged, with its bodies, as a webhook sends it."""

from __future__ import annotations

import msgspec

from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("logged_exchange")


class LoggedExchange(msgspec.Struct, frozen=True):
    """A request and its response. Bodies are JSON; None: there is none, or it is too large."""

    request_id: str
    user_id: str | None
    model: str | None
    provider: str | None
    cost_usd: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    latency_ms: int | None
    request_body: str | None
    response_body: str | None
    request_is_too_large: bool
    response_is_too_large: bool


async def find_exchange(
    connection: Connection, organization_id: int, request_no: int, max_body_bytes: int
) -> LoggedExchange | None:
    row = await connection.fetchrow(_SQL["find"], organization_id, request_no, max_body_bytes)
    return None if row is None else LoggedExchange(*row)


async def find_last(connection: Connection, organization_id: int) -> int | None:
    """Return the number of the request that was created last."""
    number: int | None = await connection.fetchval(_SQL["find_last"], organization_id)
    return number
