"""Where scores come from, author and call, as small numbers."""

from __future__ import annotations

from heliscore.domain.author import Author, Origin
from heliscore.store.connections.pool import Connection
from heliscore.store.remembered_ids import RememberedIds
from heliscore.store.statements import load

_SQL = load("score_origin")


class ScoreOrigins(RememberedIds[Origin]):
    """Caches the ids of origins."""

    async def _fetch(
        self, connection: Connection, organization_id: int, keys: list[Origin]
    ) -> list[tuple[Origin, int]]:
        rows = await connection.fetch(_SQL["find"], organization_id, *_columns(keys))
        return [
            (Origin(Author(kind, name, version), call, restored_by), id_)
            for kind, name, version, call, restored_by, id_ in rows
        ]

    async def _add(self, connection: Connection, organization_id: int, keys: list[Origin]) -> None:
        await connection.execute(_SQL["add"], organization_id, *_columns(keys))


def _columns(origins: list[Origin]) -> tuple[list[str], ...]:
    return (
        [origin.author.kind for origin in origins],
        [origin.author.name for origin in origins],
        [origin.author.version for origin in origins],
        [origin.call for origin in origins],
        [origin.restored_by for origin in origins],
    )
