"""Reads cases: the items that two groups of requests both have, with what was asked and answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from heliscore.domain.filter_tree import Column, Property, score_names
from heliscore.domain.score import Score
from heliscore.store.connections.pool import Connection
from heliscore.store.score_scan import ScoreSelection
from heliscore.store.scores import ScoreNames
from heliscore.store.search.score_columns import ScoreColumns
from heliscore.store.search.score_compiler import compile_conditions
from heliscore.store.statements import load

_SQL = load("case")

MAX_SCORES: Final = 20_000
"""So many scores, the newest, are looked at: their requests are looked up one by one."""

MAX_BODY_BYTES: Final = 1 << 16
"""On disk. A page has up to 80 bodies."""


class Side(msgspec.Struct, frozen=True):
    """An item in one of the two groups."""

    request_no: int
    """Of the request that was logged last."""

    mean: float
    """Of the scores of all its requests."""

    count: int


class Case(msgspec.Struct, frozen=True):
    """An item in both groups."""

    item: str
    base: Side
    other: Side

    @property
    def difference(self) -> float:
        return self.other.mean - self.base.mean


class Exchange(msgspec.Struct, frozen=True):
    """A request's bodies, as JSON; None where there is none, or it is large."""

    request_no: int
    request_id: str
    request_body: bytes | None
    response_body: bytes | None


async def find_worst(
    connection: Connection,
    names: ScoreNames,
    selection: ScoreSelection,
    score: str,
    groups: Column | Property,
    item: Column | Property,
    *,
    base: str | None,
    other: str | None,
    is_falling: bool,
    limit: int,
    offset: int,
) -> tuple[list[Case], int]:
    """Return cases, those first in which the other group is worst beside the base, and how many there are.
    Where lower values are better (`is_falling`), the worst have the greatest rise."""
    wanted = {score, *score_names(selection.tree)}
    name_ids = await names.find(connection, selection.organization_id, wanted)
    if score not in name_ids:
        return [], 0
    fixed = (
        *(selection.organization_id, selection.start, selection.end, name_ids[score], MAX_SCORES),
        *(base, other, -1 if is_falling else 1, limit, offset),
    )
    columns = ScoreColumns(group_by=groups, unit=item)
    compiled = compile_conditions(selection.tree, name_ids, len(fixed) + 1, columns)
    rows = await connection.fetch(compiled.fill(_SQL["worst"]), *fixed, *compiled.arguments)
    cases = [Case(item, Side(*sides[:3]), Side(*sides[3:])) for item, *sides, _ in map(tuple, rows)]
    return cases, rows[0]["total"] if rows else 0


async def read_exchanges(
    connection: Connection, organization_id: int, request_nos: Sequence[int]
) -> dict[int, Exchange]:
    """Return the bodies of requests, by their numbers."""
    rows = await connection.fetch(_SQL["exchanges"], organization_id, request_nos, MAX_BODY_BYTES)
    return {row["request_no"]: Exchange(*row) for row in rows}


async def read_scores(
    connection: Connection, organization_id: int, request_nos: Sequence[int]
) -> dict[int, dict[str, Score]]:
    """Return the scores of requests, by their numbers."""
    found: dict[int, dict[str, Score]] = {}
    for request_no, name, value, is_boolean in await connection.fetch(
        _SQL["scores"], organization_id, request_nos
    ):
        found.setdefault(request_no, {})[name] = Score(value, is_boolean)
    return found
