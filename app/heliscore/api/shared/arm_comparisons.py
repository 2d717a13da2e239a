"""Experiments and what comes of them: compares what was read of the arms."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from heliscore.api.shared.experiment_arms import Arms
from heliscore.api.shared.group_fields import Unit
from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.filter_tree import SEVERAL
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
from heliscore.store.score_groups import CovariateGroup, Group, PairedGroup, UnitGroup
from heliscore.store.score_scan import ScoreSelection
from heliscore.store.search.covariates import Covariate

DEFAULT_TUNING: Final = 5000
"""Of always-valid intervals: the number of scores at which they are narrowest."""

_UNUSED: Final = "covariateUnused"
_ByName = Mapping[str, int | float]


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


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of the arms."""

    sizes: tuple[int, ...] | None = None
    """The requests of each arm; None: they were not asked for."""

    groups: list[Group] = []
    units: list[UnitGroup] = []
    pairs: dict[str | None, list[PairedGroup]] = {}
    """Of each arm but the base, which it is beside."""

    covariates: list[CovariateGroup] = []


def compare(experiment: Experiment, falling: Collection[str], unknown: list[str], found: Found) -> Results:
    """Compare each score of each other arm with the base's. `falling`: the scores of which lower values are
    better, where the experiment says nothing else; `unknown`: those that nobody gave. Raises InvalidInput
    where what shall be a share is none."""
    base, *others = zip(experiment.arms.keys, experiment.arms.labels, strict=True)
    tables = _Pairs(found) if experiment.pair_by is not None else _Groups(found, experiment.covariate)
    asked = []
    comparisons = []
    for name in experiment.scores:
        if name in unknown:
            continue
        question = _ask(experiment, falling, name, found)
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

    def __init__(self, found: Found) -> None:
        self._pairs = {(pair.name, value): pair for value, pairs in found.pairs.items() for pair in pairs}

    def compare(
        self, name: str, _: str | None, other: str | None, question: Question
    ) -> tuple[Comparison, int]:
        """Also returns how many scores are left out."""
        found = self._pairs.get((name, other))
        if found is None:
            return compare_pairs(Pairs(items={}), question), 0
        return compare_pairs(found.pairs, question), found.left_out


class _Groups:
    """Compares groups that have nothing to do with each other."""

    def __init__(self, found: Found, covariate: Covariate | None) -> None:
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


def _ask(experiment: Experiment, falling: Collection[str], name: str, found: Found) -> Question:
    return Question(
        measure=_find_measure(experiment, name, found),
        direction=experiment.directions.get(name) or ("down" if name in falling else "up"),
        confidence=experiment.confidence,
        margin=experiment.margins.get(name),
        minimum_effect=experiment.minimum_effects.get(name),
        power=experiment.power,
        tuning=experiment.tuning,
    )


def _find_measure(experiment: Experiment, name: str, found: Found) -> Measure:
    """The one that was asked for, or the one that fits. Raises InvalidInput for a share of other values than
    0 and 1."""
    wanted, fitting = experiment.measures.get(name), _fit_measure(experiment, name, found)
    if wanted == "share" and fitting == "mean":
        message = f"{name} has values other than 0 and 1, so it is no share"
        raise InvalidInput([FieldError("measure", message)])
    return wanted or fitting or "mean"


def _fit_measure(experiment: Experiment, name: str, found: Found) -> Measure | None:
    """None where there are no values."""
    if experiment.pair_by is not None:
        pairs = [pair for pairs in found.pairs.values() for pair in pairs if pair.name == name]
        return None if not pairs else "share" if all(pair.is_share for pair in pairs) else "mean"
    keys = experiment.arms.keys
    samples = [group.sample for group in found.groups if group.name == name and group.value in keys]
    return measure_of(samples) if samples else None


def _in_several(found: Found) -> int:
    of_pairs = next(iter(found.pairs.values()), [])  # each has the same
    return sum(group.sample.count for group in found.groups if group.value == SEVERAL) + sum(
        pair.in_several for pair in of_pairs
    )
