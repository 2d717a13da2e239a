"""What one period changes: the states of a monitor's groups, and what its history keeps of that.

At most MAX_GROUPS are watched: those that fire, then those with the most data. A group without any data stays
for a week, so that its silence is seen, and is then forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec.structs import replace

from heliscore.domain.event import AlertType
from heliscore.domain.monitors.monitor_definition import MAX_GROUPS, Definition
from heliscore.domain.monitors.monitor_judgement import Judged, Measured, judge
from heliscore.domain.monitors.monitor_schedule import Window, window_at
from heliscore.domain.monitors.monitor_sentences import describe, describe_end
from heliscore.domain.monitors.monitor_states import GroupState, State, advance, find_alert
from heliscore.domain.statistics.compared import Direction

_FORGET_DAYS: Final = 7
_WORST_FIRST: Final[tuple[State, ...]] = ("firing", "no_data")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a monitor's history."""

    at: datetime
    group: str | None = None
    previous_state: State | None = None
    state: State | None = None
    """None: the states stayed, as where periods were skipped."""

    value: float | None = None
    base_value: float | None = None
    count: int = 0
    reason: str


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """How things stand after a period."""

    states: tuple[GroupState, ...] = ()
    groups_left_out: int = 0
    """Groups with data that are not watched."""

    @property
    def worst(self) -> State:
        """The state of the group that stands worst."""
        found = {state.state for state in self.states}
        return next((state for state in _WORST_FIRST if state in found), "ok")


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be told of a group."""

    type: AlertType
    previous_state: State
    state: GroupState
    sentence: str
    window: Window


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """One period's stand, and how it came about."""

    end: datetime
    stand: Stand
    sentences: dict[str | None, str]
    """By group: what was found."""

    changes: list[Change]
    without_data: frozenset[str | None]
    """The groups that had too little data."""


class Reading(msgspec.Struct, frozen=True):
    """What the database says of a window and of the one that it is compared with, the largest groups."""

    measured: Sequence[Measured]
    base: Sequence[Measured] = ()
    groups: int = 0
    """How many there are, those that were not read included."""


def evaluate(
    definition: Definition, direction: Direction, before: Stand, reading: Reading, end: datetime
) -> Period:
    """Take the step from one period to the next. Raises NotMeasurable."""
    window = window_at(definition, end)
    known = {state.group: state for state in before.states}
    chosen = _choose(definition, known, reading.measured, end)
    present = {one.group for one in reading.measured}
    judged = judge(definition, direction, chosen, reading.base)
    states, changes, sentences = [], [], {}
    for one in judged:
        group = one.measured.group
        earlier = known.get(group) or GroupState(group=group, since=end, at=end, seen_at=end)
        sentence = describe(definition, one, window)
        state = _note(advance(earlier, one.outcome, end, definition.rule), one, end)
        if group not in present and definition.group_by is not None and _is_forgotten(earlier, end):
            # It is not chosen again, since it does not fire.
            sentence = describe_end(definition, group, _FORGET_DAYS)
            state = replace(state, state="ok", since=end, streak=0)
        states.append(state)
        sentences[group] = sentence
        if state.state != earlier.state:
            changes.append(_make_change(earlier, state, sentence))
    left_out = max(0, reading.groups - len(present & {one.group for one in chosen}))
    stand = Stand(states=tuple(states), groups_left_out=left_out)
    return Period(
        end=end,
        stand=stand,
        sentences=sentences,
        changes=changes,
        without_data=frozenset(one.measured.group for one in judged if one.outcome == "no_data"),
    )


def _choose(
    definition: Definition,
    known: dict[str | None, GroupState],
    measured: Sequence[Measured],
    end: datetime,
) -> list[Measured]:
    found = {one.group: one for one in measured}
    if definition.group_by is None:
        return [found.get(None) or _nothing(definition, None)]
    for group, state in known.items():
        if group not in found and (state.state == "firing" or not _is_forgotten(state, end)):
            found[group] = _nothing(definition, group)
    firing = {group for group, state in known.items() if state.state == "firing"}
    by_size = sorted(
        found.values(),
        key=lambda one: (one.group not in firing, -one.count, one.group is None, one.group or ""),
    )
    return by_size[:MAX_GROUPS]


def _nothing(definition: Definition, group: str | None) -> Measured:
    return Measured(group=group, value=0.0 if definition.statistic == "count" else None)


def _is_forgotten(state: GroupState, end: datetime) -> bool:
    return state.seen_at is not None and end - state.seen_at > timedelta(days=_FORGET_DAYS)


def _note(state: GroupState, judged: Judged, end: datetime) -> GroupState:
    measured, base = judged.measured, judged.base
    return replace(
        state,
        at=end,
        seen_at=end if measured.count else state.seen_at,
        value=measured.value,
        base_value=None if base is None else base.value,
        count=measured.count,
    )


def _make_change(before: GroupState, after: GroupState, reason: str) -> Change:
    return Change(
        at=after.at,
        group=after.group,
        previous_state=before.state,
        state=after.state,
        value=after.value,
        base_value=after.base_value,
        count=after.count,
        reason=reason,
    )


def find_alerts(definition: Definition, before: Stand, last: Period) -> tuple[Stand, list[Alert]]:
    """Find the alerts after one period, or the last of several that were caught up with; return the stand in
    which they are noted, too."""
    earlier = {state.group: state.state for state in before.states}
    window = window_at(definition, last.end)
    states, alerts = [], []
    for state in last.stand.states:
        previous = earlier.get(state.group, "ok")
        kind = find_alert(previous, state, definition.renotify)
        if kind is not None:
            state = replace(state, notified_at=last.end if kind == "alert.firing" else None)
            alerts.append(
                Alert(
                    type=kind,
                    previous_state=previous,
                    state=state,
                    sentence=last.sentences[state.group],
                    window=window,
                )
            )
        states.append(state)
    return replace(last.stand, states=tuple(states)), alerts
