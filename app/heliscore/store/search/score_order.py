"""Build a page sorted by a score from sub-queries that each read one index.

score_value_idx knows where a value begins, but not the order among requests of equal value, and of a score
with few values (a thumb, a boolean) those are a large part of the table. So a range of values that few
requests have is read from that index and sorted; a value that many have is walked newest first; the requests
without the score come last.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

import msgspec

from heliscore.domain.filter_tree import (
    NEWEST_FIRST,
    AllOf,
    Compare,
    Exists,
    Filter,
    Not,
    Operator,
    Score,
    Sort,
    Value,
)
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreNames
from heliscore.store.search.compiler import compile_probe
from heliscore.store.search.page_order import Position
from heliscore.store.statements import load

_SQL = load("request")

_RANGE_FACTOR: Final = 4
"""How many times a page's rows the first range of values holds: some of them may not match."""

_RANGE_GROWTH: Final = 8
"""Where few match, ranges grow, so that there are not many of them however large the table is."""

_ASCENDING: Final[tuple[Operator, Operator, Operator]] = ("<", ">", ">=")
_DESCENDING: Final[tuple[Operator, Operator, Operator]] = (">", "<", "<=")


class SubQuery(msgspec.Struct, frozen=True):
    """A search whose rows are the next part of the page."""

    tree: Filter
    sort: Sort
    after: Position | None = None

    value: Value | None = None
    """The score of all its rows, where they are sorted by time instead."""


async def score_order(
    connection: Connection,
    names: ScoreNames,
    organization_id: int,
    tree: Filter,
    *,
    score: Score,
    sort: Sort,
    after: Position | None,
    rows_wanted: int,
) -> AsyncGenerator[SubQuery, None]:
    """Yield the sub-queries of a page in order, until the caller has enough rows."""
    without = SubQuery(AllOf((tree, Not(Exists(score)))), NEWEST_FIRST)
    if after is not None and after.value is None:
        yield msgspec.structs.replace(without, after=after)
        return
    before, beyond, onward = _DESCENDING if sort.descending else _ASCENDING
    rest = AllOf((Exists(score), tree))
    if after is not None and after.value is not None:
        yield SubQuery(AllOf((Compare(score, "=", after.value), tree)), NEWEST_FIRST, after, after.value)
        rest = AllOf((Compare(score, beyond, after.value), tree))
    length = _RANGE_FACTOR * rows_wanted
    name_ids = await names.find(connection, organization_id, [score.name])
    while name_ids:
        compiled = compile_probe(rest, score, sort, name_ids, first_parameter=3)
        statement = compiled.fill(_SQL["probe"])
        [(first, end)] = await connection.fetch(statement, organization_id, length, *compiled.arguments)
        if first is None:
            break
        if end is None:
            yield SubQuery(rest, sort)
            break
        if end == first:
            yield SubQuery(AllOf((Compare(score, "=", first), tree)), NEWEST_FIRST, None, first)
            rest = AllOf((Compare(score, beyond, first), tree))
        else:
            yield SubQuery(AllOf((Compare(score, before, end), rest)), sort)
            rest = AllOf((Compare(score, onward, end), tree))
        length *= _RANGE_GROWTH
    yield without
