"""Finds what changed from one time to the next: reads the scores of both, and ranks what moved.

All statements see the same snapshot. What comes of them is computed in a thread: with many groups it takes
longer than the event loop may be held up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from heliscore.api.shared.filter_leaves import Leaf, between, equals, scored
from heliscore.domain.changes.change import Change, Changes
from heliscore.domain.changes.onset import find_onset
from heliscore.domain.changes.period_scores import PROMPT, Bucket, ComparedPeriods, GroupKey, TwoPeriods
from heliscore.domain.changes.ranking import find_changes
from heliscore.store import evaluations
from heliscore.store.connections.pool import Database
from heliscore.store.definition_cache import DefinitionCache
from heliscore.store.period_groups import (
    PeriodSelection,
    Rows,
    compare_periods,
    list_buckets,
    make_periods,
)
from heliscore.store.scores import ScoreNames

LEAST: Final = 30
"""Of fewer scores, nothing is said by default."""


class ChangesQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Which changes are asked for."""

    selection: PeriodSelection
    scores: tuple[str, ...] | None = None
    """None: all."""

    confidence: float = 0.95
    least: int = LEAST
    limit: int


class FoundChanges(msgspec.Struct, frozen=True, kw_only=True):
    """The first changes, and how much was looked at."""

    changes: list[Change]
    more: int
    """How many there are behind them."""

    comparisons: int
    too_few: int
    """How many scores of groups had too few values to be compared."""

    values: int
    """How many values the scores have now."""

    groups_left_out: int
    scores_left_out: int
    unknown_scores: list[str]
    falling: frozenset[str]
    """The scores of which lower values are better."""


async def find(
    database: Database, names: ScoreNames, cache: DefinitionCache, question: ChangesQuestion
) -> FoundChanges:
    """Raises Unavailable."""
    selection = question.selection
    definitions = await cache.find(selection.organization_id)
    async with (
        database.connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        scores: Sequence[str]
        if question.scores is None:
            scores, unknown = await evaluations.list_names(connection, selection.organization_id), []
        else:
            known = await names.find(connection, selection.organization_id, question.scores)
            scores, unknown = question.scores, [name for name in question.scores if name not in known]
        rows = await compare_periods(connection, names, selection, scores)
        found, ranked = await asyncio.to_thread(_rank, rows, question, definitions.falling)
        changes = ranked.changes[: question.limit]
        undated = [change for change in changes if change.is_movement and change.since is None]
        if undated:
            wanted = [(change.group, change.score) for change in undated]
            buckets = await list_buckets(connection, names, selection, wanted)
            changes = await asyncio.to_thread(_date, changes, undated, buckets, selection.periods)
    return FoundChanges(
        changes=changes,
        more=len(ranked.changes) - len(changes),
        comparisons=ranked.comparisons,
        too_few=ranked.too_few,
        values=ranked.values,
        groups_left_out=found.groups_left_out,
        scores_left_out=found.scores_left_out,
        unknown_scores=unknown,
        falling=definitions.falling,
    )


def _rank(rows: Rows, question: ChangesQuestion, falling: frozenset[str]) -> tuple[ComparedPeriods, Changes]:
    found = make_periods(rows, question.selection)
    periods = question.selection.periods
    return found, find_changes(found, periods, falling, confidence=question.confidence, least=question.least)


def _date(
    changes: Sequence[Change],
    undated: Sequence[Change],
    buckets: Sequence[Sequence[Bucket]],
    periods: TwoPeriods,
) -> list[Change]:
    onsets = {
        (change.group, change.score): find_onset(of, periods, is_rise=change.direction == "rose")
        for change, of in zip(undated, buckets, strict=True)
    }
    return [
        replace(change, since=onsets.get((change.group, change.score), change.since)) for change in changes
    ]


def leaves_of(change: Change, periods: TwoPeriods) -> list[Leaf]:
    """The conditions of a change's requests: those with the score, of the group, in the time; of a score that
    vanished, in the time before."""
    is_before = change.direction == "vanished"
    start, end = (periods.before_start, periods.before_end) if is_before else (periods.start, periods.end)
    return [scored(change.score), between(start, end), *_group_leaves(change.group)]


def base_leaves_of(change: Change, periods: TwoPeriods) -> tuple[list[Leaf], Leaf | None]:
    """The conditions of the requests that a change is compared with, and one that they do not meet."""
    group = change.group
    leaves = [scored(change.score), between(periods.before_start, periods.before_end)]
    if change.base == "before":
        return [*leaves, *_group_leaves(group)], None
    if group.is_within:
        leaves.append(equals(PROMPT, group.within))
    return leaves, None if group.by is None else equals(group.by, group.value)


def _group_leaves(group: GroupKey) -> list[Leaf]:
    leaves = [] if group.by is None else [equals(group.by, group.value)]
    return [*leaves, equals(PROMPT, group.within)] if group.is_within else leaves
