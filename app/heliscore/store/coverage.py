"""Which scores requests have and lack, by group and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime

import asyncpg
import msgspec

from heliscore.domain.filter_tree import Cases, Column, Property
from heliscore.store.connections.hash_joins import joined_by_hash
from heliscore.store.connections.pool import Connection
from heliscore.store.evaluations import BucketUnit
from heliscore.store.score_scan import ScoreSelection
from heliscore.store.scores import ScoreNames
from heliscore.store.search.slots import Compiled
from heliscore.store.statements import load
from heliscore.store.whole_reads import choose_read

_SQL = load("coverage")


class Buckets(msgspec.Struct, frozen=True):
    """How time is divided; None for the unit: it is not."""

    unit: BucketUnit | None = None
    minutes_behind_utc: int = 0


class Covered(msgspec.Struct, frozen=True):
    """The requests of one group in one bucket of time, at least one."""

    group: str | None
    begins_at: datetime | None
    ends_at: datetime | None
    """At most the end of the time that was asked for."""

    count: int
    scored: dict[str, int]
    """How many of them have which of the scores; 0 is left out."""


class Coverage(msgspec.Struct, frozen=True):
    """The groups with the most requests, each in order of time."""

    groups: int
    """How many there are, those that are left out included."""

    rows: list[Covered]
    unknown: list[str]
    """The names that the organization has no score of."""


_Counts = dict[tuple[str | None, datetime | None], dict[str, int]]
"""By group and bucket: how many requests have which score."""


async def count_scored(
    connection: Connection,
    names: ScoreNames,
    selection: ScoreSelection,
    scores: Sequence[str],
    group_by: Column | Property | Cases | None = None,
    buckets: Buckets = Buckets(),  # noqa: B008
    *,
    limit: int,
    max_rows: int,
) -> Coverage:
    """Count the requests of the selection, and those of them that have the named scores, in one snapshot.

    Returns at most `limit` groups, and at most `max_rows` rows.
    """
    known = await names.find(connection, selection.organization_id, scores)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        rows: list[asyncpg.Record] = []
        if read := await choose_read(connection, names, selection):
            compiled = read.compile(7, group_by=group_by)
            fixed = (*_fixed(selection, buckets), selection.end, limit, max_rows)
            rows = await _run(connection, "requests", compiled, fixed, by_hash=read.by_hash)
        groups = rows[0][0] if rows else 0
        shown = None if len({row[1] for row in rows}) == groups else {row[1] for row in rows}
        counts = {}
        if rows and known:
            counts = await _count(connection, names, selection, known, group_by, buckets, shown)
    return Coverage(
        groups,
        [
            Covered(group, begins_at, ends_at, count, counts.get((group, begins_at), {}))
            for _, group, begins_at, ends_at, count in rows
        ],
        [name for name in scores if name not in known],
    )


async def _count(
    connection: Connection,
    names: ScoreNames,
    selection: ScoreSelection,
    known: Mapping[str, int],
    group_by: Column | Property | Cases | None,
    buckets: Buckets,
    shown: set[str | None] | None,
) -> _Counts:
    """Count the scores of those groups; None: of all."""
    read = await choose_read(connection, names, selection, known)
    if read is None:
        return {}
    compiled = read.compile_scores(6, list(known), group_by)
    groups = None if shown is None else [group for group in shown if group is not None]
    fixed = (*_fixed(selection, buckets), groups, shown is not None and None in shown)
    names_by_id = {name_id: name for name, name_id in known.items()}
    counts: _Counts = {}
    for group, begins_at, name_id, count in await _run(
        connection, "scores", compiled, fixed, by_hash=read.by_hash
    ):
        counts.setdefault((group, begins_at), {})[names_by_id[name_id]] = count
    return counts


def _fixed(selection: ScoreSelection, buckets: Buckets) -> tuple[object, ...]:
    return selection.organization_id, buckets.unit, buckets.minutes_behind_utc


async def _run(
    connection: Connection, statement: str, compiled: Compiled, fixed: tuple[object, ...], *, by_hash: bool
) -> list[asyncpg.Record]:
    async with AsyncExitStack() as stack:
        if by_hash:
            await stack.enter_async_context(joined_by_hash(connection))
        return await connection.fetch(compiled.fill(_SQL[statement]), *fixed, *compiled.arguments)
