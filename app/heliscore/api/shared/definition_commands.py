"""Sets and removes definitions of scores, and checks stored values: for the API and the dashboard."""

from __future__ import annotations

from typing import Final

import msgspec

from heliscore.api.http.endpoints import ApiCall
from heliscore.domain.errors import FieldError, InvalidInput, NotFound
from heliscore.domain.score_definition import BreachKind, ScoreDefinition
from heliscore.store import score_definitions as store

MAX_WORST: Final = 10


class StoredBreaches(msgspec.Struct, frozen=True):
    """How many of a name's stored values break a definition, how, and the worst of them."""

    counts: dict[BreachKind | None, int]
    """None: the values that do not."""

    worst: list[store.BrokenScore]

    @property
    def checked(self) -> int:
        return sum(self.counts.values())

    @property
    def broken(self) -> int:
        return self.checked - self.counts.get(None, 0)


async def find_definition(call: ApiCall, name: str) -> ScoreDefinition:
    """Raises NotFound."""
    async with call.services.database.connection() as connection:
        definition = await store.find_definition(connection, call.principal.organization_id, name)
    if definition is None:
        raise missing(name)
    return definition


async def set_definition(call: ApiCall, definition: ScoreDefinition) -> None:
    """Add or replace a definition. Raises InvalidInput where there are too many."""
    organization_id = call.principal.organization_id
    try:
        async with call.services.database.connection() as connection:
            is_set = await store.set_definition(connection, organization_id, definition, call.by)
    finally:  # also where nobody knows whether it was committed
        call.services.definitions.forget(organization_id)
    if not is_set:
        raise InvalidInput([FieldError("", f"there may be at most {store.MAX_DEFINITIONS} definitions")])


async def remove_definition(call: ApiCall, name: str) -> None:
    """Raises NotFound."""
    organization_id = call.principal.organization_id
    try:
        async with call.services.database.connection() as connection:
            is_removed = await store.remove_definition(connection, organization_id, name, call.by)
    finally:
        call.services.definitions.forget(organization_id)
    if not is_removed:
        raise missing(name)


async def check_stored(call: ApiCall, definition: ScoreDefinition) -> StoredBreaches:
    """Check all stored values of the definition's name. Raises Unavailable where that takes too long."""
    organization_id, name = call.principal.organization_id, definition.name
    async with call.services.database.connection() as connection:
        ids = await call.services.ids.names.find(connection, organization_id, [name])
        if name not in ids:
            return StoredBreaches({}, [])
        arguments = (connection, organization_id, ids[name], definition)
        counts = await store.count_breaches(*arguments)
        is_broken = bool(counts.keys() - {None})
        return StoredBreaches(counts, await store.find_worst(*arguments, MAX_WORST) if is_broken else [])


def missing(name: str) -> NotFound:
    return NotFound(f"score {name} has no definition")
