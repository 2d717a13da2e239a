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
from msgspec.structs import replace

from heliscore.api.http.request_state import Services
from heliscore.api.shared.experiment_arms import Arms
from heliscore.domain.filter_tree import SEVERAL, AllOf, Cases, Column, Exists, Property, Score
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
from heliscore.domain.statistics.single_groups import sample_ratio_p
from heliscore.domain.times import now
from heliscore.store import coverage, score_groups
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
_UNUSED: Final = "covariateUnused"
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

    expected_shares: tuple[float, ...] | None = None
    """By arm, in their order, the share of the requests that it should have."""


class SampleRatio(msgspec.Struct, frozen=True):
    """The arms' requests beside the shares that they should have."""

    observed: tuple[int, ...]
    """How many requests each arm has, in their order."""

    p: float | None
    """None: there are no requests."""


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

    ratio: SampleRatio | None
    """None: no shares are expected."""


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
        wanted = _score_names(experiment)
        known = await names.find(connection, organization_id, wanted)
        found = await _read(connection, names, experiment)
    unknown = [name for name in wanted if name not in known]
    return await asyncio.to_thread(_compare, experiment, directions, unknown, found)


async def read_groups(services: Services, experiment: Experiment) -> list[Group]:
    """The scores of each arm, request by request, of a paired experiment. Raises Unavailable."""
    async with services.database.connection() as connection:
        return await _read_groups(connection, services.ids.names, experiment, _selection_of(experiment))


def _score_names(experiment: Experiment) -> tuple[str, ...]:
    covariate = experiment.covariate
    return (*experiment.scores, covariate.name) if isinstance(covariate, Score) else experiment.scores


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    sizes: tuple[int, ...] | None = None
    """The requests of each arm; None: they were not asked for."""

    groups: list[Group] = []
    units: list[UnitGroup] = []
    pairs: list[PairedGroup] = []
    covariates: list[CovariateGroup] = []


async def _read(connection: Connection, names: ScoreNames, experiment: Experiment) -> _Found:
    arms, scores, selection = experiment.arms, experiment.scores, _selection_of(experiment)
    sizes = None
    if experiment.expected_shares is not None:
        sizes = await _count_requests(connection, names, selection, arms)
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
        return _Found(sizes=sizes, pairs=pairs)
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
    return _Found(sizes=sizes, groups=groups, units=units, covariates=covariates)


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


def _compare(
    experiment: Experiment, directions: Mapping[str, Direction], unknown: list[str], found: _Found
) -> Results:
    base, *others = zip(experiment.arms.keys, experiment.arms.labels, strict=True)
    tables = _Pairs(found) if experiment.pair_by is not None else _Groups(found, experiment.covariate)
    asked = []
    comparisons = []
    for name in experiment.scores:
        if name in unknown:
            continue
        question = _ask(experiment, directions, name, found)
        for key, label in others:
            comparison, left_out = tables.compare(name, base[0], key, question)
            comparisons.append(comparison)
            asked.append((name, label, question, left_out))
    primary = None if experiment.primary is None else [name in experiment.primary for name, *_ in asked]
    corrected = correct(comparisons, experiment.correction, experiment.confidence, primary)
    results = [Result(*one, comparison) for one, comparison in zip(asked, corrected, strict=True)]
    return Results(results, unknown, _in_several(found), found.groups, _ratio(experiment, found.sizes))


class _Pairs:
    """Compares groups item by item."""

    def __init__(self, found: _Found) -> None:
        self._pairs = {(group.name, group.value): group for group in found.pairs}

    def compare(
        self, name: str, base: str | None, other: str | None, question: Question
    ) -> tuple[Comparison, int]:
        """Also returns how many scores are left out."""
        of_base = self._pairs.get((name, base))
        found = self._pairs.get((name, other))
        pairs = Pairs(items={}, only_base=0 if of_base is None else of_base.pairs.only_base)
        left_out = sum(group.left_out for group in (of_base, found) if group is not None)
        return compare_pairs(pairs if found is None else found.pairs, question), left_out


class _Groups:
    """Compares groups that have nothing to do with each other."""

    def __init__(self, found: _Found, covariate: Covariate | None) -> None:
        self._groups = {(group.name, group.value): group for group in found.groups}
        self._units = {(group.name, group.value): group for group in found.units}
        self._covariates = {(group.name, group.value): group.sums for group in found.covariates}
        self._has_covariate = covariate is not None

    def compare(
        self, name: str, base: str | None, other: str | None, question: Question
    ) -> tuple[Comparison, int]:
        """Also returns how many scores are left out."""
        arms = [self._make_arm((name, group)) for group in (base, other)]
        units = [self._units[name, group] for group in (base, other) if (name, group) in self._units]
        left_out = sum(group.left_out for group in units)
        comparison = compare_arms(arms[0], arms[1], question)
        if not self._has_covariate:
            return comparison, left_out
        if arms[0].covariate is None or arms[1].covariate is None:
            return replace(comparison, warnings=(*comparison.warnings, _UNUSED)), left_out
        return comparison, left_out + sum(map(_without_covariate, arms))

    def _make_arm(self, key: tuple[str, str | None]) -> Arm:
        group, units = self._groups.get(key), self._units.get(key)
        if group is None:
            return Arm(sample=None)
        return Arm(
            sample=group.sample,
            counts=group.counts,
            units=None if units is None else units.sums,
            covariate=self._covariates.get(key),
            last_week=group.last_week,
        )


def _without_covariate(arm: Arm) -> int:
    return arm.sample.count - arm.covariate.count if arm.sample and arm.covariate else 0


def _ratio(experiment: Experiment, sizes: tuple[int, ...] | None) -> SampleRatio | None:
    if sizes is None or experiment.expected_shares is None:
        return None
    return SampleRatio(sizes, sample_ratio_p(sizes, experiment.expected_shares))


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
        group.scores for group in found.pairs if group.value == SEVERAL
    )
