"""Statistics of scores over time and by value, computed exactly by the database."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import asyncpg
import msgspec

from heliscore.domain.bin_edges import Edge, bin_edges
from heliscore.domain.filter_tree import GroupBy
from heliscore.domain.statistics.samples import Sample
from heliscore.store.connections.pool import Connection
from heliscore.store.score_scan import ScoreSelection, scan
from heliscore.store.scores import ScoreNames
from heliscore.store.search.score_columns import ScoreColumns
from heliscore.store.statements import load

_SQL = load("evaluation")

BucketUnit = Literal["minute", "hour", "day", "week", "month", "year"]

_DAY: Final = timedelta(days=1)
_BINS: Final[dict[BucketUnit, timedelta]] = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}
"""The length of the bins that scores are put into first. Longer units, whose length varies, use a day."""

Clock = int | str
"""Minutes behind UTC, or the name of a time zone, as `is_time_zone` finds it."""

_ZONE_NAME: Final = re.compile(r"UTC|Etc/GMT[+-]\d{1,2}|[A-Za-z_]+(/[A-Za-z_]+(-[A-Za-z_]+)*)+", re.ASCII)

_A_MIDNIGHT: Final = datetime(2000, 1, 1, tzinfo=UTC)


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


class Period(Total, frozen=True):
    """One score in a time."""

    squares: int
    """The sum of the values' squares."""

    any_boolean: bool

    @property
    def sample(self) -> Sample:
        return Sample(self.count, self.sum, self.squares)

    @property
    def is_share(self) -> bool:
        """Whether all values are 0 or 1 and some were sent as booleans: the average is the share of true."""
        return self.any_boolean and self.lowest >= 0 and self.highest <= 1


class TimeBucket(Period, frozen=True):
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
    lower: Edge
    upper: Edge
    count: int


async def list_names(connection: Connection, organization_id: int) -> list[str]:
    """Return every name under which the organization has a score, sorted."""
    return [name for (name,) in await connection.fetch(_SQL["names"], organization_id)]


async def over_time(
    connection: Connection,
    names: ScoreNames,
    range_: ScoreSelection,
    unit: BucketUnit,
    clock: Clock,
) -> list[Bucket]:
    """Return totals of every score in each bucket of time, by name and then time, without empty buckets."""
    bin_length = _BINS.get(unit, _DAY)
    if isinstance(clock, str):
        rows = await scan(connection, names, "over_time_in_zone", range_, unit, clock, bin_length)
    else:
        origin = _A_MIDNIGHT + timedelta(minutes=clock)
        rows = await scan(connection, names, "over_time", range_, unit, clock, bin_length, origin)
    return [Bucket(name, at, count, int(sum_), low, high) for name, at, count, sum_, low, high in rows]


async def is_time_zone(connection: Connection, name: str) -> bool:
    """Whether it is the name of a time zone. PostgreSQL computes with zones of its own, so it is asked; but
    it also takes abbreviations such as CET for an offset, and `Foo/Bar3` for a rule: these are no names."""
    if not _ZONE_NAME.fullmatch(name):
        return False
    try:
        await connection.fetch(_SQL["check_time_zone"], name)
    except asyncpg.InvalidParameterValueError:
        return False
    return True


async def trends(
    connection: Connection, names: ScoreNames, range_: ScoreSelection, instants: list[datetime]
) -> list[TimeBucket]:
    """Return totals of every score in the buckets that begin at those instants, by name and then time,
    without empty buckets. The first instant must be the range's start."""
    rows = await scan(connection, names, "trends", range_, instants)
    return [
        TimeBucket(count, int(sum_), low, high, all_boolean, int(squares), *rest)
        for count, sum_, low, high, all_boolean, squares, *rest in map(tuple, rows)
    ]


async def spread(
    connection: Connection,
    names: ScoreNames,
    range_: ScoreSelection,
    scores: Collection[str],
    bins: int,
    group_by: GroupBy | None = None,
) -> list[Spread]:
    """Count the values of the named scores in at most `bins` bins each, by name, group and then value,
    without empty bins. A score has the same bins in all groups. Groups are as in `compare`; without
    `group_by` there is one, None."""
    name_ids = list((await names.find(connection, range_.organization_id, scores)).values())
    columns = ScoreColumns(group_by=group_by)
    rows = await scan(connection, names, "spread", range_, bins, scores=name_ids, columns=columns)
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
    for name, lowest, highest, used, number, count in await scan(
        connection, names, "distributions", range_, bins
    ):
        counts.setdefault(name, {})[number] = count
        bounds[name] = int(lowest), int(highest), int(used)
    for name, (lowest, highest, used) in bounds.items():
        edges = bin_edges(lowest, highest, used)
        found += [Bin(name, edges[i], edges[i + 1], counts[name].get(i, 0)) for i in range(used)]
    return found
