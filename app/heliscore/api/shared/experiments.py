"""Runs experiments: reads what the scores of several arms are compared by, and compares them.

All statements of an experiment see the same snapshot. What comes of them is computed in a thread: with many
different values it takes longer than the event loop may be held up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from heliscore.api.http.request_state import Services
from heliscore.api.shared.experiment_arms import Arms
from heliscore.domain.filter_tree import SEVERAL, AllOf, Column, Exists, Property
from heliscore.domain.statistics.arms import compare_arms, measure_of
from heliscore.domain.statistics.compared import (
    Arm,
    Comparison,
    Correction,
    Direction,
    Measure,
    Pairs,
    Question,
)
from heliscore.domain.statistics.corrections import correct
from heliscore.domain.statistics.paired import compare_pairs
from heliscore.domain.times import now
from heliscore.store import score_groups
from heliscore.store.connections.pool import Connection
from heliscore.store.score_groups import CovariateGroup, Group, PairedGroup, UnitGroup
from heliscore.store.score_scan import ScoreSelection
from heliscore.store.scores import ScoreNames
from heliscore.store.search.covariates import Covariate

DEFAULT_TUNING: Final = 5000
"""Of always-valid intervals: the number of scores at which they are narrowest."""

_WEEK: Final = timedelta(days=7)

_MAX_COUNTS: Final = 1_000_000
"""Different values of all scores and arms together, of which each is counted."""

Unit = Column | Property
_Number = int | float
_ByName = Mapping[str, _Number]


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """Scores to compare between arms."""

    selection: ScoreSelection
    scores: tuple[str, ...]
    arms: Arms
    pair_by: Unit | None = None
    """What two requests have in common that are a pair: the item of a data set, say."""

    unit: Unit | None = None
    """What counts as one case; None: each request."""

    covariate: Covariate | None = None
    directions: Mapping[str, Direction] = {}
    """Where it is not the definition's."""

    measures: Mapping[str, Measure] = {}
    """Where it is not the one that fits the values."""

    margins: _ByName = {}
    minimum_effects: _ByName = {}
    confidence: float = 0.95
    power: float = 0.8
    tuning: int | None = None
    correction: Correction = "holm"
    primary: frozenset[str] | None = None
    """The scores whose comparisons are corrected for each other; None: all."""


class Result(msgspec.Struct, frozen=True):
    """One score of one arm beside the base."""

    score: str
    arm: str | None
    question: Question
    left_out: int
    """How many scores have no unit, item or covariate, in the arm or the base."""

    comparison: Comparison


class Results(msgspec.Struct, frozen=True):
    results: list[Result]
    """By score and arm, in the order asked for."""

    unknown_scores: list[str]
    """Names under which the organization has no score."""

    in_several: int
    """How many scores are of requests that match the filters of several arms, and so are in none."""

    groups: list[Group]
    """The scores of each arm; none of a paired experiment, which reads items."""


async def run(services: Services, experiment: Experiment) -> Results:
    """Compare each score of each other arm with the base's. Raises Unavailable."""
    organization_id = experiment.selection.organization_id
    definitions = await services.definitions.find(organization_id)
    directions: dict[str, Direction] = {
        name: "down" if definition.direction == "lower" else "up"
        for name, definition in definitions.by_name.items()
    }
    async with (
        services.database.connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        names = services.ids.names
        known = await names.find(connection, organization_id, experiment.scores)
        found = await _read(connection, names, experiment)
    unknown = [name for name in experiment.scores if name not in known]
    return await asyncio.to_thread(_compare, experiment, directions, unknown, found)


async def read_groups(services: Services, experiment: Experiment) -> list[Group]:
    """The scores of each arm, request by request, of a paired experiment. Raises Unavailable."""
    async with services.database.connection() as connection:
        return await _read_groups(connection, services.ids.names, experiment, _selection_of(experiment))


class _Found(msgspec.Struct, frozen=True):
    groups: list[Group] = []
    units: list[UnitGroup] = []
    pairs: list[PairedGroup] = []
    covariates: list[CovariateGroup] = []


async def _read(connection: Connection, names: ScoreNames, experiment: Experiment) -> _Found:
    arms, scores, selection = experiment.arms, experiment.scores, _selection_of(experiment)
    if experiment.pair_by is not None:
        pairs = await score_groups.compare_pairs(
            connection,
            names,
            selection,
            scores,
            arms.group_by,
            experiment.pair_by,
            base=arms.keys[0],
            max_counts=_max_counts(experiment),
            since=_week_before_the_end(selection),
        )
        return _Found(pairs=pairs)
    units: list[UnitGroup] = []
    covariates: list[CovariateGroup] = []
    if experiment.unit is not None:
        units = await score_groups.compare_units(
            connection, names, selection, scores, arms.group_by, experiment.unit
        )
        tree = AllOf((selection.tree, Exists(experiment.unit)))
        selection = msgspec.structs.replace(selection, tree=tree)
    if experiment.covariate is not None:
        covariates = await score_groups.compare_covariates(
            connection, names, selection, scores, arms.group_by, experiment.covariate
        )
    groups = await _read_groups(connection, names, experiment, selection)
    return _Found(groups, units, [], covariates)


def _selection_of(experiment: Experiment) -> ScoreSelection:
    """The scores of all arms."""
    tree = AllOf((experiment.selection.tree, experiment.arms.tree))
    return msgspec.structs.replace(experiment.selection, tree=tree)


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
    return min(selection.end, now()) - _WEEK


def _compare(
    experiment: Experiment, directions: Mapping[str, Direction], unknown: list[str], found: _Found
) -> Results:
    pairs = {(group.name, group.value): group for group in found.pairs}
    arms = {(group.name, group.value): _make_arm(group, found) for group in found.groups}
    base, *others = zip(experiment.arms.keys, experiment.arms.labels, strict=True)
    asked = []
    comparisons = []
    for name in experiment.scores:
        if name in unknown:
            continue
        question = _ask(experiment, directions, name, found)
        for key, label in others:
            if experiment.pair_by is not None:
                paired = pairs.get((name, key), _NO_PAIRS)
                comparisons.append(compare_pairs(paired.pairs, question))
                left_out = paired.left_out
            else:
                (one, none), (two, more) = (arms.get((name, arm), _NO_SCORES) for arm in (base[0], key))
                comparisons.append(compare_arms(one, two, question))
                left_out = none + more
            asked.append((name, label, question, left_out))
    primary = None if experiment.primary is None else [name in experiment.primary for name, *_ in asked]
    corrected = correct(comparisons, experiment.correction, experiment.confidence, primary)
    results = [Result(*one, comparison) for one, comparison in zip(asked, corrected, strict=True)]
    return Results(results, unknown, _in_several(found), found.groups)


_NO_SCORES: Final = Arm(sample=None), 0
_NO_PAIRS: Final = PairedGroup(None, "", Pairs(items={}), False, 0)


def _make_arm(group: Group, found: _Found) -> tuple[Arm, int]:
    """Also returns how many of its scores are left out."""
    key = group.name, group.value
    units = next((one for one in found.units if (one.name, one.value) == key), None)
    covariate = next((one.sums for one in found.covariates if (one.name, one.value) == key), None)
    arm = Arm(
        sample=group.sample,
        counts=group.counts,
        units=None if units is None else units.sums,
        covariate=covariate,
        last_week=group.last_week,
    )
    left_out = 0 if units is None else units.left_out
    return arm, left_out + (0 if covariate is None else group.sample.count - covariate.count)


def _ask(experiment: Experiment, directions: Mapping[str, Direction], name: str, found: _Found) -> Question:
    return Question(
        measure=experiment.measures.get(name) or _find_measure(experiment, name, found),
        direction=experiment.directions.get(name) or directions.get(name, "up"),
        confidence=experiment.confidence,
        margin=experiment.margins.get(name),
        minimum_effect=experiment.minimum_effects.get(name),
        power=experiment.power,
        tuning=experiment.tuning,
    )


def _find_measure(experiment: Experiment, name: str, found: _Found) -> Measure:
    if experiment.pair_by is not None:
        pairs = [group for group in found.pairs if group.name == name and group.value in experiment.arms.keys]
        return "share" if pairs and all(group.is_share for group in pairs) else "mean"
    groups = [group for group in found.groups if group.name == name and group.value in experiment.arms.keys]
    return measure_of([group.sample for group in groups])


def _in_several(found: _Found) -> int:
    return sum(group.sample.count for group in found.groups if group.value == SEVERAL) + sum(
        group.pairs.only_other for group in found.pairs if group.value == SEVERAL
    )
