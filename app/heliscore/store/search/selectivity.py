"""Choose where a search begins, by how many scores meet each of its leading conditions.

Counting takes some tenths of a millisecond and saves the many that a walk in time takes where few match.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import msgspec

from heliscore.domain.filter_tree import Filter, score_names
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreNames
from heliscore.store.search.compiler import compile_selectivity
from heliscore.store.search.leading_conditions import leading_scores
from heliscore.store.search.table_sizes import find_table_sizes
from heliscore.store.statements import load

_SQL = load("request")

MIN_THRESHOLD: Final = 3000
"""A search always begins at a score whose conditions are met by fewer rows than this."""

MAX_THRESHOLD: Final = 20_000
"""More rows are never counted: 10,000 take 0.35 ms and 30,000 take 1 ms (tests/bench/design), before any
search."""

_LOOKUP_PAGES: Final = 4
"""To look up one score of a request takes so many pages, and one to read a row that an index of values found.
Of two scores of which there are few, the second one is read too unless there are far more."""

ALL: Final = 2_000_000_000
"""Rows wanted by a statement that reads all matches."""


class Start(msgspec.Struct, frozen=True):
    """Where a search begins."""

    name_ids: Mapping[str, int]
    """The ids of the filter's score names."""

    scores: tuple[str, ...] = ()
    """The leading scores to begin at, which few rows meet."""

    visible: bool = True
    """Whether an index is enough to count scores: their table was vacuumed, and has changed little since."""


async def choose_start(
    connection: Connection, names: ScoreNames, organization_id: int, tree: Filter, rows_wanted: int
) -> Start | None:
    """Choose where to begin a search that ends after so many matches; None where nothing can match."""
    name_ids = await names.find(connection, organization_id, score_names(tree))
    leading = leading_scores(tree)
    if not leading:
        return Start(name_ids)
    if not name_ids.keys() >= set(leading):
        return None
    sizes = await find_table_sizes(connection)
    threshold = _threshold(rows_wanted, sizes.requests)
    compiled = compile_selectivity(tree, name_ids, first_parameter=3)
    statement = compiled.fill(_SQL["selectivity"])
    [(counts,)] = await connection.fetch(statement, organization_id, threshold, *compiled.arguments)
    lowest = min(counts)
    if lowest == 0:
        return None
    few = sorted((rows, name) for rows, name in zip(counts, leading, strict=True) if rows < threshold)
    read = [name for rows, name in few if rows <= _LOOKUP_PAGES * lowest]
    return Start(name_ids, tuple(read if rows_wanted == ALL else read[:1]), sizes.visible)


def _threshold(rows_wanted: int, requests: float) -> int:
    """A search that begins at a score costs about 1 us for each of its rows; one that walks in time costs
    0.18 us for each row until it has found enough. Both cost the same at so many rows."""
    return max(MIN_THRESHOLD, min(MAX_THRESHOLD, round(math.sqrt(0.18 * rows_wanted * requests))))
