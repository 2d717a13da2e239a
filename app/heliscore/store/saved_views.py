"""Saved views of requests: list, add, rename and remove them."""

from __future__ import annotations

from typing import Final

import asyncpg
import msgspec

from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.saved_view import MAX_VIEWS, SavedView, Search
from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL: Final = load("saved_view")

_read_search: Final = msgspec.json.Decoder(Search)


def _read(row: asyncpg.Record) -> SavedView:
    id_, name, search = row
    return SavedView(id_, name, _read_search.decode(search))


async def list_views(connection: Connection, organization_id: int) -> list[SavedView]:
    """Return the views of an organization, by name, whatever its case."""
    return [_read(row) for row in await connection.fetch(_SQL["list"], organization_id)]


async def add_view(connection: Connection, organization_id: int, name: str, search: Search) -> SavedView:
    """Add a view. Raises InvalidInput for a name that is taken, and where there are too many."""
    async with connection.transaction():
        await connection.execute(_SQL["lock"], organization_id)
        if await connection.fetchval(_SQL["count"], organization_id) >= MAX_VIEWS:
            raise InvalidInput([FieldError("", f"there may be at most {MAX_VIEWS} views")])
        encoded = msgspec.json.encode(search).decode()
        try:
            [row] = await connection.fetch(_SQL["add"], organization_id, name, encoded)
        except asyncpg.UniqueViolationError as error:
            raise _explain(error) from None
    return _read(row)


async def rename_view(connection: Connection, organization_id: int, id_: str, name: str) -> SavedView | None:
    """Give a view another name; None where there is no such view. Raises InvalidInput for a name that is
    taken."""
    try:
        row = await connection.fetchrow(_SQL["rename"], organization_id, id_, name)
    except asyncpg.UniqueViolationError as error:
        raise _explain(error) from None
    return None if row is None else _read(row)


async def remove_view(connection: Connection, organization_id: int, id_: str) -> bool:
    """Remove a view; False where there is none."""
    return await connection.fetchval(_SQL["remove"], organization_id, id_) is not None


def _explain(error: asyncpg.UniqueViolationError) -> Exception:
    if error.constraint_name != "saved_view_name_key":
        return error
    return InvalidInput([FieldError("name", "there is a view of that name")])
