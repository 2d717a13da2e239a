"""Runs a monitor over the past, as scores stand now."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Final

import msgspec

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.native.monitor_runs import find_direction, judge_period
from heliscore.domain.errors import FieldError, InvalidInput, NotMeasurable
from heliscore.domain.monitors.monitor_definition import Definition
from heliscore.domain.monitors.monitor_periods import Period, Stand
from heliscore.domain.monitors.monitor_schedule import last_end, next_end, window_at
from heliscore.domain.times import exactly_now
from heliscore.observability.event_loop import Turn
from heliscore.store.monitor_readings import read_period

MAX_PERIODS: Final = 1_000
_LIMIT_S: Final = 30


class Firing(msgspec.Struct):
    """A time in which a group would have fired."""

    fired_at: datetime
    sentence: str
    resolved_at: datetime | None = None
    """None: it is not over."""


class Series(msgspec.Struct):
    """One group, in the periods in which it was watched, by their ends."""

    group: str | None
    at: list[datetime] = []
    values: list[float | None] = []
    base_values: list[float | None] = []
    counts: list[int] = []
    no_data: int = 0
    firings: list[Firing] = []


class Preview(msgspec.Struct):
    """What a monitor would have come to."""

    periods: int
    groups_left_out: int
    groups: list[Series]
    """Those that would have fired first."""


async def run_preview(call: ApiCall, definition: Definition, start: datetime, end: datetime) -> Preview:
    """Run a monitor over the periods that end after `start`, up to `end`, with one statement at a time.

    Raises InvalidInput for too many periods, and for a share of values that are not 0 or 1.
    """
    ends = _find_periods(definition, start, end)
    series: dict[str | None, Series] = {}
    left_out = 0
    turn = Turn()
    for period in await _run(call, definition, ends):
        left_out = max(left_out, period.stand.groups_left_out)
        _add(series, period)
        await turn.give_way()
    return Preview(len(ends), left_out, sorted(series.values(), key=_by_firings))


def _find_periods(definition: Definition, start: datetime, end: datetime) -> list[datetime]:
    every = definition.every
    first, last = next_end(start, every), last_end(min(end, exactly_now()), every)
    count = (last - first) // every + 1
    if count > MAX_PERIODS:
        minutes = ceil((last - first + every) / MAX_PERIODS / timedelta(minutes=1))
        raise InvalidInput(
            [
                FieldError(
                    "everyMinutes",
                    f"at most {MAX_PERIODS} periods, got {count}: {minutes} or more would fit that time",
                )
            ]
        )
    return [first + number * every for number in range(count)]


async def _run(call: ApiCall, definition: Definition, ends: Sequence[datetime]) -> list[Period]:
    """One period after the other, each on a connection that others may have had in between."""
    services, organization_id = call.services, call.principal.organization_id
    direction = await find_direction(services.definitions, organization_id, definition)
    periods: list[Period] = []
    begun = time.monotonic()
    for end in ends:
        async with services.database.connection() as connection:
            window = window_at(definition, end)
            reading = await read_period(connection, services.ids.names, organization_id, definition, window)
        before = periods[-1].stand if periods else Stand()
        try:
            periods.append(await judge_period(definition, direction, before, reading, end))
        except NotMeasurable as error:
            raise InvalidInput([FieldError("statistic", str(error))]) from None
        if time.monotonic() - begun > _LIMIT_S:
            message = f"{len(periods)} of {len(ends)} periods took {_LIMIT_S} s: ask for fewer"
            raise InvalidInput([FieldError("timeFilter", message)])
    return periods


def _add(series: dict[str | None, Series], period: Period) -> None:
    for state in period.stand.states:
        one = series.setdefault(state.group, Series(state.group))
        one.at.append(period.end)
        one.values.append(state.value)
        one.base_values.append(state.base_value)
        one.counts.append(state.count)
        one.no_data += state.group in period.without_data
    for change in period.changes:
        firings = series[change.group].firings
        if change.state == "firing":
            firings.append(Firing(period.end, change.reason))
        elif change.previous_state == "firing":
            firings[-1].resolved_at = period.end


def _by_firings(one: Series) -> tuple[bool, bool, str]:
    return not one.firings, one.group is None, one.group or ""
