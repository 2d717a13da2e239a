"""Explain why a search finds what it finds: how many requests meet each condition, and PostgreSQL's plan.

Each count is a statement outside of any transaction, so that one that is ended leaves the others alone. All
counts of an explanation share one budget of time: what has not been counted by then is None. They are made
one after the other, and may disagree where requests arrive meanwhile.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final

import asyncpg
import msgspec

from heliscore.domain.filter_tree import (
    NEWEST_FIRST,
    AllOf,
    AnyOf,
    Everything,
    Filter,
    Sort,
    conjuncts,
    score_names,
)
from heliscore.domain.filter_words import describe_filter
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreNames
from heliscore.store.search.page_order import Position
from heliscore.store.search.request_search import count, first_statement
from heliscore.store.search.search_statements import Statement, StatementChooser, read_plan

MAX_CONDITIONS: Final = 20
"""Of more, the last one stands for all that are left."""

_BUDGET_S: Final = 5.0
_MAX_LINES: Final = 20
_MAX_LINE: Final = 200

_COST: Final = re.compile(r"\(cost=\S+?\.\.(?P<cost>\S+) rows=(?P<rows>\d+) ")


class Alternative(msgspec.Struct, frozen=True):
    """A part of an OR."""

    words: str
    matches: int | None
    notes: tuple[str, ...] = ()


class Condition(msgspec.Struct, frozen=True):
    """A part of a filter that every match must meet. Numbers that took too long are None."""

    words: str
    matches: int | None
    """How many requests meet it."""

    together: int | None
    """How many meet it and all conditions before it."""

    alternatives: tuple[Alternative, ...] = ()
    notes: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True):
    """What PostgreSQL means to do: the first lines of its plan, empty where no statement is needed because
    nothing can match, with its estimates."""

    lines: tuple[str, ...] = ()
    cost: float = 0
    rows: int = 0


class Explanation(msgspec.Struct, frozen=True):
    filter: str
    matches: int | None
    conditions: tuple[Condition, ...]
    plan: Plan


async def explain_search(
    connection: Connection,
    names: ScoreNames,
    organization_id: int,
    tree: Filter,
    *,
    sort: Sort = NEWEST_FIRST,
    after: Position | None = None,
    offset: int = 0,
    limit: int,
) -> Explanation:
    """Explain a search for a page; of several statements, the first one's plan."""
    statement = await first_statement(
        connection, names, organization_id, tree, sort=sort, after=after, offset=offset, limit=limit
    )
    return await _explain(connection, names, organization_id, tree, statement)


async def explain_count(
    connection: Connection, names: ScoreNames, organization_id: int, tree: Filter
) -> Explanation:
    """Explain a count."""
    statement = await StatementChooser(connection, names, organization_id).count(tree)
    return await _explain(connection, names, organization_id, tree, statement)


async def _explain(
    connection: Connection,
    names: ScoreNames,
    organization_id: int,
    tree: Filter,
    statement: Statement | None,
) -> Explanation:
    plan = Plan() if statement is None else await _read_plan(connection, statement)
    known = frozenset(await names.find(connection, organization_id, score_names(tree)))
    counter = _Counter(connection, names, organization_id)
    matches = await counter.count(tree)
    parts = _at_most(conjuncts(tree), AllOf)
    before: list[Filter] = []
    conditions = []
    for part in parts:
        before.append(part)
        alone, together = await counter.count(part), await counter.count(_all_of(before))
        notes = (*_unknown_scores(part, known), *_too_long(alone, together))
        conditions.append(Condition(describe_filter(part), alone, together, notes=notes))
    conditions = [
        msgspec.structs.replace(condition, alternatives=await _alternatives(part, known, counter))
        for condition, part in zip(conditions, parts, strict=True)
    ]
    return Explanation(describe_filter(tree), matches, tuple(conditions), plan)


async def _alternatives(part: Filter, known: frozenset[str], counter: _Counter) -> tuple[Alternative, ...]:
    if not isinstance(part, AnyOf):
        return ()
    alternatives = []
    for choice in _at_most([*part.parts], AnyOf):
        matches = await counter.count(choice)
        notes = (*_unknown_scores(choice, known), *_too_long(matches))
        alternatives.append(Alternative(describe_filter(choice), matches, notes))
    return tuple(alternatives)


def _at_most(parts: list[Filter], rest: Callable[[tuple[Filter, ...]], Filter]) -> list[Filter]:
    if len(parts) <= MAX_CONDITIONS:
        return parts
    return [*parts[: MAX_CONDITIONS - 1], rest(tuple(parts[MAX_CONDITIONS - 1 :]))]


def _all_of(parts: list[Filter]) -> Filter:
    """The same tree as the part itself where there is only one: what is counted is remembered by its tree."""
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


def _unknown_scores(part: Filter, known: frozenset[str]) -> tuple[str, ...]:
    names = score_names(part)
    if len(names) == 1:
        return () if names <= known else ("no score has this name",)
    return tuple(f"no score has the name {name}" for name in sorted(names - known))


def _too_long(*counts: int | None) -> tuple[str, ...]:
    return ("took too long",) if None in counts else ()


class _Counter:
    """Counts matches, each filter once, until the budget is used up."""

    def __init__(self, connection: Connection, names: ScoreNames, organization_id: int) -> None:
        self._connection = connection
        self._names = names
        self._organization_id = organization_id
        self._ends_at = asyncio.get_running_loop().time() + _BUDGET_S
        self._counts: dict[Filter, int | None] = {}

    async def count(self, tree: Filter) -> int | None:
        tree = _all_of(conjuncts(tree) or [Everything()])
        if tree not in self._counts:
            self._counts[tree] = await self._try(tree)
        return self._counts[tree]

    async def _try(self, tree: Filter) -> int | None:
        if asyncio.get_running_loop().time() >= self._ends_at:
            return None
        try:
            async with asyncio.timeout_at(self._ends_at):
                return await count(self._connection, self._names, self._organization_id, tree)
        except (TimeoutError, asyncpg.QueryCanceledError):
            return None


async def _read_plan(connection: Connection, statement: Statement) -> Plan:
    lines = await read_plan(connection, statement)
    estimates = _COST.search(lines[0])
    if estimates is None:
        raise ValueError(f"not a plan: {lines[0]}")
    shown = tuple(line[:_MAX_LINE] for line in lines[:_MAX_LINES])
    return Plan(shown, float(estimates["cost"]), int(estimates["rows"]))
