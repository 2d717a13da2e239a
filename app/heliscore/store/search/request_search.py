"""Read requests: search, count, find one by its id. README.md says how a filter becomes statements."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

import asyncpg

from heliscore.domain.filter_tree import NEWEST_FIRST, Column, Compare, Filter, Sort
from heliscore.domain.filter_tree import Score as ScoreSubject
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreNames
from heliscore.store.search.compiler import Bodies, compile_rows
from heliscore.store.search.found_requests import Page, Request
from heliscore.store.search.leading_conditions import split_alternatives
from heliscore.store.search.page_order import Position
from heliscore.store.search.score_objects import Found, ScoreObjects, read_names
from heliscore.store.search.score_order import SubQuery, score_order
from heliscore.store.search.search_statements import Statement, StatementChooser, send

_MAX_MERGED: Final = 2000
"""A page that ends further down is not merged from alternatives: each of them would be read that far."""


_Row = tuple[Request, Any]
"""A request and its sort value."""


async def search(
    connection: Connection,
    names: ScoreNames,
    organization_id: int,
    tree: Filter,
    *,
    sort: Sort = NEWEST_FIRST,
    after: Position | None = None,
    offset: int = 0,
    limit: int,
    bodies: Bodies = "whole",
) -> Page:
    """Find the organization's requests that match, `limit` of them from `after` or `offset` on."""
    searching = _Search(connection, names, organization_id, bodies)
    wanted = limit + 1
    if isinstance(sort.subject, ScoreSubject):
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            rows = await searching.by_score(tree, sort, sort.subject, after, offset, wanted)
    elif alternatives := _mergeable(tree, sort, offset + wanted):
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            rows = await searching.merged(alternatives, sort, after, offset, wanted)
    else:
        rows = await searching.matching(tree, sort, after, offset, wanted)
    requests = [request for request, _ in rows[:limit]]
    if len(rows) <= limit or not requests or sort.subject is None:
        return Page(requests, None)
    last, value = rows[limit - 1]
    return Page(requests, Position(value, last.created_at, last.request_id))


class _Search:
    """The ways to the rows of one organization's page. Those that take several statements need one snapshot
    for all of them: a request whose score changes in between could come twice or not at all."""

    def __init__(
        self, connection: Connection, names: ScoreNames, organization_id: int, bodies: Bodies
    ) -> None:
        self._connection = connection
        self._names = names
        self._organization_id = organization_id
        self._bodies = bodies
        self._choose = StatementChooser(connection, names, organization_id)

    async def matching(
        self, tree: Filter, sort: Sort, after: Position | None, offset: int, limit: int
    ) -> list[_Row]:
        """Read the page by one statement."""
        statement = await self._choose.page(tree, sort, after, offset, limit, self._bodies)
        if statement is None:
            return []
        if statement.verb == "search":
            return await self._read(statement)
        async with self._connection.transaction(isolation="repeatable_read", readonly=True):
            places = await send(self._connection, statement)
            return await self._read_rows([number for _, _, number in places], sort)

    async def by_score(
        self, tree: Filter, sort: Sort, score: ScoreSubject, after: Position | None, offset: int, limit: int
    ) -> list[_Row]:
        """Read sub-query by sub-query until the page is full."""
        rows: list[_Row] = []
        sub_queries = self._sub_queries(tree, sort, score, after, offset + limit)
        async with aclosing(sub_queries):
            async for part in sub_queries:
                found = await self.matching(part.tree, part.sort, part.after, offset, limit - len(rows))
                if found:
                    offset = 0
                elif offset:
                    offset -= len(await self._locate(part.tree, part.sort, part.after, offset))
                in_time = part.sort is NEWEST_FIRST
                rows += [(request, part.value if in_time else value) for request, value in found]
                if len(rows) == limit:
                    break
        return rows

    async def first_by_score(
        self, tree: Filter, sort: Sort, score: ScoreSubject, after: Position | None, offset: int, limit: int
    ) -> Statement | None:
        async with aclosing(self._sub_queries(tree, sort, score, after, offset + limit)) as sub_queries:
            async for part in sub_queries:
                found = await self._choose.page(part.tree, part.sort, part.after, offset, limit)
                if found is not None:
                    return found
        return None

    def _sub_queries(
        self, tree: Filter, sort: Sort, score: ScoreSubject, after: Position | None, rows_wanted: int
    ) -> AsyncGenerator[SubQuery, None]:
        return score_order(
            self._connection,
            self._names,
            self._organization_id,
            tree,
            score=score,
            sort=sort,
            after=after,
            rows_wanted=rows_wanted,
        )

    async def merged(
        self, alternatives: list[Filter], sort: Sort, after: Position | None, offset: int, limit: int
    ) -> list[_Row]:
        """Locate the first rows of each alternative: the page is among them."""
        found: set[tuple[datetime, str, int]] = set()
        for tree in alternatives:
            found.update(await self._locate(tree, sort, after, offset + limit))
        places = sorted(found, key=itemgetter(1))
        places.sort(key=itemgetter(0), reverse=sort.descending)
        return await self._read_rows([number for _, _, number in places[offset : offset + limit]], sort)

    async def first_merged(
        self, alternatives: list[Filter], sort: Sort, after: Position | None, limit: int
    ) -> Statement | None:
        for tree in alternatives:
            found = await self._choose.places(tree, sort, after, limit)
            if found is not None:
                return found
        return None

    async def _locate(
        self, tree: Filter, sort: Sort, after: Position | None, limit: int
    ) -> list[tuple[datetime, str, int]]:
        """Times, ids and numbers of the requests that `matching` would find."""
        statement = await self._choose.places(tree, sort, after, limit)
        if statement is None:
            return []
        return [(at, id_, number) for at, id_, number in await send(self._connection, statement)]

    async def _read_rows(self, request_nos: list[int], sort: Sort) -> list[_Row]:
        if not request_nos:
            return []
        compiled = compile_rows(request_nos, sort, 4, self._bodies)
        own = (self._organization_id, len(request_nos), 0)
        return await self._read(Statement("search", compiled, own))

    async def _read(self, statement: Statement) -> list[_Row]:
        rows = await send(self._connection, statement)
        found = [_scored(row) for row in rows]
        names = await read_names(self._connection, self._names, self._organization_id, found)
        objects = ScoreObjects(names)
        read = []
        for row, scored in zip(rows, found, strict=True):
            *columns, _, _, _, sort_value = row
            columns.append(objects.write(scored))
            read.append((Request(*columns), sort_value))
        return read


def _scored(row: asyncpg.Record) -> Found:
    return row["name_ids"], row["values"], row["feedback_at"]


async def count(connection: Connection, names: ScoreNames, organization_id: int, tree: Filter) -> int:
    """How many of the organization's requests match."""
    statement = await StatementChooser(connection, names, organization_id).count(tree)
    if statement is None:
        return 0
    [row] = await send(connection, statement)
    return int(row[0])


async def first_statement(
    connection: Connection,
    names: ScoreNames,
    organization_id: int,
    tree: Filter,
    *,
    sort: Sort = NEWEST_FIRST,
    after: Position | None = None,
    offset: int = 0,
    limit: int,
) -> Statement | None:
    """Choose the statement that `search` reads a page by; of several, the first one that can match."""
    searching = _Search(connection, names, organization_id, "whole")
    if isinstance(sort.subject, ScoreSubject):
        return await searching.first_by_score(tree, sort, sort.subject, after, offset, limit + 1)
    if alternatives := _mergeable(tree, sort, offset + limit + 1):
        return await searching.first_merged(alternatives, sort, after, offset + limit + 1)
    chooser = StatementChooser(connection, names, organization_id)
    return await chooser.page(tree, sort, after, offset, limit + 1)


def _mergeable(tree: Filter, sort: Sort, rows_wanted: int) -> list[Filter]:
    """The alternatives from whose first rows a page is put together; none where it is read as a whole."""
    in_time = isinstance(sort.subject, Column) and sort.subject.name == "created_at"
    return split_alternatives(tree) if in_time and rows_wanted <= _MAX_MERGED else []


async def find(
    connection: Connection, names: ScoreNames, organization_id: int, request_id: str
) -> Request | None:
    """Return one request by its id."""
    tree = Compare(Column("request_id"), "=", request_id)
    page = await search(connection, names, organization_id, tree, limit=1)
    return page.requests[0] if page.requests else None
