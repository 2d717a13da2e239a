"""Run a statement of sql/queries/evaluation.sql about many scores.

Where there are many, tables are joined by hash (connections/hash_joins.py), else requests are looked up one
by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from heliscore.domain.filter_tree import Column, Filter, Property, Score, ScorePart, score_names
from heliscore.domain.rater import Rater
from heliscore.store.connections.hash_joins import grouped_by_hash
from heliscore.store.connections.pool import Connection
from heliscore.store.counted_scores import find_counted
from heliscore.store.scores import ScoreNames
from heliscore.store.search.author_groups import JOINED, OWN
from heliscore.store.search.score_columns import NO_COLUMNS, ScoreColumns
from heliscore.store.search.score_compiler import (
    compile_conditions,
    compile_lookups,
    compile_opinions,
    compile_raters,
)
from heliscore.store.search.selectivity import ALL, choose_start
from heliscore.store.search.slots import Compiled
from heliscore.store.statements import load

_SQL = load("evaluation")

_MAX_LOOKUPS: Final = 10_000
"""Of fewer scores, the requests are looked up one by one; else all requests of the time are read."""


class ScoreSelection(msgspec.Struct, frozen=True):
    """The scores of requests that match, from `start` up to and without `end`."""

    organization_id: int
    tree: Filter
    start: datetime
    end: datetime


async def scan(
    connection: Connection,
    names: ScoreNames,
    statement: str,
    range_: ScoreSelection,
    *arguments: object,
    scores: list[int] | None = None,
    columns: ScoreColumns = NO_COLUMNS,
) -> list[asyncpg.Record]:
    """Run a statement about the scores of those name ids; None, of all."""
    fixed = (
        range_.organization_id,
        range_.start,
        range_.end,
        *(() if scores is None else (scores,)),
        *arguments,
    )
    counted = await find_counted(connection, statement, range_.tree, columns, fixed, scores)
    if counted is not None:
        return await connection.fetch(counted.sql, *fixed, *counted.arguments)
    start = await choose_start(connection, names, range_.organization_id, range_.tree, ALL)
    if start is None:
        return []
    group_by, beside = columns.group_by, columns.covariate
    wanted = [subject.name for subject in (group_by, beside) if isinstance(subject, ScorePart | Score)]
    name_ids = {**start.name_ids, **await names.find(connection, range_.organization_id, wanted)}
    group_of = OWN
    if isinstance(group_by, ScorePart) and scores != [name_ids.get(group_by.name)]:
        group_of = JOINED
    compiled = compile_conditions(range_.tree, name_ids, len(fixed) + 1, columns, group_of)
    by_hash = compiled.slots.request != "" or group_of is not OWN or beside is not None
    if by_hash and (start.scores or await _is_small(connection, range_, scores)):
        compiled = compile_lookups(range_.tree, name_ids, len(fixed) + 1, columns, start.scores)
        by_hash = False
    return await _run(connection, statement, compiled, fixed, by_hash=by_hash)


async def scan_opinions(
    connection: Connection,
    names: ScoreNames,
    statement: str,
    range_: ScoreSelection,
    group_by: ScorePart,
    *arguments: object,
) -> list[asyncpg.Record]:
    """Run a statement about the opinions on one score, the newest value of each author."""
    organization_id, wanted = range_.organization_id, {group_by.name, *score_names(range_.tree)}
    name_ids = await names.find(connection, organization_id, wanted)
    if group_by.name not in name_ids:
        return []
    fixed = (organization_id, range_.start, range_.end, [name_ids[group_by.name]], *arguments)
    by_hash = not await _is_of_few_requests(connection, range_)
    compiled = compile_opinions(range_.tree, name_ids, len(fixed) + 1, group_by, by_hash=by_hash)
    return await _run(connection, statement, compiled, fixed, by_hash=by_hash)


async def scan_raters(
    connection: Connection,
    names: ScoreNames,
    statement: str,
    range_: ScoreSelection,
    raters: Sequence[Rater],
    unit: Column | Property | None,
    *arguments: object,
) -> list[asyncpg.Record]:
    """Run a statement about ratings, of raters that are authors."""
    wanted = {rater.name for rater in raters} | score_names(range_.tree)
    name_ids = await names.find(connection, range_.organization_id, wanted)
    rated = [name_ids[rater.name] for rater in raters if rater.name in name_ids]
    if not rated:
        return []
    fixed = (range_.organization_id, range_.start, range_.end, rated, *arguments)
    by_hash = not await _is_of_few_requests(connection, range_)
    compiled = compile_raters(range_.tree, name_ids, len(fixed) + 1, raters, unit, by_hash=by_hash)
    return await _run(connection, statement, compiled, fixed, by_hash=by_hash)


async def _run(
    connection: Connection, statement: str, compiled: Compiled, fixed: tuple[object, ...], *, by_hash: bool
) -> list[asyncpg.Record]:
    async with AsyncExitStack() as stack:
        if by_hash:
            await stack.enter_async_context(grouped_by_hash(connection))
        return await connection.fetch(compiled.fill(_SQL[statement]), *fixed, *compiled.arguments)


async def _is_of_few_requests(connection: Connection, range_: ScoreSelection) -> bool:
    """Whether the requests of that time are so few that their history is looked up one by one."""
    limits = range_.organization_id, range_.start, range_.end, _MAX_LOOKUPS
    return bool(await connection.fetchval(_SQL["requests"], *limits) < _MAX_LOOKUPS)


async def _is_small(connection: Connection, range_: ScoreSelection, scores: list[int] | None) -> bool:
    """Whether the scores are so few that their requests are looked up one by one."""
    limits = range_.organization_id, range_.start, range_.end, scores, _MAX_LOOKUPS
    return bool(await connection.fetchval(_SQL["size"], *limits) < _MAX_LOOKUPS)
