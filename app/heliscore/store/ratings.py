"""What raters gave to the same requests, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import asyncpg
import msgspec

from heliscore.domain.filter_tree import Column, Property
from heliscore.domain.rater import Rater
from heliscore.domain.statistics.agreement_sums import AgreementSums
from heliscore.store.connections.pool import Connection
from heliscore.store.score_scan import ScoreSelection, scan, scan_raters
from heliscore.store.scores import ScoreNames
from heliscore.store.search.score_columns import ScoreColumns

MAX_PATTERNS: Final = 20_000
FOLDS: Final = 40

PatternRows = list[str]
"""Values by rater, groups of requests, and how many requests of each group have these values."""

RatedRows = list[tuple[str, str]]
"""Values by rater, and the ids of the requests that have them."""

Pattern = tuple[int | None, ...]
"""A request's values by rater; None where one gave none."""


class Patterns(msgspec.Struct, frozen=True):
    """How many requests have each pattern."""

    folds: list[Counter[Pattern]]
    """By group of requests, or of units, chosen at random."""

    left_out: int
    """How many requests have no unit."""

    def whole(self) -> Counter[Pattern]:
        whole = Counter[Pattern]()
        for fold in self.folds:
            whole.update(fold)
        return whole


class RatingSums(msgspec.Struct, frozen=True):
    """One group of requests, or of units, or the requests without a unit."""

    sums: AgreementSums | None
    """Of the requests that both of two raters rated; None: there are none."""

    only_first: int = 0
    only_second: int = 0
    left_out: int = 0


async def find_patterns(
    connection: Connection,
    names: ScoreNames,
    selection: ScoreSelection,
    raters: Sequence[Rater],
    unit: Column | Property | None = None,
) -> PatternRows | None:
    """Return each pattern with its groups, and how many requests of each group have it; None where there are
    more than MAX_PATTERNS."""
    rows = await _scan(connection, names, "rating_patterns", selection, raters, unit, MAX_PATTERNS + 1)
    return None if len(rows) > MAX_PATTERNS else [pattern for (pattern,) in rows]


def make_patterns(rows: PatternRows) -> Patterns:
    """Sort what `find_patterns` returned by groups: takes time where there are many."""
    folds = [Counter[Pattern]() for _ in range(FOLDS)]
    left_out = 0
    for row in rows:
        ratings, numbers, counts = row.split(";")
        pattern = _read_pattern(ratings)
        for number, count in zip(_read_pattern(numbers), map(int, counts.split()), strict=True):
            if number is None:
                left_out += count
            else:
                folds[number][pattern] = count
    return Patterns(folds, left_out)


def _read_pattern(numbers: str) -> Pattern:
    return tuple(None if number == "-" else int(number) for number in numbers.split())


async def sum_ratings(
    connection: Connection,
    names: ScoreNames,
    selection: ScoreSelection,
    raters: Sequence[Rater],
    unit: Column | Property | None,
    tolerance: int,
) -> list[RatingSums]:
    """Return what two raters gave to groups of requests or units."""
    rows = await _scan(connection, names, "rating_sums", selection, raters, unit, tolerance)
    return [_make_sums(*row) for row in map(tuple, rows)]


def _make_sums(
    fold: int | None, total: int, only_first: int, only_second: int, count: int, *sums: Decimal
) -> RatingSums:
    if fold is None:
        return RatingSums(None, left_out=total)
    return RatingSums(AgreementSums(count, *map(int, sums)) if count else None, only_first, only_second)


async def find_rated(
    connection: Connection,
    names: ScoreNames,
    selection: ScoreSelection,
    raters: Sequence[Rater],
    limit: int,
) -> RatedRows:
    """Return the ids of the newest requests with each pattern, at most `limit` of each, of those that two
    raters or more rated."""
    rows = await _scan(connection, names, "rated_requests", selection, raters, None, limit)
    return [(ratings, ids) for ratings, ids in rows]


def make_rated(rows: RatedRows) -> dict[Pattern, list[str]]:
    """Sort what `find_rated` returned by pattern, which takes time too."""
    return {_read_pattern(ratings): msgspec.json.decode(ids, type=list[str]) for ratings, ids in rows}


async def _scan(
    connection: Connection,
    names: ScoreNames,
    statement: str,
    selection: ScoreSelection,
    raters: Sequence[Rater],
    unit: Column | Property | None,
    argument: int,
) -> list[asyncpg.Record]:
    if any(rater.is_of_authors for rater in raters):
        return await scan_raters(connection, names, statement, selection, raters, unit, argument)
    name_ids = await names.find(connection, selection.organization_id, [rater.name for rater in raters])
    # Names that are unknown have the number of no score.
    numbers = [name_ids.get(rater.name, 0) for rater in raters]
    columns = ScoreColumns(unit=unit, raters=len(raters))
    return await scan(connection, names, statement, selection, argument, scores=numbers, columns=columns)
