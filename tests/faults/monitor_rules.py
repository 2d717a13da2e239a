"""The rules of monitors applied to scores of known values, without a database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from heliscore.api.native.monitor_alerts import show_alert
from heliscore.domain.monitors.monitor_definition import Definition
from heliscore.domain.monitors.monitor_judgement import Measured
from heliscore.domain.monitors.monitor_periods import Change, Reading, Stand, evaluate, find_alerts
from heliscore.domain.monitors.monitor_schedule import window_at
from heliscore.domain.statistics.samples import Sample


class Judged(msgspec.Struct):
    """What the rules say of a monitor."""

    changes: list[Change]
    alerts: list[tuple[str, Any]]


def values_of(hour: datetime) -> list[int]:
    """The scores of an hour: below 70 in every other one, and else above."""
    return [60, 61, 62] if hour.hour % 2 else [80, 81, 82, 83]


def judge_as_told(
    id_: str, definition: Definition, stand: Stand, runs: Sequence[Sequence[datetime]]
) -> Judged:
    """Apply the rules to periods that were evaluated in several runs."""
    judged = Judged([], [])
    for ends in runs:
        before = stand
        for end in ends:
            window = window_at(definition, end)
            values = values_of(window.start)
            sample = Sample(len(values), sum(values), sum(value * value for value in values))
            measured = Measured(count=sample.count, value=sample.mean, sample=sample)
            period = evaluate(definition, "up", stand, Reading([measured], (), 1), end)
            stand = period.stand
            judged.changes += period.changes
        stand, alerts = find_alerts(definition, before, period)
        judged.alerts += [(alert.type, show_alert(id_, definition, alert)) for alert in alerts]
    return judged
