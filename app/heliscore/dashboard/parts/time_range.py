"""The time range and the filters of a page of numbers. They are in the page's address, so that it can be
bookmarked and shared."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final
from urllib.parse import urlencode

import msgspec
from starlette.datastructures import QueryParams

from heliscore.api.http.field_errors import FieldErrors
from heliscore.api.shared.filter_leaves import Leaf, equals, has
from heliscore.domain.errors import FieldError
from heliscore.domain.filter_tree import AllOf, Column, Compare, Exists, Filter, Property
from heliscore.domain.messages import described
from heliscore.domain.time_zones import find_zone
from heliscore.store.score_scan import ScoreSelection

RANGES: Final[dict[str, timedelta]] = {
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
}
"""By name in the address, shortest first."""

DEFAULT_RANGE: Final = "7d"

STEPS: Final[dict[str, timedelta]] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}

_COLUMNS: Final = {"model": "model", "prompt": "prompt_id", "version": "prompt_version"}
"""Filters by name in the address, and the columns they compare."""

SHARED: Final = ("range", "from", "to", "zone", *_COLUMNS, "key", "value")
"""The parameters that go along from one page of numbers to the next."""

ZONES: Final = (
    *("UTC", "America/Los_Angeles", "America/Chicago", "America/New_York", "America/Sao_Paulo"),
    *("Europe/London", "Europe/Berlin", "Africa/Johannesburg", "Asia/Kolkata", "Asia/Shanghai", "Asia/Tokyo"),
    "Australia/Sydney",
)
"""The time zones that pages offer; an address may have any other."""

_MAX_DAYS: Final = 3660
_MAX_BUCKETS: Final = 530


class TimeRange(msgspec.Struct, frozen=True):
    """The time range and filters of an address. If there are errors, the time range is the default one."""

    pairs: tuple[tuple[str, str], ...]
    """The known parameters that are not empty."""

    start: datetime
    end: datetime
    errors: tuple[FieldError, ...]
    zone: tzinfo = UTC
    """By whose clock days begin and times are shown."""

    def all(self, name: str) -> list[str]:
        """The values of a parameter, each once."""
        return list(dict.fromkeys(value for key, value in self.pairs if key == name))

    def one(self, name: str) -> str:
        """The value of a parameter, the last where there are more; empty where there is none."""
        return next((value for key, value in reversed(self.pairs) if key == name), "")

    @property
    def name(self) -> str:
        """One of RANGES, or `custom`."""
        return "custom" if self.one("from") or self.one("to") else self.one("range") or DEFAULT_RANGE

    @property
    def zone_name(self) -> str:
        return self.one("zone") if self.zone is not UTC else "UTC"

    @property
    def zones(self) -> list[str]:
        """The time zones to choose from."""
        return list(dict.fromkeys((*ZONES, self.zone_name)))

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    @property
    def filters(self) -> list[tuple[str, str]]:
        """The parameter of each filter, and the filter in words."""
        found = [(name, self.one(name)) for name in _COLUMNS if self.one(name)]
        if key := self.one("key"):
            found.append(("key", f"{key} = {self.one('value')}" if self.one("value") else key))
        return found

    @property
    def filter(self) -> Filter:
        parts: list[Filter] = [
            Compare(Column(column), "=", value)
            for name, column in _COLUMNS.items()
            if (value := self.one(name))
        ]
        if key := self.one("key"):
            value = self.one("value")
            parts.append(Compare(Property(key), "=", value) if value else Exists(Property(key)))
        return AllOf(tuple(parts))

    @property
    def times(self) -> Filter:
        """The requests in the range."""
        created = Column("created_at")
        return AllOf((Compare(created, ">=", self.start), Compare(created, "<", self.end)))

    @property
    def leaves(self) -> list[Leaf]:
        """The same as `filter` in Helicone's JSON."""
        found = [
            equals(Column(column), self.one(name)) for name, column in _COLUMNS.items() if self.one(name)
        ]
        if key := self.one("key"):
            value = self.one("value")
            found.append(equals(Property(key), value) if value else has(Property(key)))
        return found

    def selection(self, organization_id: int, *more: Filter) -> ScoreSelection:
        """The scores in the range of requests that match the filters and `more`."""
        return ScoreSelection(organization_id, AllOf((self.filter, *more)), self.start, self.end)

    def selection_with_previous(self, organization_id: int) -> ScoreSelection:
        """The scores in the range and in the period of equal length before it."""
        return ScoreSelection(organization_id, self.filter, self.start - self.length, self.end)

    def href(self, *without: str, **changes: str | list[str]) -> str:
        """The query of this page's address with some parameters left out or changed: `?…`."""
        gone = {*without, *changes, *(("from", "to") if "range" in changes else ())}
        pairs = [pair for pair in self.pairs if pair[0] not in gone]
        for name, values in changes.items():
            pairs += [(name, value) for value in ([values] if isinstance(values, str) else values)]
        return "?" + urlencode(pairs)

    def pairs_without(self, *names: str) -> list[tuple[str, str]]:
        """The parameters that a form keeps in hidden fields; `names` are its own fields."""
        return [pair for pair in self.pairs if pair[0] not in names]


def read_time_range(query: QueryParams, now: datetime, own: frozenset[str]) -> TimeRange:
    """Read an address. `own` are the page's own parameters; unknown ones are ignored."""
    errors = FieldErrors()
    pairs = tuple(
        (key, value) for key, value in query.multi_items() if value and (key in SHARED or key in own)
    )
    for key, value in pairs:
        if "\0" in value:
            errors.add(key, "must not contain NUL")
    time_range = TimeRange(pairs, now - RANGES[DEFAULT_RANGE], now, ())
    start, end = time_range.start, now
    zone = _read_zone(time_range.one("zone"), errors)
    if time_range.name == "custom":
        first, last = (
            _read_date(time_range, "from", errors),
            _read_date(time_range, "to", errors) or now.astimezone(zone).date(),
        )
        if first is None:
            if not time_range.one("from"):
                errors.add("from", "missing; a custom range needs a first day")
        elif last < first:
            errors.add("to", f"must not be before {first}")
        elif (last - first).days >= _MAX_DAYS:
            errors.add("to", f"expected a range of at most {_MAX_DAYS} days")
        else:
            start, end = _midnight(first, zone), _midnight(last + timedelta(days=1), zone)
    elif time_range.name in RANGES:
        start = now - RANGES[time_range.name]
    else:
        errors.add("range", f"expected one of {', '.join(RANGES)}, got {described(time_range.name)}")
    if time_range.one("value") and not time_range.one("key"):
        errors.add("key", "missing; a value belongs to a property")
    return TimeRange(pairs, start, end, errors.found, zone)


def _read_zone(name: str, errors: FieldErrors) -> tzinfo:
    found = find_zone(name) if name else UTC
    if found is None:
        errors.add("zone", f"expected the name of a time zone, such as Europe/Berlin, got {described(name)}")
    return found or UTC


def _read_date(time_range: TimeRange, name: str, errors: FieldErrors) -> date | None:
    text = time_range.one(name)
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    # The years that are stored, with room for the period before.
    if found is None or not 1000 <= found.year < 9999:
        errors.add(name, f"expected a date such as 2026-01-31, got {described(text)}")
        return None
    return found


def _midnight(day: date, zone: tzinfo) -> datetime:
    """The beginning of a day: the first midnight where a clock shows two, the first instant where it shows
    none."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def shorter_ranges(length: timedelta) -> list[str]:
    """The ranges to offer where one took too long, longest first."""
    return [name for name, other in reversed(RANGES.items()) if other < length]


def possible_steps(length: timedelta) -> list[str]:
    """The steps that divide a period into two buckets at least and not too many. Every period has one."""
    return [name for name, step in STEPS.items() if 2 * step <= length <= _MAX_BUCKETS * step]


def default_step(length: timedelta) -> str:
    """The step of a page that does not name one."""
    return "hour" if length <= timedelta(days=2) else "day" if length <= timedelta(days=45) else "week"


def bucket_starts(start: datetime, end: datetime, step: timedelta, zone: tzinfo = UTC) -> list[datetime]:
    """The starts of the hours, days or weeks (from Monday) by the zone's clock that overlap the period."""
    local = start.astimezone(zone)
    if step == STEPS["hour"]:
        first = local.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
        return [first + number * step for number in range(-(-(end - first) // step))]
    day = local.date() - timedelta(days=local.weekday() if step == STEPS["week"] else 0)
    begins = []
    while (begin := _midnight(day, zone)) < end:
        begins.append(begin)
        day += step
    return begins
