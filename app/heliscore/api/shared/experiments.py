"""Runs experiments: reads what the scores of several arms are compared by, and compares them.

All statements of an experiment see the same snapshot. What comes of them is computed in a thread: with many
different values it takes longer than the event loop may be held up.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from heliscore.api.http.request_state import Services
from heliscore.api.shared.arm_comparisons import Experiment, Found, Results, compare
from heliscore.api.shared.experiment_arms import Arms
from heliscore.domain.filter_tree import AllOf, Cases, Exists, Score
from heliscore.domain.times import now
from heliscore.store import coverage, score_groups
from heliscore.store.connections.pool import Connection
from heliscore.store.score_groups import CovariateGroup, Group, UnitGroup
from heliscore.store.score_scan import ScoreSelection
from heliscore.store.scores import ScoreNames

_WEEK: Final = timedelta(days=7)

_MAX_COUNTS: Final = 1_000_000
"""Different values of all scores and arms together, of which each is counted."""


async def run(services: Services, experiment: Experiment) -> Results:
    """Compare each score of each other arm with the base's. Raises Unavailable."""
    organization_id = experiment.selection.organization_id
    definitions = await services.definitions.find(organization_id)
    async with (
        services.database.connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        names = services.ids.names
        wanted = _score_names(experiment)
        known = await names.find(connection, organization_id, wanted)
        found = await _read(connection, names, experiment)
    unknown = [name for name in wanted if name not in known]
    return await asyncio.to_thread(compare, experiment, definitions.falling, unknown, found)


async def read_groups(services: Services, experiment: Experiment) -> list[Group]:
    """The scores of each arm, request by request, of a paired experiment. Raises Unavailable."""
    async with services.database.connection() as connection:
        return await _read_groups(connection, services.ids.names, experiment, _selection_of(experiment))


def _score_names(experiment: Experiment) -> tuple[str, ...]:
    covariate = experiment.covariate
    return (*experiment.scores, covariate.name) if isinstance(covariate, Score) else experiment.scores


async def _read(connection: Connection, names: ScoreNames, experiment: Experiment) -> Found:
    arms, scores, selection = experiment.arms, experiment.scores, _selection_of(experiment)
    sizes = None
    if experiment.expected_shares is not None:
        sizes = await _count_requests(connection, names, selection, arms)
    if experiment.pair_by is not None:
        pairs = {
            key: await score_groups.compare_pairs(
                connection,
                names,
                selection,
                scores,
                arms.group_by,
                experiment.pair_by,
                base=arms.keys[0],
                other=key,
                max_counts=_max_counts(experiment),
                since=_week_before_the_end(selection),
            )
            for key in arms.keys[1:]
        }
        return Found(sizes=sizes, pairs=pairs)
    units: list[UnitGroup] = []
    covariates: list[CovariateGroup] = []
    if experiment.unit is not None:
        units = await score_groups.compare_units(
            connection, names, selection, scores, arms.group_by, experiment.unit
        )
        tree = AllOf((selection.tree, Exists(experiment.unit)))
        selection = replace(selection, tree=tree)
    if experiment.covariate is not None:
        covariates = await score_groups.compare_covariates(
            connection, names, selection, scores, arms.group_by, experiment.covariate
        )
    groups = await _read_groups(connection, names, experiment, selection)
    return Found(sizes=sizes, groups=groups, units=units, covariates=covariates)


async def _count_requests(
    connection: Connection, names: ScoreNames, selection: ScoreSelection, arms: Arms
) -> tuple[int, ...]:
    cases, limit = Cases(arms.filters), len(arms.filters) + 1
    covered = await coverage.count_scored(
        connection, names, selection, [], cases, limit=limit, max_rows=limit
    )
    counts = {row.group: row.count for row in covered.rows}
    return tuple(counts.get(str(number), 0) for number in range(len(arms.filters)))


def _selection_of(experiment: Experiment) -> ScoreSelection:
    """The scores of all arms."""
    tree = AllOf((experiment.selection.tree, experiment.arms.tree))
    return replace(experiment.selection, tree=tree)


async def _read_groups(
    connection: Connection, names: ScoreNames, experiment: Experiment, selection: ScoreSelection
) -> list[Group]:
    return await score_groups.compare(
        connection,
        names,
        selection,
        experiment.scores,
        experiment.arms.group_by,
        max_counts=_max_counts(experiment),
        since=_week_before_the_end(selection),
    )


def _max_counts(experiment: Experiment) -> int:
    cells = len(experiment.arms.keys) * len(experiment.scores)
    return min(score_groups.MAX_COUNTS, _MAX_COUNTS // cells)


def _week_before_the_end(selection: ScoreSelection) -> datetime:
    """Or the beginning: there is no week before the first one."""
    end = min(selection.end, now())
    return end - min(_WEEK, end - selection.start)
