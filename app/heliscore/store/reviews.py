"""Scores as a reviewer sees and gives them: what one request has, and what names are used for."""

from __future__ import annotations

from heliscore.domain.score import Score
from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("review")


async def find_scores(connection: Connection, organization_id: int, request_id: str) -> dict[str, Score]:
    """The scores of one request as they are stored, by name; none where there is no such request."""
    rows = await connection.fetch(_SQL["scores"], organization_id, request_id)
    return {name: Score(value, is_boolean) for name, value, is_boolean in rows}


async def list_kinds(connection: Connection, organization_id: int, limit: int) -> dict[str, bool]:
    """The first score names of the organization, sorted, and whether each was last sent as a boolean."""
    return dict(map(tuple, await connection.fetch(_SQL["kinds"], organization_id, limit)))
