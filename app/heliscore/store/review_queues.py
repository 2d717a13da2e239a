"""Review queues: add, change, list and remove them, with how far they are, who works on them, and links."""

from __future__ import annotations

import asyncpg

from heliscore.domain.audit import Actor
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.review_queue import MAX_QUEUES, QueueTerms, Reviewer, ReviewerLink, ReviewQueue
from heliscore.store import keys
from heliscore.store.connections.pool import Connection
from heliscore.store.statements import load

_SQL = load("review_queue")


async def list_queues(connection: Connection, organization_id: int) -> list[ReviewQueue]:
    """Return the organization's queues, by name."""
    return [_read(row) for row in await connection.fetch(_SQL["list"], organization_id, None)]


async def list_open(connection: Connection, organization_id: int) -> list[tuple[str, str]]:
    """Return the ids and names of the queues that are not closed, by name."""
    return [(id_, name) for id_, name in await connection.fetch(_SQL["list_open"], organization_id)]


async def find_queue(connection: Connection, organization_id: int, id_: str) -> ReviewQueue | None:
    row = await connection.fetchrow(_SQL["list"], organization_id, id_)
    return None if row is None else _read(row)


def _read(row: asyncpg.Record) -> ReviewQueue:
    return ReviewQueue(**{**dict(row), "scores": tuple(row["scores"])})


async def add_queue(connection: Connection, organization_id: int, terms: QueueTerms) -> str:
    """Add a queue without items and return its id. Raises InvalidInput for a name that is taken, and where
    there are too many."""
    async with connection.transaction():
        await connection.execute(_SQL["lock"], organization_id)
        if await connection.fetchval(_SQL["count"], organization_id) >= MAX_QUEUES:
            raise InvalidInput([FieldError("", f"there may be at most {MAX_QUEUES} queues")])
        id_: str | None = await connection.fetchval(
            _SQL["add"],
            organization_id,
            terms.name,
            terms.instructions,
            list(terms.scores),
            terms.reviewers_per_item,
            terms.is_blind,
            terms.reservation_minutes,
        )
        if id_ is None:
            raise _taken()
        return id_


def _taken() -> InvalidInput:
    return InvalidInput([FieldError("name", "there is a queue of that name")])


async def change_queue(
    connection: Connection,
    organization_id: int,
    id_: str,
    *,
    name: str | None = None,
    instructions: str | None = None,
    reservation_minutes: int | None = None,
    is_closed: bool | None = None,
) -> bool:
    """Change what is given; False when there is none of that id. Raises InvalidInput for a name that is
    taken."""
    values = name, instructions, reservation_minutes, is_closed
    try:
        return await connection.fetchval(_SQL["change"], organization_id, id_, *values) is not None
    except asyncpg.UniqueViolationError:  # only a name can be: what is changed has its id
        raise _taken() from None


async def remove_queue(connection: Connection, organization_id: int, id_: str, by: Actor) -> bool:
    """Remove a queue with its items, not with the scores that were given, and revoke its links; False when
    there was none."""
    async with connection.transaction():
        await keys.revoke_of_queue(connection, organization_id, id_, by)
        return await connection.fetchval(_SQL["remove"], organization_id, id_) is not None


async def list_reviewers(connection: Connection, organization_id: int, id_: str) -> list[Reviewer]:
    """Return who has worked on a queue, those who did most first."""
    return [Reviewer(*row) for row in await connection.fetch(_SQL["reviewers"], organization_id, id_)]


async def list_links(connection: Connection, organization_id: int, id_: str) -> list[ReviewerLink]:
    """Return the usable keys that review a queue, the oldest first."""
    return [ReviewerLink(*row) for row in await connection.fetch(_SQL["links"], organization_id, id_)]
