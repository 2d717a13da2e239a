"""The scores of groups of requests, as counts and exact sums from which groups are compared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

import asyncpg
import msgspec

from heliscore.domain.filter_tree import SEVERAL, Column, GroupBy, Property, ScorePart
from heliscore.domain.statistics.compared import CovariateSums, Pairs, PairSums, UnitSums
from heliscore.domain.statistics.samples import Counts, Sample
from heliscore.store.connections.pool import Connection
from heliscore.store.score_scan import ScoreSelection, scan, scan_opinions
from heliscore.store.scores import ScoreNames
from heliscore.store.search.covariates import Covariate
from heliscore.store.search.score_columns import ScoreColumns

PERCENTILES: Final = (50, 90, 99)

MAX_COUNTS: Final = 50_000
"""Of more different values, or pairs of values, only sums are read."""


class Group(msgspec.Struct, frozen=True):
    """One score of one group of requests."""

    value: str | None
    name: str
    sample: Sample
    lowest: int
    highest: int
    percentiles: list[float]
    """At PERCENTILES, interpolated."""

    all_boolean: bool
    last_week: int
    """How many are not older than asked for."""

    counts: Counts | None
    """None: there are more different values than asked for."""


class UnitGroup(msgspec.Struct, frozen=True):
    """One score of one group by unit."""

    value: str | None
    name: str
    sums: UnitSums
    left_out: int
    """How many scores are of no unit."""


class PairedGroup(msgspec.Struct, frozen=True):
    """One score of one group, item by item beside the base."""

    name: str
    pairs: Pairs
    is_share: bool
    """Whether all values of both groups are 0 or 1."""

    left_out: int
    """How many scores of both groups are of no item."""

    in_several: int
    """How many scores are of requests that are in several groups, and so in none."""


class CovariateGroup(msgspec.Struct, frozen=True):
    """One score of one group, with the covariate; scores without it are left out."""

    value: str | None
    name: str
    sums: CovariateSums


async def compare(
    connection: Connection,
    names: ScoreNames,
    range_: ScoreSelection,
    scores: Sequence[str],
    group_by: GroupBy,
    *,
    max_counts: int = 0,
    since: datetime | None = None,
) -> list[Group]:
    """Return the named scores by group and name. Requests without the column, property or author are the last
    group. Each value is counted where a group has at most `max_counts` different ones."""
    name_ids = list((await names.find(connection, range_.organization_id, scores)).values())
    columns = ScoreColumns(group_by=group_by)
    arguments = max_counts, since or range_.end
    rows = await scan(connection, names, "compare", range_, *arguments, scores=name_ids, columns=columns)
    return _make_groups(rows)


async def compare_opinions(
    connection: Connection, names: ScoreNames, range_: ScoreSelection, group_by: ScorePart
) -> list[Group]:
    """Return the opinions on one score, the newest value of each author, by group."""
    return _make_groups(await scan_opinions(connection, names, "compare", range_, group_by, 0, range_.end))


def _make_groups(rows: list[asyncpg.Record]) -> list[Group]:
    return [_make_group(*row) for row in map(tuple, rows)]


def _make_group(
    value: str | None,
    name: str,
    count: int,
    sum_: Decimal,
    squares: Decimal,
    lowest: int,
    highest: int,
    percentiles: list[float],
    all_boolean: bool,
    last_week: int,
    values: list[int] | None,
    counts: list[int] | None,
) -> Group:
    sample = Sample(count, int(sum_), int(squares))
    counted = None if values is None or counts is None else dict(zip(values, counts, strict=True))
    return Group(value, name, sample, lowest, highest, percentiles, all_boolean, last_week, counted)


async def compare_units(
    connection: Connection,
    names: ScoreNames,
    range_: ScoreSelection,
    scores: Sequence[str],
    group_by: GroupBy,
    unit: Column | Property,
) -> list[UnitGroup]:
    """Return sums over the units of each group, by group and name."""
    name_ids = list((await names.find(connection, range_.organization_id, scores)).values())
    columns = ScoreColumns(group_by=group_by, unit=unit)
    rows = await scan(connection, names, "compare_units", range_, scores=name_ids, columns=columns)
    return [
        UnitGroup(value, name, UnitSums(units, *map(int, sums)), left_out)
        for value, name, left_out, units, *sums in map(tuple, rows)
    ]


async def compare_pairs(
    connection: Connection,
    names: ScoreNames,
    range_: ScoreSelection,
    scores: Sequence[str],
    group_by: GroupBy,
    item: Column | Property,
    *,
    base: str | None,
    other: str | None,
    max_counts: int,
    since: datetime,
) -> list[PairedGroup]:
    """Return a group beside the base, item by item, by name. Items that only one of the two has are
    counted."""
    name_ids = list((await names.find(connection, range_.organization_id, scores)).values())
    columns = ScoreColumns(group_by=group_by, unit=item)
    arguments = max_counts, since, base, other, SEVERAL
    rows = await scan(
        connection, names, "compare_pairs", range_, *arguments, scores=name_ids, columns=columns
    )
    return [_make_pairs(*row) for row in map(tuple, rows)]


def _make_pairs(
    name: str,
    in_several: int,
    left_out: int,
    only_base: int,
    only_other: int,
    last_week: int,
    is_share: bool,
    pairs: int,
    sums: list[Decimal] | None,
    items: list[str] | None,
) -> PairedGroup:
    made = Pairs(
        items=None if pairs and items is None else _read_items(items or []),
        sums=None if sums is None else PairSums(pairs, *map(Fraction, sums)),
        only_base=only_base,
        only_other=only_other,
        last_week=last_week,
    )
    return PairedGroup(name, made, is_share, left_out, in_several)


def _read_items(items: list[str]) -> dict[tuple[int, int, int, int], int]:
    """Sums may be greater than a bigint, and Decimals are slow to decode: the numbers come as strings."""
    counted = {}
    for item in items:
        base, base_count, other, other_count, count = map(int, item.split())
        counted[base, base_count, other, other_count] = count
    return counted


async def compare_covariates(
    connection: Connection,
    names: ScoreNames,
    range_: ScoreSelection,
    scores: Sequence[str],
    group_by: GroupBy,
    covariate: Covariate,
) -> list[CovariateGroup]:
    """Return sums of the scores and the covariate, by group and name."""
    name_ids = list((await names.find(connection, range_.organization_id, scores)).values())
    columns = ScoreColumns(group_by=group_by, covariate=covariate)
    rows = await scan(connection, names, "compare_covariates", range_, scores=name_ids, columns=columns)
    return [
        CovariateGroup(value, name, CovariateSums(count, *map(Fraction, sums)))
        for value, name, count, *sums in map(tuple, rows)
    ]
