"""Evaluates a monitor that was claimed, and stores what came of it, with the alerts, in one transaction."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import msgspec

from heliscore.api.native.monitor_alerts import show_alert
from heliscore.api.native.monitor_definitions import decode_definition
from heliscore.api.native.monitor_runs import find_direction, judge_period
from heliscore.domain.errors import ApiError, NotMeasurable
from heliscore.domain.monitors.monitor_definition import Definition
from heliscore.domain.monitors.monitor_periods import Alert, Change, Period, Stand, find_alerts
from heliscore.domain.monitors.monitor_schedule import Due, find_due, next_end, window_at
from heliscore.domain.monitors.monitor_states import ERROR_FAILURES
from heliscore.store import monitors as store
from heliscore.store.connections.pool import Connection, Database
from heliscore.store.definition_cache import DefinitionCache
from heliscore.store.events import publish_alert
from heliscore.store.monitor_readings import read_period
from heliscore.store.monitors import Result, StoredMonitor
from heliscore.store.scores import ScoreNames

_log = logging.getLogger("heliscore")

_BUDGET_S: Final = 8
"""After so long no further period is caught up with: the claim must not run out meanwhile."""

_FIRST_RETRY: Final = timedelta(seconds=30)
_LAST_RETRY: Final = timedelta(minutes=10)


class Evaluator(msgspec.Struct, frozen=True):
    """What evaluations need."""

    database: Database
    names: ScoreNames
    definitions: DefinitionCache

    async def evaluate(self, claimed: Sequence[StoredMonitor], until: float = math.inf) -> set[str]:
        """Evaluate the periods of monitors that are due, and store how things stand then. After `until`, by
        the monotonic clock, none is begun. Returns the ids of those that were stored: of the others, another
        service was quicker. Raises Unavailable while the database is away.

        Results that change nothing for anybody are stored together, which costs less.
        """
        stored, quiet = set[str](), list[Result]()
        for monitor in claimed:
            if time.monotonic() > until:
                break
            outcome = await self._try(monitor)
            if isinstance(outcome, Result):
                quiet.append(outcome)
            elif outcome:
                stored.add(monitor.id)
        if quiet:
            async with self.database.connection() as connection:
                stored |= await store.store_results(connection, quiet)
        return stored

    async def _try(self, claimed: StoredMonitor) -> Result | bool:
        """A result that is to be stored, or whether one was."""
        try:
            return await self._evaluate(claimed)
        except (ApiError, NotMeasurable) as error:
            return await self._store_failure(claimed, str(error))
        except Exception:
            # Not carried on with: the monitor is in error. The others must not suffer from it.
            _log.exception("monitor %s cannot be evaluated", claimed.id)
            return await self._store_failure(claimed, "a defect of the service, which its log describes")

    async def _evaluate(self, claimed: StoredMonitor) -> Result | bool:
        definition = decode_definition(claimed.definition)
        due = find_due(claimed.evaluated_until, claimed.clock, definition.every)
        periods = await self._evaluate_periods(claimed, definition, due)
        stand, alerts = claimed.stand, list[Alert]()
        if periods:
            stand, alerts = find_alerts(definition, claimed.stand, periods[-1])
        changes = [*_skipped(due), *_recovered(claimed, stand, periods)]
        changes += [change for period in periods for change in period.changes]
        evaluated_until = periods[-1].end if periods else claimed.evaluated_until
        result = Result(claimed, evaluated_until, next_end(evaluated_until, definition.every), stand)
        if not changes and not alerts:
            return result
        async with self.database.connection() as connection, connection.transaction():
            is_stored = bool(await store.store_results(connection, [result]))
            if is_stored:
                await _tell(connection, claimed, definition, changes, alerts)
        return is_stored

    async def _evaluate_periods(
        self, claimed: StoredMonitor, definition: Definition, due: Due
    ) -> list[Period]:
        """One after the other, as many as there is time for, at least one."""
        periods: list[Period] = []
        begun = time.monotonic()
        direction = await find_direction(self.definitions, claimed.organization_id, definition)
        async with self.database.connection() as connection:
            for end in due.ends:
                window = window_at(definition, end)
                reading = await read_period(
                    connection, self.names, claimed.organization_id, definition, window
                )
                before = periods[-1].stand if periods else claimed.stand
                periods.append(await judge_period(definition, direction, before, reading, end))
                if time.monotonic() - begun > _BUDGET_S:
                    break
        return periods

    async def _store_failure(self, claimed: StoredMonitor, reason: str) -> bool:
        retry = min(_FIRST_RETRY * 2 ** min(claimed.failures, 10), _LAST_RETRY)
        async with self.database.connection() as connection, connection.transaction():
            if not await store.store_failure(connection, claimed, reason, claimed.clock + retry):
                return False
            if claimed.failures + 1 == ERROR_FAILURES:
                # The reason may name what clients chose, which logs do not hold.
                _log.warning("monitor %s cannot be evaluated; its history says why", claimed.id)
                change = Change(
                    at=claimed.clock, previous_state=claimed.stand.worst, state="error", reason=reason
                )
                await store.record_changes(connection, claimed.organization_id, claimed.id, [change])
        return True


async def _tell(
    connection: Connection,
    claimed: StoredMonitor,
    definition: Definition,
    changes: Sequence[Change],
    alerts: Sequence[Alert],
) -> None:
    await store.record_changes(connection, claimed.organization_id, claimed.id, changes)
    for alert in alerts:
        body = show_alert(claimed.id, definition, alert)
        await publish_alert(connection, claimed.organization_id, alert.type, body)


def _skipped(due: Due) -> list[Change]:
    if due.skipped_until is None:
        return []
    periods = f"{due.skipped:,} period{'' if due.skipped == 1 else 's'}"
    return [Change(at=due.skipped_until, reason=f"{periods} skipped: they were missed, and are too long ago")]


def _recovered(claimed: StoredMonitor, stand: Stand, periods: Sequence[Period]) -> list[Change]:
    if claimed.failures < ERROR_FAILURES or not periods:
        return []
    return [Change(at=periods[0].end, previous_state="error", state=stand.worst, reason="evaluated again")]
