"""Samples of requests: at random, by group, or those that a look teaches most."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AsyncExitStack
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

import asyncpg
import msgspec

from heliscore.domain.allocation import allocate_equally, allocate_in_proportion
from heliscore.domain.filter_tree import AllOf, Column, Exists, Property, Score
from heliscore.store.connections.hash_joins import joined_by_hash
from heliscore.store.connections.pool import Connection
from heliscore.store.score_scan import ScoreSelection
from heliscore.store.scores import ScoreNames
from heliscore.store.search import request_search
from heliscore.store.search.slots import Compiled
from heliscore.store.statements import load
from heliscore.store.whole_reads import choose_read, in_time

_SQL = load("sample")

Allocation = Literal["equal", "proportional"]


class Sampled(msgspec.Struct, frozen=True):
    """One request of a sample."""

    request_no: int
    request_id: str
    created_at: datetime
    group: str | None = None
    of: int = 0
    """The number of requests in its group that qualify; 0 where there are no groups."""

    mean: float = 0
    """Of the score in its group, where the sample is by that."""

    scores: dict[str, int] = {}
    """The values of the scores that the sample is by."""


class Sample(msgspec.Struct, frozen=True):
    """Requests in the order of the sample."""

    matching: int
    """How many qualify."""

    requests: list[Sampled]


_NOTHING: Final = Sample(0, [])


class Draw(msgspec.Struct, frozen=True):
    """Of which requests how many are sampled, and the seed of the order among equals."""

    selection: ScoreSelection
    seed: int
    size: int

    @property
    def fixed(self) -> tuple[object, ...]:
        """The first parameters of most statements."""
        return self.selection.organization_id, self.seed, self.size


async def sample_at_random(connection: Connection, names: ScoreNames, draw: Draw) -> Sample:
    """Sample any requests, each with the same chance."""
    async with _snapshot(connection):
        read = await choose_read(connection, names, draw.selection)
        if read is None:
            return _NOTHING
        matching = await _count(connection, names, draw.selection)
        rows = await _run(connection, "random", read.compile(4), draw.fixed, by_hash=read.by_hash)
    return Sample(matching, [Sampled(*row) for row in rows])


async def sample_strata(
    connection: Connection,
    names: ScoreNames,
    draw: Draw,
    group_by: Column | Property,
    allocation: Allocation,
) -> Sample:
    """Sample requests of each group, at random within it. The largest groups come first."""
    organization_id = draw.selection.organization_id
    async with _snapshot(connection):
        read = await choose_read(connection, names, draw.selection)
        if read is None:
            return _NOTHING
        compiled = read.compile(3, group_by=group_by)
        fixed: tuple[object, ...] = (organization_id, draw.size)
        strata = await _run(connection, "strata", compiled, fixed, by_hash=read.by_hash)
        if not strata:
            return _NOTHING
        sizes, matching = [size for _, size, _ in strata], strata[0][2]
        if allocation == "equal":
            shares = allocate_equally(sizes, draw.size)
        else:
            shares = allocate_in_proportion(sizes, draw.size, matching)
        fixed = (organization_id, draw.seed, max(shares), [group for group, _, _ in strata], shares)
        compiled = read.compile(6, group_by=group_by)
        rows = await _run(connection, "stratified", compiled, fixed, by_hash=read.by_hash)
    requests = [
        Sampled(number, id_, created_at, group, sizes[stratum - 1])
        for number, id_, created_at, group, stratum in rows
    ]
    return Sample(matching, requests)


async def sample_nearest(
    connection: Connection, names: ScoreNames, draw: Draw, score: str, threshold: int | float
) -> Sample:
    """Sample the requests whose score is nearest to a threshold."""
    draw = _scored(draw, score)
    async with _snapshot(connection):
        read = await choose_read(connection, names, draw.selection)
        if read is None:
            return _NOTHING
        matching = await _count(connection, names, draw.selection)
        compiled = read.compile(5, value=Score(score))
        fixed = (*draw.fixed, Decimal(repr(threshold)))
        rows = await _run(connection, "nearest", compiled, fixed, by_hash=read.by_hash)
        requests = [Sampled(*row) for row in rows]
        return Sample(matching, await _with_scores(connection, names, draw, requests, [score]))


async def sample_disagreements(
    connection: Connection, names: ScoreNames, draw: Draw, scores: Collection[str]
) -> Sample:
    """Sample the requests with at least two of the scores whose values are furthest apart."""
    known = await names.find(connection, draw.selection.organization_id, scores)
    async with _snapshot(connection):
        read = await choose_read(connection, names, draw.selection, known)
        if read is None or len(known) < 2:
            return _NOTHING
        compiled = read.compile(4, scores=list(known))
        rows = await _run(connection, "spread", compiled, draw.fixed, by_hash=read.by_hash)
        requests = [Sampled(*row) for *row, _ in rows]
        matching = rows[0]["matching"] if rows else 0
        return Sample(matching, await _with_scores(connection, names, draw, requests, known))


async def sample_leverage(
    connection: Connection,
    names: ScoreNames,
    draw: Draw,
    score: str,
    group_by: Column | Property | None = None,
) -> Sample:
    """Sample the requests whose score is of most weight in the mean of its group: |value - mean| / n."""
    draw = _scored(draw, score)
    async with _snapshot(connection):
        read = await choose_read(connection, names, draw.selection)
        if read is None:
            return _NOTHING
        matching = await _count(connection, names, draw.selection)
        compiled = read.compile(4, group_by=group_by, value=Score(score))
        rows = await _run(connection, "leverage", compiled, draw.fixed, by_hash=read.by_hash)
        requests = [Sampled(*row) for row in rows]
        return Sample(matching, await _with_scores(connection, names, draw, requests, [score]))


def _scored(draw: Draw, score: str) -> Draw:
    """Of the requests with that score: it is the filter's first, and so a leading one."""
    selection = draw.selection
    tree = AllOf((Exists(Score(score)), selection.tree))
    return msgspec.structs.replace(draw, selection=msgspec.structs.replace(selection, tree=tree))


def _snapshot(connection: Connection) -> asyncpg.transaction.Transaction:
    """One for all statements of a sample: else a request that is gone by the second one would be missing."""
    return connection.transaction(isolation="repeatable_read", readonly=True)


async def _count(connection: Connection, names: ScoreNames, selection: ScoreSelection) -> int:
    return await request_search.count(connection, names, selection.organization_id, in_time(selection))


async def _with_scores(
    connection: Connection, names: ScoreNames, draw: Draw, requests: list[Sampled], scores: Collection[str]
) -> list[Sampled]:
    organization_id = draw.selection.organization_id
    known = {id_: name for name, id_ in (await names.find(connection, organization_id, scores)).items()}
    numbers = [request.request_no for request in requests]
    found: dict[int, dict[str, int]] = {}
    rows = await connection.fetch(_SQL["scores"], organization_id, numbers, list(known))
    for request_no, name_id, value in rows:
        found.setdefault(request_no, {})[known[name_id]] = value
    return [
        msgspec.structs.replace(request, scores=found.get(request.request_no, {})) for request in requests
    ]


async def _run(
    connection: Connection, statement: str, compiled: Compiled, fixed: tuple[object, ...], *, by_hash: bool
) -> list[asyncpg.Record]:
    async with AsyncExitStack() as stack:
        if by_hash:
            await stack.enter_async_context(joined_by_hash(connection))
        return await connection.fetch(compiled.fill(_SQL[statement]), *fixed, *compiled.arguments)
