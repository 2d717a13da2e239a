"""Reads what a comparison shows: the differences, the scores of each group, and how they are distributed."""

from __future__ import annotations

from typing import Final

import msgspec

from heliscore.api.http.request_state import Services
from heliscore.api.shared.arm_comparisons import Experiment, Result
from heliscore.api.shared.experiments import read_groups, run
from heliscore.dashboard.parts.trends import Bin, make_bins
from heliscore.domain.filter_tree import AllOf
from heliscore.store import evaluations
from heliscore.store.score_groups import Group

BINS: Final = 25


class ReadComparison(msgspec.Struct, frozen=True):
    """What was read of the groups."""

    experiment: Experiment
    results: list[Result]
    groups: list[Group]
    bins: dict[str, list[Bin]]
    """Of the scores that have too many values to be counted one by one."""


async def read_comparison(services: Services, experiment: Experiment) -> ReadComparison:
    """Compare the groups of an experiment. Raises Unavailable."""
    results = await run(services, experiment)
    groups = results.groups
    if experiment.pair_by is not None:
        groups = await read_groups(services, experiment)
    uncounted = [group.name for group in groups if group.counts is None]
    bins = await _read_bins(services, experiment, uncounted)
    return ReadComparison(experiment, results.results, groups, bins)


async def _read_bins(services: Services, experiment: Experiment, names: list[str]) -> dict[str, list[Bin]]:
    if not names:
        return {}
    arms, of = experiment.arms, experiment.selection
    selection = msgspec.structs.replace(of, tree=AllOf((of.tree, arms.tree)))
    async with services.database.connection() as connection:
        spreads = await evaluations.spread(
            connection, services.ids.names, selection, names, BINS, arms.group_by
        )
    return {
        name: make_bins([spread for spread in spreads if spread.name == name], arms.labels) for name in names
    }
