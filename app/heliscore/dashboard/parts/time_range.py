"""What a page of numbers looks at: a stretch of time and some of the requests in it. All of it stands in the
page's address, so that a view can be kept, and sent to a colleague."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

import msgspec
from starlette.datastructures import QueryParams

from heliscore.api.http.field_errors import FieldErrors
from heliscore.domain.errors import FieldError
from heliscore.domain.filter_tree import AllOf, Column, Compare, Exists, Filter, Property
from heliscore.domain.messages import described
from heliscore.store.evaluations import ScoreSelection

RANGES: Final[dict[str, timedelta]] = {
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
}
"""By their names in the address, shortest first."""

DEFAULT_RANGE: Final = "7d"

STEPS: Final[dict[str, timedelta]] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}

_COLUMNS: Final = {"model": "model", "prompt": "prompt_id", "version": "prompt_version"}
"""What requests are filtered by: the name in the address, and the column."""

_KNOWN: Final = frozenset(("range", "from", "to", "key", "value", *_COLUMNS))
_MAX_DAYS: Final = 3660
_MAX_STRETCHES: Final = 530
_A_MONDAY: Final = datetime(1970, 1, 5, tzinfo=UTC)


class View(msgspec.Struct, frozen=True):
    """What an address asks for. With `faults`, time and range are the default's."""

    pairs: tuple[tuple[str, str], ...]
    """The parameters that are known and not empty, in their order."""

    start: datetime
    end: datetime
    errors: tuple[FieldError, ...]

    def all(self, name: str) -> list[str]:
        """The values of a parameter, each once."""
        return list(dict.fromkeys(value for key, value in self.pairs if key == name))

    def one(self, name: str) -> str:
        """The value of a parameter, the last where there are more; empty where there is none."""
        return next((value for key, value in reversed(self.pairs) if key == name), "")

    @property
    def range(self) -> str:
        """One of RANGES, or `custom`."""
        return "custom" if self.one("from") or self.one("to") else self.one("range") or DEFAULT_RANGE

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    @property
    def filters(self) -> list[tuple[str, str]]:
        """What is filtered by, in words, and the address's parameters for it."""
        found = [(name, self.one(name)) for name in _COLUMNS if self.one(name)]
        if key := self.one("key"):
            found.append(("key", f"{key} = {self.one('value')}" if self.one("value") else key))
        return found

    @property
    def tree(self) -> Filter:
        """The requests that count."""
        parts: list[Filter] = [
            Compare(Column(column), "=", value)
            for name, column in _COLUMNS.items()
            if (value := self.one(name))
        ]
        if key := self.one("key"):
            value = self.one("value")
            parts.append(Compare(Property(key), "=", value) if value else Exists(Property(key)))
        return AllOf(tuple(parts))

    def in_range(self, organization_id: int, *more: Filter) -> ScoreSelection:
        """The scores that count, of requests that also match `more`."""
        return ScoreSelection(organization_id, AllOf((self.tree, *more)), self.start, self.end)

    def with_previous(self, organization_id: int) -> ScoreSelection:
        """The same with the period before, of equal length."""
        return ScoreSelection(organization_id, self.tree, self.start - self.length, self.end)

    def address(self, *without: str, **changes: str | list[str]) -> str:
        """The address of a view that differs in some parameters, from the page on: `?…`."""
        gone = {*without, *changes, *(("from", "to") if "range" in changes else ())}
        pairs = [pair for pair in self.pairs if pair[0] not in gone]
        for name, values in changes.items():
            pairs += [(name, value) for value in ([values] if isinstance(values, str) else values)]
        return "?" + urlencode(pairs)

    def pairs_without(self, *names: str) -> list[tuple[str, str]]:
        """What a form carries along that asks for these names itself."""
        return [pair for pair in self.pairs if pair[0] not in names]


def read_view(query: QueryParams, now: datetime, own: frozenset[str]) -> View:
    """Read an address; `own` are the page's parameters beside those of every view. Others are left out."""
    errors = FieldErrors()
    pairs = tuple(
        (key, value) for key, value in query.multi_items() if value and (key in _KNOWN or key in own)
    )
    for key, value in pairs:
        if "\0" in value:
            errors.add(key, "must not contain NUL")
    view = View(pairs, now - RANGES[DEFAULT_RANGE], now, ())
    start, end = view.start, now
    if view.range == "custom":
        first, last = (
            _read_date(view, "from", errors),
            _read_date(view, "to", errors) or now.date(),
        )
        if first is None:
            if not view.one("from"):
                errors.add("from", "missing; a range of your own begins at a date")
        elif last < first:
            errors.add("to", f"must not be before {first}")
        elif (last - first).days >= _MAX_DAYS:
            errors.add("to", f"expected a range of at most {_MAX_DAYS} days")
        else:
            start, end = _midnight(first), _midnight(last) + timedelta(days=1)
    elif view.range in RANGES:
        start = now - RANGES[view.range]
    else:
        errors.add("range", f"expected one of {', '.join(RANGES)}, got {described(view.range)}")
    if view.one("value") and not view.one("key"):
        errors.add("key", "missing; a value belongs to a property")
    return View(pairs, start, end, errors.found)


def _read_date(view: View, name: str, errors: FieldErrors) -> date | None:
    text = view.one(name)
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


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def possible_steps(length: timedelta) -> list[str]:
    """The steps that divide a period into a few stretches at least and not too many; for every period that a
    view can have there is one."""
    return [name for name, step in STEPS.items() if 2 * step <= length <= _MAX_STRETCHES * step]


def usual_step(length: timedelta) -> str:
    """The step that shows most at a glance."""
    return "hour" if length <= timedelta(days=2) else "day" if length <= timedelta(days=45) else "week"


def stretches(start: datetime, end: datetime, step: timedelta) -> list[datetime]:
    """Where the hours, days (UTC) or weeks (from Monday) begin of which the period has a part."""
    first = start - (start - _A_MONDAY) % step
    return [first + number * step for number in range(-(-(end - first) // step))]
