"""How statements read all requests of a selection: from a few scores, one by one, or joined by hash."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from heliscore.domain.filter_tree import AllOf, AnyOf, Cases, Column, Compare, Exists, Filter, Property, Score
from heliscore.store.connections.pool import Connection
from heliscore.store.score_scan import ScoreSelection
from heliscore.store.scores import ScoreNames
from heliscore.store.search.compiler import compile_requests, compile_scores
from heliscore.store.search.leading_conditions import is_of_time
from heliscore.store.search.search_statements import is_by_hash
from heliscore.store.search.selectivity import ALL, choose_start
from heliscore.store.search.slots import Compiled

_CREATED_AT: Final = Column("created_at")


class WholeRead(msgspec.Struct, frozen=True):
    """How the requests that match are read."""

    tree: Filter
    name_ids: Mapping[str, int]
    """Of the filter's scores, and of those that the statement reads."""

    start: tuple[str, ...]
    by_hash: bool

    def compile(
        self,
        first_parameter: int,
        *,
        group_by: Column | Property | Cases | None = None,
        scores: Sequence[str] = (),
        value: Score | None = None,
    ) -> Compiled:
        """As compile_requests does. Of several scores to begin at, only one has its value in the row."""
        return compile_requests(
            self.tree,
            self.name_ids,
            first_parameter,
            self.start[:1] if value else self.start,
            by_hash=self.by_hash,
            group_by=group_by,
            scores=scores,
            value=value,
        )

    def compile_scores(
        self, first_parameter: int, scores: Sequence[str], group_by: Column | Property | Cases | None
    ) -> Compiled:
        """The same for a statement that reads nothing of requests but their group and time: scores stand in
        for them where they can."""
        if group_by is None and is_of_time(self.tree):
            return compile_scores(self.tree, self.name_ids, first_parameter, scores)
        return self.compile(first_parameter, group_by=group_by, scores=scores)


async def choose_read(
    connection: Connection, names: ScoreNames, selection: ScoreSelection, scores: Collection[str] = ()
) -> WholeRead | None:
    """Choose how to read the requests, and those of the named scores that they have; None where no request
    can match."""
    organization_id, tree = selection.organization_id, in_time(selection)
    start = await choose_start(connection, names, organization_id, tree, ALL)
    if start is None:
        return None
    found = await names.find(connection, organization_id, scores)
    reads = AllOf((tree, AnyOf(tuple(Exists(Score(name)) for name in scores))))
    by_hash = await is_by_hash(connection, organization_id, reads, start)
    return WholeRead(tree, {**start.name_ids, **found}, start.scores, by_hash)


def in_time(selection: ScoreSelection) -> Filter:
    """The selection as one filter."""
    return AllOf(
        (
            selection.tree,
            Compare(_CREATED_AT, ">=", selection.start),
            Compare(_CREATED_AT, "<", selection.end),
        )
    )
