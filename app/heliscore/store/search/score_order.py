"""A page in the order of a score, or of what any of several scores picks, put together of searches that each
have an index to walk.

The index of values knows where a value begins, but not the order among equal ones, and of a score with few
values (a thumb, a boolean) those are a large part of the table. So a page by score consists of segments: a
stretch of values that few have is read off the index of values and sorted; a value that many have is walked
newest first; the requests without the score come last.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

import msgspec

from heliscore.domain.filter_tree import (
    NEWEST_FIRST,
    AllOf,
    AnyOf,
    Compare,
    Exists,
    Filter,
    Not,
    Operator,
    Score,
    Sort,
    Value,
)
from heliscore.store.search.compiler import Position, conjuncts, driving_scores

_STRETCH: Final = 4
"""How much further than a page a stretch reaches: some of it may not match."""

_GROWTH: Final = 8
"""Where few match, stretches grow, so that there are not many of them however large the table is."""

_MAX_ALTERNATIVES: Final = 4

_ASCENDING: Final[tuple[Operator, Operator, Operator]] = ("<", ">", ">=")
_DESCENDING: Final[tuple[Operator, Operator, Operator]] = (">", "<", "<=")


class Segment(msgspec.Struct, frozen=True):
    """A search whose rows are part of a page by score."""

    tree: Filter
    sort: Sort
    after: Position | None = None
    value: Value | None = None
    """The score of all its rows, where it is not what they are sorted by."""


Reach = Callable[[Filter, int], Awaitable[tuple[Value | None, Value | None]]]
"""Of the values of the score that meet a filter's conditions on it, the first in the order and the one that
comes so many further on; None where there is none."""


async def by_score(
    reach: Reach, score: Score, tree: Filter, sort: Sort, after: Position | None, wanted: int
) -> AsyncGenerator[Segment, None]:
    """The segments of a page of so many rows, in order; whoever has enough asks for no more."""
    without = Segment(AllOf((tree, Not(Exists(score)))), NEWEST_FIRST)
    if after is not None and after.value is None:
        yield msgspec.structs.replace(without, after=after)
        return
    before, beyond, onward = _DESCENDING if sort.descending else _ASCENDING
    rest = AllOf((Exists(score), tree))
    if after is not None and after.value is not None:
        yield Segment(AllOf((Compare(score, "=", after.value), tree)), NEWEST_FIRST, after, after.value)
        rest = AllOf((Compare(score, beyond, after.value), tree))
    length = _STRETCH * wanted
    while True:
        first, end = await reach(rest, length)
        if first is None:
            break
        if end is None:
            yield Segment(rest, sort)
            break
        if end == first:
            yield Segment(AllOf((Compare(score, "=", first), tree)), NEWEST_FIRST, None, first)
            rest = AllOf((Compare(score, beyond, first), tree))
        else:
            yield Segment(AllOf((Compare(score, before, end), rest)), sort)
            rest = AllOf((Compare(score, onward, end), tree))
        length *= _GROWTH
    yield without


def alternatives(tree: Filter) -> list[Filter]:
    """Filters that together match what the tree matches, each with a score to begin at; none where the tree
    has one itself, or is not such a choice."""
    parts = conjuncts(tree)
    if driving_scores(tree):
        return []
    for part in parts:
        match part:
            case AnyOf(choices) if len(choices) <= _MAX_ALTERNATIVES and all(map(driving_scores, choices)):
                others = tuple(other for other in parts if other is not part)
                return [AllOf((choice, *others)) for choice in choices]
    return []
