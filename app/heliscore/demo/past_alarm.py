"""The monitor of the demo, which was there when the release came: it is evaluated over the last days, so that
it fires and has a history."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from heliscore.domain.errors import InvalidInput
from heliscore.domain.filter_tree import Column, Everything
from heliscore.domain.monitors.monitor_definition import Bound, Definition, Rule
from heliscore.domain.monitors.monitor_periods import Change, Stand, evaluate, find_alerts
from heliscore.domain.monitors.monitor_schedule import last_end, next_end, window_at
from heliscore.store import monitors
from heliscore.store.connections.pool import Connection
from heliscore.store.monitor_readings import read_period
from heliscore.store.monitors import Result, StoredMonitor
from heliscore.store.scores import ScoreNames

MONITOR: Final = Definition(
    name="Relevance of each prompt",
    score="relevance",
    statistic="average",
    tree=Everything(),
    group_by=Column("prompt_id"),
    window=timedelta(days=2),
    every=timedelta(hours=6),
    condition=Bound(is_below=True, limit=75),
    at_least_scores=8,
    rule=Rule(for_periods=2, recover_for_periods=2, no_data="keep"),
)
STORED: Final = msgspec.json.encode(
    {
        "name": MONITOR.name,
        "score": MONITOR.score,
        "statistic": MONITOR.statistic,
        "filter": "all",
        "groupBy": "prompt_id",
        "windowMinutes": 2 * 24 * 60,
        "everyMinutes": 6 * 60,
        "delayMinutes": 0,
        "condition": {"below": 75},
        "atLeastScores": MONITOR.at_least_scores,
        "noData": MONITOR.rule.no_data,
        "forPeriods": MONITOR.rule.for_periods,
        "recoverAt": None,
        "recoverForPeriods": MONITOR.rule.recover_for_periods,
        "renotifyMinutes": None,
        "destinations": None,
        "paused": False,
    }
)
"""The same as the API takes it."""

_PERIODS: Final = 40
"""So many of the last ones are evaluated: ten days."""


async def add_alarm(connection: Connection, organization_id: int, now: datetime) -> None:
    """Add the monitor, unless there is one of its name, and evaluate the periods that have ended until then.
    Nobody is alerted of the past."""
    try:
        async with connection.transaction():  # no service sees it before its past is there
            id_ = await monitors.add_monitor(connection, organization_id, MONITOR, STORED)
            if (added := await monitors.find_monitor(connection, organization_id, id_)) is not None:
                await _evaluate_past(connection, added, now)
    except InvalidInput:
        return  # the name is taken


async def _evaluate_past(connection: Connection, added: StoredMonitor, now: datetime) -> None:
    names, stand, changes = ScoreNames(), Stand(), list[Change]()
    end = last_end(now, MONITOR.every)
    for back in reversed(range(_PERIODS)):
        at = end - back * MONITOR.every
        reading = await read_period(connection, names, added.organization_id, MONITOR, window_at(MONITOR, at))
        period = evaluate(MONITOR, "up", stand, reading, at)
        stand, _ = find_alerts(MONITOR, stand, period)
        changes += period.changes
    await monitors.store_results(connection, [Result(added, end, next_end(end, MONITOR.every), stand)])
    await monitors.record_changes(connection, added.organization_id, added.id, changes)
