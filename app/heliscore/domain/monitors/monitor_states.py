"""The states of a monitor's groups, and how each period changes them.

    ok ── bad `for_periods` in a row ──▶ firing ── recovered `recover_for_periods` in a row ──▶ ok

A value between the limit and `recover_at` is neither bad nor recovered. A period without data counts as the
rule says; where that is a state, `no_data`, it is entered at once and left with the next data.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from heliscore.domain.event import AlertType
from heliscore.domain.monitors.monitor_definition import Rule

State = Literal["ok", "firing", "no_data", "error"]
"""`error` is of a monitor that cannot be evaluated; its groups then stay as they were."""

ERROR_FAILURES: Final = 3
"""So many attempts in a row that fail are an error."""

Outcome = Literal["bad", "between", "recovered", "no_data"]
"""Of one group in one period."""


class GroupState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How things stand with one group, after a period."""

    group: str | None = None
    state: State = "ok"
    since: datetime
    """The end of the period in which it came into this state."""

    streak: int = 0
    """Bad periods in a row; while firing, recovered ones."""

    notified_at: datetime | None = None
    """The end of the period with the last alert, while firing."""

    at: datetime
    """The end of the last period."""

    seen_at: datetime | None = None
    """That of the last period with any data."""

    value: float | None = None
    base_value: float | None = None
    count: int = 0


def advance(before: GroupState, outcome: Outcome, at: datetime, rule: Rule) -> GroupState:
    """The state after a period that ends at that time."""
    if outcome == "no_data":
        match rule.no_data:
            case "keep":
                return before
            case "no_data":
                return _enter(before, "no_data", at)
            case "ok":
                outcome = "recovered"
            case "firing":
                outcome = "bad"
    if before.state == "firing":
        return _advance_firing(before, outcome, at, rule)
    streak = before.streak + 1 if outcome == "bad" else 0
    if streak >= rule.for_periods:
        return _enter(before, "firing", at)
    return replace(_enter(before, "ok", at), streak=streak)


def _advance_firing(before: GroupState, outcome: Outcome, at: datetime, rule: Rule) -> GroupState:
    streak = before.streak + 1 if outcome == "recovered" else 0
    if streak >= rule.recover_for_periods:
        return _enter(before, "ok", at)
    return replace(before, streak=streak)


def _enter(before: GroupState, state: State, at: datetime) -> GroupState:
    since = before.since if before.state == state else at
    return replace(before, state=state, since=since, streak=0)


def find_alert(before: State, after: GroupState, renotify: timedelta | None) -> AlertType | None:
    """The alert that is due after one period, or after several that were caught up with: how things stand
    beside how they stood before, whatever was in between."""
    if after.state != "firing":
        return "alert.resolved" if before == "firing" else None
    if before != "firing":
        return "alert.firing"
    is_time = renotify and after.notified_at and after.at - after.notified_at >= renotify
    return "alert.firing" if is_time else None
