"""Measures what monitors watch, in one window of time."""

from __future__ import annotations

from typing import Final

from heliscore.domain.monitors.monitor_definition import PERCENTILES, Definition
from heliscore.domain.monitors.monitor_judgement import Measured
from heliscore.domain.monitors.monitor_periods import Reading
from heliscore.domain.monitors.monitor_schedule import Window, base_window
from heliscore.domain.statistics.samples import Sample
from heliscore.store.connections.pool import Connection
from heliscore.store.coverage import count_scored
from heliscore.store.score_scan import ScoreSelection, scan
from heliscore.store.scores import ScoreNames
from heliscore.store.search.score_columns import ScoreColumns

_MAX_READ_GROUPS: Final = 1_000
"""More than are watched, so that most of the watched ones are found where they are small for once."""

_Found = tuple[list[Measured], int]
"""The largest groups, and how many there are."""


async def measure(
    connection: Connection, names: ScoreNames, organization_id: int, definition: Definition, window: Window
) -> _Found:
    """Measure the groups that have data in a window."""
    selection = ScoreSelection(organization_id, definition.tree, window.start, window.end)
    if definition.score is None or definition.statistic == "unscored":
        return await _measure_requests(connection, names, selection, definition)
    return await _measure_scores(connection, names, selection, definition, definition.score)


async def read_period(
    connection: Connection, names: ScoreNames, organization_id: int, definition: Definition, window: Window
) -> Reading:
    """Measure a window, and the one that it is compared with."""
    measured, groups = await measure(connection, names, organization_id, definition, window)
    base = base_window(definition, window)
    if base is None:
        return Reading(measured, (), groups)
    compared, _ = await measure(connection, names, organization_id, definition, base)
    return Reading(measured, compared, groups)


async def _measure_scores(
    connection: Connection, names: ScoreNames, selection: ScoreSelection, definition: Definition, score: str
) -> _Found:
    name_ids = list((await names.find(connection, selection.organization_id, [score])).values())
    if not name_ids:
        return [], 0
    columns = ScoreColumns(group_by=definition.group_by)
    if (share := PERCENTILES.get(definition.statistic)) is not None:
        arguments = _MAX_READ_GROUPS, share
        rows = await scan(
            connection, names, "measure_percentile", selection, *arguments, scores=name_ids, columns=columns
        )
        measured = [Measured(group=group, count=count, value=value) for group, count, value, _ in rows]
    else:
        rows = await scan(
            connection, names, "measure", selection, _MAX_READ_GROUPS, scores=name_ids, columns=columns
        )
        measured = [
            _make_measured(definition, group, Sample(count, int(sum_), int(squares)), lowest, highest)
            for group, count, sum_, squares, lowest, highest, _ in rows
        ]
    return measured, rows[0]["groups"] if rows else 0


def _make_measured(
    definition: Definition, group: str | None, sample: Sample, lowest: int, highest: int
) -> Measured:
    match definition.statistic:
        case "count":
            value = float(sample.count)
        case "min":
            value = float(lowest)
        case "max":
            value = float(highest)
        case _:
            return Measured(group=group, count=sample.count, value=sample.mean, sample=sample)
    return Measured(group=group, count=sample.count, value=value)


async def _measure_requests(
    connection: Connection, names: ScoreNames, selection: ScoreSelection, definition: Definition
) -> _Found:
    score = definition.score
    covered = await count_scored(
        connection,
        names,
        selection,
        [] if score is None else [score],
        definition.group_by,
        limit=_MAX_READ_GROUPS,
        max_rows=_MAX_READ_GROUPS,
    )
    measured = [
        Measured(
            group=row.group,
            count=row.count,
            value=float(row.count) if score is None else 1 - row.scored.get(score, 0) / row.count,
        )
        for row in covered.rows
    ]
    return measured, covered.groups
