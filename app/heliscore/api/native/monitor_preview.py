"""`POST /v1/monitors/preview`: when a monitor would have fired."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_schema import COUNT, STRING, Schema, list_of_objects, nullable
from heliscore.api.native.monitor_definitions import read_definition
from heliscore.api.native.monitor_fields import PREVIEW_BODY
from heliscore.api.native.monitor_runs import find_direction, judge_period
from heliscore.api.shared import envelope
from heliscore.api.shared.score_selection import TIME_FIELD, read_times
from heliscore.domain.errors import FieldError, InvalidInput, NotMeasurable
from heliscore.domain.monitors.monitor_definition import Definition
from heliscore.domain.monitors.monitor_periods import Period, Stand
from heliscore.domain.monitors.monitor_schedule import last_end, next_end, window_at
from heliscore.domain.times import exactly_now, format_time
from heliscore.observability.event_loop import Turn
from heliscore.store.monitor_readings import read_period

_MAX_PERIODS: Final = 1_000
_LIMIT_S: Final = 30


class _Series(msgspec.Struct):
    """One group, in the periods in which it was watched."""

    at: list[str] = []
    values: list[float | None] = []
    base_values: list[float | None] = []
    counts: list[int] = []
    no_data: int = 0
    firings: list[dict[str, Any]] = []


async def preview_monitor(call: ApiCall) -> Response:
    """Run a monitor over the past, as scores stand now, and say when it would have fired.

    The periods are those that end after `start`, up to `end`, at most 1,000. Nothing is stored, and nobody is
    told. `noData` counts the periods in which a group had too little data.
    """
    definition, values = read_definition(PREVIEW_BODY, await call.body())
    ends = _find_periods(definition, *read_times(values[TIME_FIELD]))
    series: dict[str | None, _Series] = {}
    left_out = 0
    turn = Turn()
    for period in await _run(call, definition, ends):
        left_out = max(left_out, period.stand.groups_left_out)
        _add(series, period)
        await turn.give_way()
    return envelope.answer(
        {
            "periods": len(ends),
            "groupsLeftOut": left_out,
            "groups": [_show(group, one) for group, one in sorted(series.items(), key=_by_firings)],
        }
    )


def _find_periods(definition: Definition, start: datetime, end: datetime) -> list[datetime]:
    every = definition.every
    first, last = next_end(start, every), last_end(min(end, exactly_now()), every)
    count = (last - first) // every + 1
    if count > _MAX_PERIODS:
        minutes = ceil((last - first + every) / _MAX_PERIODS / timedelta(minutes=1))
        raise InvalidInput(
            [
                FieldError(
                    "everyMinutes",
                    f"at most {_MAX_PERIODS} periods, got {count}: {minutes} or more would fit that time",
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
            raise InvalidInput([FieldError(TIME_FIELD.key, message)])
    return periods


def _add(series: dict[str | None, _Series], period: Period) -> None:
    at = format_time(period.end)
    for state in period.stand.states:
        one = series.setdefault(state.group, _Series())
        one.at.append(at)
        one.values.append(state.value)
        one.base_values.append(state.base_value)
        one.counts.append(state.count)
        one.no_data += state.group in period.without_data
    for change in period.changes:
        firings = series[change.group].firings
        if change.state == "firing":
            firings.append({"firedAt": at, "resolvedAt": None, "sentence": change.reason})
        elif change.previous_state == "firing":
            firings[-1]["resolvedAt"] = at


def _by_firings(item: tuple[str | None, _Series]) -> tuple[bool, bool, str]:
    """Those that would have fired first."""
    group, one = item
    return not one.firings, group is None, group or ""


def _show(group: str | None, one: _Series) -> dict[str, Any]:
    return {
        "group": group,
        "firings": one.firings,
        "noData": one.no_data,
        "at": one.at,
        "values": one.values,
        "baseValues": one.base_values,
        "counts": one.counts,
    }


_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_NUMBERS: Final[Schema] = {"type": "array", "items": {"type": ["number", "null"]}}
_GROUP: Final[dict[str, Schema]] = {
    "group": {"type": ["string", "null"]},
    "firings": list_of_objects({"firedAt": _TIME, "resolvedAt": nullable(_TIME), "sentence": STRING}),
    "noData": COUNT,
    "at": {"type": "array", "items": _TIME, "description": "The ends of the periods of the values."},
    "values": _NUMBERS,
    "baseValues": _NUMBERS,
    "counts": {"type": "array", "items": COUNT},
}
_ANSWER: Final[Schema] = {
    "type": "object",
    "properties": {"periods": COUNT, "groupsLeftOut": COUNT, "groups": list_of_objects(_GROUP)},
    "required": ["periods", "groupsLeftOut", "groups"],
    "additionalProperties": False,
}
_END: Final = "2026-11-22T10:00:00.000Z"

ENDPOINTS: Final = (
    envelope.endpoint(
        "POST",
        "/v1/monitors/preview",
        preview_monitor,
        "r",
        "Monitors",
        body=PREVIEW_BODY,
        data=_ANSWER,
        data_example={
            "periods": 1,
            "groupsLeftOut": 0,
            "groups": [
                {
                    "group": None,
                    "firings": [
                        {
                            "firedAt": _END,
                            "resolvedAt": None,
                            "sentence": "relevance average 61.2 is below 70: 207 scores, 09:00 to 10:00 UTC",
                        }
                    ],
                    "noData": 0,
                    "at": [_END],
                    "values": [61.2],
                    "baseValues": [None],
                    "counts": [207],
                }
            ],
        },
    ),
)
