"""The history of scores: find the changes of a request's scores, and set scores back to what they were."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter

import msgspec

from heliscore.domain.author import Author, Origin
from heliscore.domain.score import Score
from heliscore.domain.score_changes import Change, without_repetitions
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreIds
from heliscore.store.statements import load

_SQL = load("score_history")


ChangeKey = tuple[int, int, datetime]
"""What identifies a change: the number of its request, the id of its name and its time."""


class PutBack(msgspec.Struct, frozen=True):
    """A score that is to be what it was, or not to be."""

    request_no: int
    name: str
    score: Score | None
    origin: Origin
    comment: str | None = None


async def find_changes(
    connection: Connection, organization_id: int, request_id: str, name: str | None = None
) -> dict[str, list[Change]] | None:
    """Return the changes of a request's scores, or of one of them, by name, the oldest first; None where
    there is no such request."""
    rows = await connection.fetch(_SQL["find"], organization_id, request_id, name)
    if not rows and not await connection.fetchval(_SQL["exists"], organization_id, request_id):
        return None
    return {
        name: without_repetitions(make_change(*row[1:]) for row in group)
        for name, group in groupby(rows, itemgetter(0))
    }


async def find_details(
    connection: Connection, organization_id: int, request_ids: Sequence[str]
) -> dict[str, bytes]:
    """Return the scores of requests with author, time and comment, by the id of the request: JSON, name to
    `{"value", "author", "at", "comment", "changed"}`. Requests without a score are left out."""
    rows = await connection.fetch(_SQL["details"], organization_id, request_ids)
    return {request_id: details for request_id, details in rows if details is not None}


def make_change(
    value: int | None,
    is_boolean: bool,
    at: datetime,
    taken_back_at: datetime | None,
    is_aside: bool,
    kind: str | None,
    author: str,
    version: str,
    call: str,
    restored_by: str,
    comment: str | None = None,
) -> Change:
    """Make a change of the columns of `find`, but the name."""
    score = None if value is None else Score(value, is_boolean)
    origin = None if kind is None else Origin(Author(kind, author, version), call, restored_by)  # type: ignore[arg-type]
    return Change(at, score, origin, comment, taken_back_at, is_aside)


async def lock_request(
    connection: Connection, organization_id: int, request_id: str, at: datetime
) -> int | None:
    """Lock a request's scores until the transaction ends, and return its number; None where there is none."""
    number: int | None = await connection.fetchval(_SQL["lock"], organization_id, request_id, at)
    return number


async def put_back(
    connection: Connection, ids: ScoreIds, organization_id: int, scores: Sequence[PutBack], at: datetime
) -> None:
    """Set scores to values that they had, or remove them. Their requests must be locked, and their names and
    origins have ids."""
    names = await ids.names.find(connection, organization_id, {put.name for put in scores})
    origins = await ids.origins.find(connection, organization_id, {put.origin for put in scores})
    await connection.execute(
        _SQL["put_back"],
        organization_id,
        [put.request_no for put in scores],
        [names[put.name] for put in scores],
        [None if put.score is None else put.score.value for put in scores],
        [put.score is not None and put.score.is_boolean for put in scores],
        [origins[put.origin] for put in scores],
        [put.comment for put in scores],
        at,
    )


async def take_back(
    connection: Connection, organization_id: int, changes: Sequence[ChangeKey], at: datetime
) -> None:
    """Mark past changes as taken back, which ends them as opinions."""
    await connection.execute(_SQL["take_back"], organization_id, *columns_of(changes), at)


def columns_of(changes: Sequence[ChangeKey]) -> tuple[list[object], ...]:
    """Numbers of requests, ids of names and times."""
    return tuple([change[place] for change in changes] for place in range(3))
