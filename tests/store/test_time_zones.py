"""Buckets of time on the clocks of zones, around their changes, against Python's zoneinfo."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from heliscore.domain.filter_tree import Everything
from heliscore.store.connections.pool import Connection
from heliscore.store.evaluations import BucketUnit, is_time_zone, over_time
from heliscore.store.score_scan import ScoreSelection
from heliscore.store.scores import ScoreIds

CHANGES = {
    "Europe/Berlin": ("2025-03-30T01:00Z", "2025-10-26T01:00Z", "1980-04-06T01:00Z"),
    "America/New_York": ("2024-03-10T07:00Z", "2024-11-03T06:00Z"),
    "America/St_Johns": ("2006-04-02T03:31Z", "2006-10-29T02:31Z"),  # at 00:01
    "America/Havana": ("2024-03-10T05:00Z", "2024-11-03T05:00Z"),  # at midnight, and back to midnight
    "America/Sao_Paulo": ("2018-11-04T03:00Z", "2019-02-17T02:00Z"),  # without a midnight
    "Australia/Lord_Howe": ("2024-04-06T15:00Z", "2024-10-05T15:30Z"),  # by half an hour
    "Antarctica/Casey": ("2020-10-03T16:01Z",),
    "Asia/Kathmandu": ("1985-12-31T18:30Z", "2024-06-01T00:00Z"),
    "Pacific/Kiritimati": ("1979-10-01T10:40Z", "1994-12-31T10:00Z"),  # a day is left out
    "Africa/Monrovia": ("1972-01-07T00:44:30Z",),
    "Etc/GMT+5": ("2024-06-01T00:00Z",),
    "UTC": ("2024-06-01T00:00Z",),
}
UNITS: tuple[BucketUnit, ...] = ("minute", "hour", "day", "week", "month", "year")
START, END = datetime(1900, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

INSERT = """
WITH inserted AS (
    INSERT INTO request (organization_id, request_id, created_at, updated_at)
    SELECT $1, 'r' || n, at, at FROM unnest($2::timestamptz[]) WITH ORDINALITY AS t (at, n)
    RETURNING request_no, created_at
)
INSERT INTO score (value, request_no, request_created_at, scored_at, organization_id, name_id)
SELECT 1, request_no, created_at, created_at, $1, $3 FROM inserted
"""


def instants() -> Iterator[datetime]:
    """At and around every change, and some at random within two days of it."""
    rng = random.Random(3)
    for change in (datetime.fromisoformat(one) for changes in CHANGES.values() for one in changes):
        near = [
            timedelta(seconds=seconds) for seconds in (-3601, -1, 0, 1, 59, 60, 899, 900, 1800, 3599, 3600)
        ]
        far = [timedelta(milliseconds=rng.randrange(-(2 * 10**8), 2 * 10**8)) for _ in range(15)]
        yield from (change + away for away in (*near, *far))


def begin_of(at: datetime, unit: BucketUnit, zone: ZoneInfo) -> datetime:
    """The first instant of the bucket on the zone's clock; hours and minutes keep the clock's offset."""
    local = at.astimezone(zone)
    naive = local.replace(tzinfo=None, second=0, microsecond=0, fold=0)
    if unit in ("minute", "hour"):
        if unit == "hour":
            naive = naive.replace(minute=0)
        return (naive - (local.utcoffset() or timedelta())).replace(tzinfo=UTC)
    naive = naive.replace(hour=0, minute=0)
    if unit == "week":
        naive -= timedelta(days=naive.weekday())
    if unit in ("month", "year"):
        naive = naive.replace(day=1)
    if unit == "year":
        naive = naive.replace(month=1)
    return naive.replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize("unit", UNITS)
async def test_buckets_are_what_python_finds(
    connection: Connection, organization_id: int, ids: ScoreIds, unit: BucketUnit
) -> None:
    times = [at.replace(microsecond=at.microsecond // 1000 * 1000) for at in instants()]
    name_ids = await ids.names.ensure(connection, organization_id, ["a"])
    await connection.execute(INSERT, organization_id, times, name_ids["a"])
    whole = ScoreSelection(organization_id, Everything(), START, END)
    for name in CHANGES:
        zone = ZoneInfo(name)
        expected: dict[datetime, int] = {}
        for at in times:
            begin = begin_of(at, unit, zone)
            expected[begin] = expected.get(begin, 0) + 1
        found = await over_time(connection, ids.names, whole, unit, name)
        assert {bucket.begins_at: bucket.count for bucket in found} == expected, name
        assert sum(bucket.count for bucket in found) == len(times)


async def test_names_of_zones_are_known(connection: Connection) -> None:
    rows = await connection.fetch("SELECT name FROM pg_timezone_names")
    named = {name for (name,) in rows if "/" in name and not name.startswith(("posix/", "right/"))}
    unknown = {name for name in {*named, "UTC"} if not await is_time_zone(connection, name)}
    assert len(named) > 400
    assert unknown <= {"Etc/GMT0"}
