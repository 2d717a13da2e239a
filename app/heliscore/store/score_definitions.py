"""Definitions of scores: list, find, set and remove them, and check stored values against one."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from heliscore.domain.audit import COMMAND, Actor
from heliscore.domain.score import Score
from heliscore.domain.score_definition import BreachKind, ScoreDefinition
from heliscore.observability.event_loop import Turn
from heliscore.store import audit_entries
from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL: Final = load("score_definition")

MAX_DEFINITIONS: Final = 1_000
"""Of an organization."""

_COLUMNS: Final = len(ScoreDefinition.__struct_fields__)

_labels: Final = msgspec.json.Decoder(dict[int, str])


class Version(msgspec.Struct, frozen=True):
    """Tells the definitions of an organization from those that it had before or has later."""

    count: int
    newest: int


class BrokenScore(msgspec.Struct, frozen=True):
    """A stored score that breaks a definition."""

    request_id: str
    score: Score
    kind: BreachKind


async def list_definitions(connection: Connection, organization_id: int) -> list[ScoreDefinition]:
    """Return all definitions of the organization, by name."""
    definitions, _ = await list_versioned(connection, organization_id)
    return definitions


async def list_versioned(
    connection: Connection, organization_id: int
) -> tuple[list[ScoreDefinition], Version]:
    """Return the same with their version."""
    rows = await connection.fetch(_SQL["list"], organization_id)
    newest = max((row[_COLUMNS] for row in rows), default=0)
    definitions, turn = [], Turn()
    for row in rows:
        definitions.append(_read(tuple(row)))
        await turn.give_way()  # a thousand with a hundred labels each take a tenth of a second
    return definitions, Version(len(rows), newest)


async def find_version(connection: Connection, organization_id: int) -> Version:
    """Return the version of the organization's definitions, which costs less than to list them."""
    return Version(*(await connection.fetch(_SQL["find_version"], organization_id))[0])


async def find_definition(connection: Connection, organization_id: int, name: str) -> ScoreDefinition | None:
    row = await connection.fetchrow(_SQL["find"], organization_id, name)
    return None if row is None else _read(tuple(row))


def _read(row: tuple[Any, ...]) -> ScoreDefinition:
    read = dict(zip(ScoreDefinition.__struct_fields__, row, strict=False))
    # By value: jsonb sorts the keys as strings.
    read["labels"] = dict(sorted(_labels.decode(read["labels"]).items()))
    return ScoreDefinition(**read)


async def set_definition(
    connection: Connection, organization_id: int, definition: ScoreDefinition, by: Actor = COMMAND
) -> bool:
    """Add or replace a definition; False when the organization has as many as it may have."""
    async with connection.transaction():
        await connection.execute(_SQL["lock"], organization_id)
        others = await connection.fetchval(_SQL["count_others"], organization_id, definition.name)
        if others >= MAX_DEFINITIONS:
            return False
        await connection.execute(
            _SQL["set"],
            organization_id,
            definition.name,
            definition.type,
            definition.min,
            definition.max,
            definition.direction,
            definition.unit,
            definition.description,
            msgspec.json.encode(definition.labels).decode(),
            definition.enforce,
            definition.precedence,
            definition.scale,
        )
        subject = {"score": definition.name}
        await audit_entries.note(connection, organization_id, by, "definition.set", subject)
    return True


async def remove_definition(
    connection: Connection, organization_id: int, name: str, by: Actor = COMMAND
) -> bool:
    """Remove a definition, no score; False when there was none."""
    async with connection.transaction():
        await connection.execute(_SQL["lock"], organization_id)
        if await connection.fetchval(_SQL["remove"], organization_id, name) is None:
            return False
        await audit_entries.note(connection, organization_id, by, "definition.removed", {"score": name})
    return True


async def count_breaches(
    connection: Connection, organization_id: int, name_id: int, definition: ScoreDefinition
) -> dict[BreachKind | None, int]:
    """Count the stored values of a name by how they break a definition; None: those that do not."""
    arguments = (organization_id, name_id, *_rule(definition))
    return dict(map(tuple, await connection.fetch(_SQL["count_breaches"], *arguments)))


async def find_worst(
    connection: Connection, organization_id: int, name_id: int, definition: ScoreDefinition, limit: int
) -> list[BrokenScore]:
    """Return the stored values that are farthest outside of a definition's bounds, then the newest others
    that break it."""
    arguments = (organization_id, name_id, *_rule(definition), limit)
    return [
        BrokenScore(request_id, Score(value, is_boolean), kind)
        for request_id, value, is_boolean, kind in await connection.fetch(_SQL["find_worst"], *arguments)
    ]


def _rule(definition: ScoreDefinition) -> tuple[bool, list[int] | None, int | None, int | None]:
    if definition.type == "category":
        return False, list(definition.labels), None, None
    return definition.type == "boolean", None, definition.min, definition.max
