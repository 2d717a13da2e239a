"""Monitors and their history in answers."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from heliscore.api.http.json_schema import (
    COUNT,
    STRING,
    Schema,
    list_of_objects,
    nullable,
    one_of,
    whole_object,
)
from heliscore.api.native.monitor_fields import EXAMPLE, answer_schema
from heliscore.domain.monitors.monitor_states import GroupState
from heliscore.domain.times import format_time
from heliscore.store.monitors import StoredChange, StoredMonitor


def show_monitor(monitor: StoredMonitor) -> dict[str, Any]:
    """A monitor with its states."""
    return {
        "id": monitor.id,
        "state": monitor.state,
        "states": [_show_state(state) for state in monitor.stand.states],
        "groupsLeftOut": monitor.stand.groups_left_out,
        "error": _show_error(monitor),
        "evaluatedUntil": format_time(monitor.evaluated_until),
        "nextAt": None if monitor.next_at is None else format_time(monitor.next_at),
        "createdAt": format_time(monitor.created_at),
        "updatedAt": format_time(monitor.updated_at),
        **msgspec.json.decode(monitor.definition),
    }


def _show_error(monitor: StoredMonitor) -> dict[str, Any] | None:
    if monitor.failing_since is None:
        return None
    return {
        "reason": monitor.error,
        "since": format_time(monitor.failing_since),
        "failures": monitor.failures,
    }


def _show_state(state: GroupState) -> dict[str, Any]:
    return {
        "group": state.group,
        "state": state.state,
        "since": format_time(state.since),
        "value": state.value,
        "baseValue": state.base_value,
        "count": state.count,
        "at": format_time(state.at),
    }


def show_change(change: StoredChange) -> dict[str, Any]:
    """An entry of the history."""
    return {
        "number": str(change.number),
        "at": format_time(change.at),
        "group": change.group,
        "previousState": change.previous_state,
        "state": change.state,
        "value": change.value,
        "baseValue": change.base_value,
        "count": change.count,
        "reason": change.reason,
    }


_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_STATE: Final = one_of(("ok", "firing", "no_data", "error"), "MonitorState")
_NUMBERS: Final[dict[str, Schema]] = {
    "value": {"type": ["number", "null"]},
    "baseValue": {"type": ["number", "null"], "description": "Of the window that it is compared with."},
    "count": COUNT,
}
_GROUP: Final[dict[str, Schema]] = {
    "group": {"type": ["string", "null"], "description": "null: no groups, or requests without a value."}
}
_GROUP_STATE: Final = {**_GROUP, "state": _STATE, "since": _TIME, **_NUMBERS, "at": _TIME}
_ERROR: Final[dict[str, Schema]] = {"reason": STRING, "since": _TIME, "failures": COUNT}
MONITOR_SCHEMA: Final = answer_schema(
    id=STRING,
    state={**_STATE, "description": "Of the group that stands worst."},
    states=list_of_objects(_GROUP_STATE, "MonitorGroup"),
    groupsLeftOut={**COUNT, "description": "Groups with data that are not watched: there are too many."},
    error=nullable(whole_object("MonitorError", _ERROR)),
    evaluatedUntil=_TIME,
    nextAt=nullable(_TIME),
    createdAt=_TIME,
    updatedAt=_TIME,
)
CHANGE_SCHEMA: Final[dict[str, Schema]] = {
    "number": STRING,
    "at": {**_TIME, "description": "The end of the period."},
    **_GROUP,
    "previousState": nullable(_STATE),
    "state": {**nullable(_STATE), "description": "null: no state changed, as where periods were skipped."},
    **_NUMBERS,
    "reason": STRING,
}
_AT: Final = "2026-11-28T10:00:00.000Z"
SHOWN: Final = {
    "id": "0f8b2a51-6a3c-4b55-9f0e-0c1d2e3f4a5b",
    "state": "firing",
    "states": [
        {
            "group": "5",
            "state": "firing",
            "since": _AT,
            "value": 61.2,
            "baseValue": None,
            "count": 207,
            "at": _AT,
        }
    ],
    "groupsLeftOut": 0,
    "error": None,
    "evaluatedUntil": _AT,
    "nextAt": "2026-11-28T10:05:00.000Z",
    "createdAt": _AT,
    "updatedAt": _AT,
    **EXAMPLE,
}
SHOWN_CHANGE: Final = {
    "number": "17",
    "at": _AT,
    "group": "5",
    "previousState": "ok",
    "state": "firing",
    "value": 61.2,
    "baseValue": None,
    "count": 207,
    "reason": "relevance average 61.2 is below 70 with prompt_version 5: 207 scores, 09:00 to 10:00 UTC",
}
