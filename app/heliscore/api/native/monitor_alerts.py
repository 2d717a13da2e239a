"""The JSON of alerts, as events carry it."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from heliscore.api.shared.filter_leaves import Leaf, between, both, equals
from heliscore.domain.monitors.monitor_definition import Definition
from heliscore.domain.monitors.monitor_periods import Alert, Stand
from heliscore.domain.monitors.monitor_schedule import Window, window_at
from heliscore.domain.times import format_time


def show_alert(id_: str, definition: Definition, alert: Alert) -> dict[str, Any]:
    """An alert of the monitor with that id."""
    state = alert.state
    return {
        "monitor": {"id": id_, "name": definition.name},
        "group": state.group,
        "state": state.state,
        "previousState": alert.previous_state,
        "value": state.value,
        "baseValue": state.base_value,
        "count": state.count,
        "sentence": alert.sentence,
        "window": {"start": format_time(alert.window.start), "end": format_time(alert.window.end)},
        "at": format_time(state.at),
        "filter": find_requests(definition, state.group, alert.window),
        "destinations": None if definition.destinations is None else list(definition.destinations),
    }


def find_requests(definition: Definition, group: str | None, window: Window, *more: Leaf) -> Any:
    """The filter that finds the requests of a group in a window, that meet `more`."""
    leaves: list[Leaf] = [between(window.start, window.end), *more]
    if definition.group_by is not None:
        leaves.append(equals(definition.group_by, group))
    return both(definition.filter, *leaves)


def withdraw(definition: Definition, stand: Stand, reason: str) -> list[Alert]:
    """End the alerts of a monitor whose states are given up."""
    return [
        Alert(
            type="alert.resolved",
            previous_state=state.state,
            state=replace(state, state="ok"),
            sentence=reason,
            window=window_at(definition, state.at),
        )
        for state in stand.states
        if state.state == "firing"
    ]
