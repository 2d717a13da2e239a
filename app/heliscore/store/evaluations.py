"""Statistics of scores, computed exactly by the database."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import asyncpg
import msgspec

from heliscore.domain.filter_tree import Column, Filter, GroupBy, Property, ScorePart, score_names
from heliscore.store.connections.hash_joins import joined_by_hash
from heliscore.store.connections.pool import Connection
from heliscore.store.scores import ScoreNames
from heliscore.store.search.author_groups import JOINED, OWN
from heliscore.store.search.compiler import compile_conditions, compile_lookups, compile_opinions
from heliscore.store.search.selectivity import ALL, choose_start
from heliscore.store.search.slots import Compiled
from heliscore.store.statements import load

_SQL = load("evaluation")

BucketUnit = Literal["minute", "hour", "day", "week", "month", "year"]

PERCENTILES: Final = (50, 90, 99)

_DAY: Final = timedelta(days=1)
_BINS: Final[dict[BucketUnit, timedelta]] = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}
"""The length of the bins that scores are put into first. Longer units, whose length varies, use a day."""

_A_MIDNIGHT: Final = datetime(2000, 1, 1, tzinfo=UTC)

_MAX_LOOKUPS: Final = 10_000
"""Of fewer scores, the requests are looked up one by one; else all requests of the time are read."""


class ScoreSelection(msgspec.Struct, frozen=True):
    """The scores of requests that match, from `start` up to and without `end`."""

    organization_id: int
    tree: Filter
    start: datetime
    end: datetime


class Bucket(msgspec.Struct, frozen=True):
    """One score in one bucket of time, at least once."""

    name: str
    begins_at: datetime
    count: int
    sum: int
    lowest: int
    highest: int


class Total(msgspec.Struct, frozen=True):
    """Totals of one score's values, at least one."""

    count: int
    sum: int
    lowest: int
    highest: int
    all_boolean: bool

    @property
    def average(self) -> float:
        """For booleans, the proportion of true."""
        return self.sum / self.count


class TimeBucket(Total, frozen=True):
    """One score in one bucket of time."""

    name: str
    number: int
    """The bucket's, from 1."""


class Spread(Total, frozen=True):
    """One score of one group of requests: its values from `lower` up to and without `lower + width`."""

    group: str | None
    name: str
    lower: int
    width: int
    squares: int
    """The sum of the values' squares."""


class Bin(msgspec.Struct, frozen=True):
    """One score's values from `lower` up to and without `upper`, which only the last bin includes."""

    name: str
    lower: float
    upper: float
    count: int


class Group(msgspec.Struct, frozen=True):
    """One score of one group of requests. `deviation` is the sample's, None for a single value."""

    value: str | None
    name: str
    count: int
    sum: int
    deviation: float | None
    lowest: int
    highest: int
    percentiles: list[float]
    """At PERCENTILES, interpolated."""

    all_boolean: bool


async def list_names(connection: Connection, organization_id: int) -> list[str]:
    """Return every name under which the organization has a score, sorted."""
    return [name for (name,) in await connection.fetch(_SQL["names"], organization_id)]


async def over_time(
    connection: Connection,
    names: ScoreNames,
    range_: ScoreSelection,
    unit: BucketUnit,
    minutes_behind_utc: int,
) -> list[Bucket]:
    """Return totals of every score in each bucket of time, by name and then time, without empty buckets."""
    bin_length = _BINS.get(unit, _DAY)
    origin = _A_MIDNIGHT + timedelta(minutes=minutes_behind_utc)
    rows = await _fetch(connection, names, "over_time", range_, unit, minutes_behind_utc, bin_length, origin)
    return [Bucket(name, at, count, int(sum_), low, high) for name, at, count, sum_, low, high in rows]


async def trends(
    connection: Connection, names: ScoreNames, range_: ScoreSelection, instants: list[datetime]
) -> list[TimeBucket]:
    """Return totals of every score in the buckets that begin at those instants, by name and then time,
    without empty buckets. The first instant must be the range's start."""
    rows = await _fetch(connection, names, "trends", range_, instants)
    return [TimeBucket(count, int(sum_), *rest) for count, sum_, *rest in map(tuple, rows)]


async def spread(
    connection: Connection,
    names: ScoreNames,
    range_: ScoreSelection,
    scores: Collection[str],
    bins: int,
    group_by: Column | Property | None = None,
) -> list[Spread]:
    """Count the values of the named scores in at most `bins` bins each, by name, group and then value,
    without empty bins. A score has the same bins in all groups. Groups are as in `compare`; without
    `group_by` there is one, None."""
    name_ids = list((await names.find(connection, range_.organization_id, scores)).values())
    rows = await _fetch(connection, names, "spread", range_, bins, scores=name_ids, group_by=group_by)
    return [
        Spread(count, int(sum_), low, high, boolean, group, name, int(lower), int(width), int(squares))
        for count, sum_, low, high, boolean, group, name, lower, width, squares in rows
    ]


async def distributions(
    connection: Connection, names: ScoreNames, range_: ScoreSelection, bins: int
) -> list[Bin]:
    """Count each score's values in at most `bins` bins of equal width, empty bins included."""
    found = []
    counts: dict[str, dict[int, int]] = {}
    bounds: dict[str, tuple[int, int, int]] = {}
    for name, lowest, highest, used, number, count in await _fetch(
        connection, names, "distributions", range_, bins
    ):
        counts.setdefault(name, {})[number] = count
        bounds[name] = int(lowest), int(highest), int(used)
    for name, (lowest, highest, used) in bounds.items():
        edges = [(lowest * (used - i) + highest * i) / used for i in range(used + 1)]
        found += [Bin(name, edges[i], edges[i + 1], counts[name].get(i, 0)) for i in range(used)]
    return found


async def compare(
    connection: Connection,
    names: ScoreNames,
    range_: ScoreSelection,
    scores: list[str],
    group_by: GroupBy,
) -> list[Group]:
    """Return the named scores by group and name. Requests without the column, property or author are the last
    group."""
    name_ids = list((await names.find(connection, range_.organization_id, scores)).values())
    rows = await _fetch(connection, names, "compare", range_, scores=name_ids, group_by=group_by)
    return _make_groups(rows)


async def compare_opinions(
    connection: Connection, names: ScoreNames, range_: ScoreSelection, group_by: ScorePart
) -> list[Group]:
    """Return the opinions on one score, the newest value of each author, by group."""
    organization_id, wanted = range_.organization_id, {group_by.name, *score_names(range_.tree)}
    name_ids = await names.find(connection, organization_id, wanted)
    if group_by.name not in name_ids:
        return []
    fixed = (organization_id, range_.start, range_.end, [name_ids[group_by.name]])
    by_hash = not await _is_of_few_requests(connection, range_)
    compiled = compile_opinions(range_.tree, name_ids, len(fixed) + 1, group_by, by_hash=by_hash)
    return _make_groups(await _run(connection, "compare", compiled, fixed, by_hash=by_hash))


def _make_groups(rows: list[asyncpg.Record]) -> list[Group]:
    return [
        Group(value, name, count, int(sum_), *rest) for value, name, count, sum_, *rest in map(tuple, rows)
    ]


async def _fetch(
    connection: Connection,
    names: ScoreNames,
    statement: str,
    range_: ScoreSelection,
    *arguments: object,
    scores: list[int] | None = None,
    group_by: GroupBy | None = None,
) -> list[asyncpg.Record]:
    """Run a statement about the scores of those name ids; None, of all."""
    fixed = (
        range_.organization_id,
        range_.start,
        range_.end,
        *(() if scores is None else (scores,)),
        *arguments,
    )
    start = await choose_start(connection, names, range_.organization_id, range_.tree, ALL)
    if start is None:
        return []
    name_ids, group_of = start.name_ids, OWN
    if isinstance(group_by, ScorePart):
        of_group = await names.find(connection, range_.organization_id, [group_by.name])
        name_ids = {**name_ids, **of_group}
        group_of = OWN if scores == list(of_group.values()) else JOINED
    compiled = compile_conditions(range_.tree, name_ids, len(fixed) + 1, group_by, group_of)
    by_hash = compiled.slots.request != "" or group_of is not OWN
    if by_hash and (start.scores or await _is_small(connection, range_, scores)):
        compiled = compile_lookups(range_.tree, name_ids, len(fixed) + 1, group_by, start.scores)
        by_hash = False
    return await _run(connection, statement, compiled, fixed, by_hash=by_hash)


async def _run(
    connection: Connection, statement: str, compiled: Compiled, fixed: tuple[object, ...], *, by_hash: bool
) -> list[asyncpg.Record]:
    async with AsyncExitStack() as stack:
        if by_hash:
            await stack.enter_async_context(joined_by_hash(connection))
        return await connection.fetch(compiled.fill(_SQL[statement]), *fixed, *compiled.arguments)


async def _is_of_few_requests(connection: Connection, range_: ScoreSelection) -> bool:
    """Whether the requests of that time are so few that their history is looked up one by one."""
    limits = range_.organization_id, range_.start, range_.end, _MAX_LOOKUPS
    return bool(await connection.fetchval(_SQL["requests"], *limits) < _MAX_LOOKUPS)


async def _is_small(connection: Connection, range_: ScoreSelection, scores: list[int] | None) -> bool:
    """Whether the scores are so few that their requests are looked up one by one."""
    limits = range_.organization_id, range_.start, range_.end, scores, _MAX_LOOKUPS
    return bool(await connection.fetchval(_SQL["size"], *limits) < _MAX_LOOKUPS)
