"""Choose the statements of a search or a count: where they begin, and whether they join by hash."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final, Literal

import asyncpg
import msgspec

from heliscore.domain.filter_tree import NEWEST_FIRST, Filter, Sort, score_names
from heliscore.domain.filter_tree import Score as ScoreSubject
from heliscore.store.connections.hash_joins import counted_by_hash, joined_by_hash
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreNames
from heliscore.store.search import selectivity
from heliscore.store.search.compiler import Bodies, compile_count, compile_search, compile_size, compile_words
from heliscore.store.search.leading_conditions import is_of_several_scores, is_one_score, leading_scores
from heliscore.store.search.page_order import Position
from heliscore.store.search.selectivity import ALL, Start, choose_start
from heliscore.store.search.slots import Compiled
from heliscore.store.statements import load

_SQL: Final = load("request")


class Statement(msgspec.Struct, frozen=True):
    """A statement of sql/queries/request.sql, or `place` of export.sql, and what fills it."""

    verb: Literal["search", "locate", "count", "count_in_words", "place"]
    compiled: Compiled
    arguments: tuple[object, ...]
    """Its own, before those of the filter."""

    by_hash: bool = False


async def send(connection: Connection, statement: Statement) -> list[asyncpg.Record]:
    """Return the rows of a statement."""
    async with _planned(connection, statement):
        return await _fetch(connection, statement.verb, statement.compiled, statement.arguments)


async def _fetch(
    connection: Connection, verb: str, compiled: Compiled, own: Sequence[object]
) -> list[asyncpg.Record]:
    # Not `fetchval` for one row: a statement of which one row is asked for gets no parallel workers.
    return await connection.fetch(compiled.fill(_SQL[verb]), *own, *compiled.arguments)


_NODE: Final = "        Node: host="
_NODE_INDENT: Final = len("        ->  ")
"""How Citus prints where a task runs; the node's plan follows."""


async def read_plan(connection: Connection, statement: Statement) -> list[str]:
    """Return the lines in which PostgreSQL explains what it would do."""
    compiled = statement.compiled
    sql = compiled.fill(_SQL[statement.verb])
    async with _planned(connection, statement):
        rows = await connection.fetch(f"EXPLAIN {sql}", *statement.arguments, *compiled.arguments)
    return plan_of_node([line for (line,) in rows])


def plan_of_node(lines: list[str]) -> list[str]:
    """Return the plan of the node that does the work, without what Citus puts around it: the node's address
    is nobody's business. On a single PostgreSQL the plan is returned as it is."""
    for place, line in enumerate(lines):
        if line.startswith(_NODE):
            return [step[_NODE_INDENT:] for step in lines[place + 1 :]]
    return lines


def _planned(connection: Connection, statement: Statement) -> AbstractAsyncContextManager[None]:
    """The settings that a statement is planned with."""
    if not statement.by_hash:
        return nullcontext()
    return counted_by_hash(connection) if statement.verb == "count_in_words" else joined_by_hash(connection)


class StatementChooser(msgspec.Struct, frozen=True):
    """Chooses statements about one organization's requests; None where nothing can match."""

    connection: Connection
    names: ScoreNames
    organization_id: int

    async def page(
        self,
        tree: Filter,
        sort: Sort,
        after: Position | None,
        offset: int,
        limit: int,
        bodies: Bodies = "whole",
    ) -> Statement | None:
        """Choose the statement of a page. By hash, it only locates the page: whole rows are large to join."""
        in_time = sort.subject == NEWEST_FIRST.subject
        start = await self._start(tree, offset + limit if in_time else ALL)
        if start is None:
            return None
        own, begin = (self.organization_id, limit, offset), _begin(start, sort)
        if not begin and not in_time and await is_by_hash(self.connection, self.organization_id, tree, start):
            compiled = compile_search(tree, sort, after, start.name_ids, 4, by_hash=True)
            return Statement("locate", compiled, own, by_hash=True)
        return Statement("search", compile_search(tree, sort, after, start.name_ids, 4, begin, bodies), own)

    async def places(self, tree: Filter, sort: Sort, after: Position | None, limit: int) -> Statement | None:
        """Choose the statement that locates a page's rows."""
        in_time = sort.subject == NEWEST_FIRST.subject
        start = await self._start(tree, limit if in_time else ALL)
        if start is None:
            return None
        compiled = compile_search(tree, sort, after, start.name_ids, 4, _begin(start, sort))
        return Statement("locate", compiled, (self.organization_id, limit, 0))

    async def whole(self, tree: Filter, sort: Sort, after: Position | None) -> Statement | None:
        """Choose the statement that goes through all matches in order. In order of time it walks an index,
        and so begins at once; otherwise all are sorted first."""
        start = await self._start(tree, ALL)
        if start is None:
            return None
        by_hash = sort.subject != NEWEST_FIRST.subject and await is_by_hash(
            self.connection, self.organization_id, tree, start
        )
        begin = start.scores[:1] if isinstance(sort.subject, ScoreSubject) else start.scores
        compiled = compile_search(tree, sort, after, start.name_ids, 2, begin, by_hash=by_hash)
        return Statement("place", compiled, (self.organization_id,), by_hash)

    async def count(self, tree: Filter) -> Statement | None:
        start = await self._start(tree, ALL)
        if start is None:
            return None
        by_hash = not (start.visible and is_one_score(tree)) and await is_by_hash(
            self.connection, self.organization_id, tree, start
        )
        if by_hash and is_of_several_scores(tree):
            compiled = compile_words(tree, start.name_ids, 2)
            return Statement("count_in_words", compiled, (self.organization_id,), by_hash)
        compiled = compile_count(tree, start.name_ids, 2, start.scores, by_hash=by_hash)
        return Statement("count", compiled, (self.organization_id,), by_hash)

    async def _start(self, tree: Filter, rows_wanted: int) -> Start | None:
        return await choose_start(self.connection, self.names, self.organization_id, tree, rows_wanted)


def _begin(start: Start, sort: Sort) -> tuple[str, ...]:
    """A sub-query sorted by a score is of a range of its values: it begins there, however many there are. It
    reads one score only, and looks the others up, because a row of several scores has no value."""
    if isinstance(sort.subject, ScoreSubject):
        return start.scores[:1] or (sort.subject.name,)
    return start.scores


async def is_by_hash(connection: Connection, organization_id: int, tree: Filter, start: Start) -> bool:
    """Whether a statement that reads all matches joins tables by hash: it cannot begin at few scores, and the
    requests are too many to look their scores up one by one."""
    if start.scores or not score_names(tree):
        return False
    if leading_scores(tree):
        return True
    limit = selectivity.MAX_THRESHOLD
    compiled = compile_size(tree, 3)
    statement = compiled.fill(_SQL["size"])
    return bool(await connection.fetchval(statement, organization_id, limit, *compiled.arguments) == limit)
