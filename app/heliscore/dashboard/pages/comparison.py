"""The comparison page: the scores of groups of requests, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.endpoints import error_response
from heliscore.api.http.request_state import Services
from heliscore.api.shared.arm_comparisons import DEFAULT_TUNING, Experiment, Result
from heliscore.api.shared.experiment_arms import make_arms
from heliscore.api.shared.experiments import read_groups, run
from heliscore.dashboard.parts.comparison_method import (
    COLUMNS,
    FIELDS,
    Method,
    Selection,
    is_field,
    keys_of,
    make_command,
    read_method,
    subject_of,
)
from heliscore.dashboard.parts.comparison_rows import FEW, VERDICTS, ScoreCell, ScoreRow, make_table
from heliscore.dashboard.parts.downloads import DOWNLOAD, answer_csv, wants_csv
from heliscore.dashboard.parts.page_routes import Page, PageRequest
from heliscore.dashboard.parts.score_charts import make_shares, make_spread
from heliscore.dashboard.parts.time_range import TimeRange, read_time_range, shorter_ranges
from heliscore.dashboard.parts.trends import Bin, make_bins
from heliscore.dashboard.parts.value_bins import bin_counts
from heliscore.domain.errors import FieldError, Unavailable
from heliscore.domain.filter_tree import AllOf
from heliscore.domain.messages import described
from heliscore.domain.statistics.arms import measure_of
from heliscore.domain.times import now
from heliscore.store import evaluations
from heliscore.store.facets import PROPERTY, Facets, find_facets
from heliscore.store.score_groups import Group

_OWN: Final = frozenset(("by", "group", "without", "score", "pair", "unit", "looks", "effect", DOWNLOAD))
_DEFAULT_GROUPS: Final = 4
_DEFAULT_SCORES: Final = 6
_MAX_GROUPS: Final = 6
"""As many as there are colours that can be distinguished."""

_MAX_SCORES: Final = 12
_OFFERED: Final = 12
_BINS: Final = 25


async def show_comparison(page: PageRequest) -> Response:
    time_range = read_time_range(page.request.query_params, now(), _OWN)
    by = time_range.one("by") or "model"
    how, errors = read_method(time_range)
    errors = [*time_range.errors, *errors]
    if not is_field(by):
        errors.append(FieldError("by", f"expected {FIELDS}, got {described(by)}"))
    if len(time_range.all("group")) + bool(time_range.one("without")) > _MAX_GROUPS:
        errors.append(FieldError("group", f"at most {_MAX_GROUPS} at a time"))
    if len(time_range.all("score")) > _MAX_SCORES:
        errors.append(FieldError("score", f"at most {_MAX_SCORES} at a time"))
    if errors:
        return _render(page, time_range, by, how, status=400, errors=errors)
    organization_id, services = page.organization_id, page.services
    try:
        async with services.database.connection() as connection:
            known = await evaluations.list_names(connection, organization_id)
            facets = await find_facets(connection, organization_id, time_range.start, time_range.end)
        selection = _select(time_range, by, facets, known)
        rows: list[ScoreRow] = []
        experiment = None
        if selection.groups and selection.scores:
            experiment = _make_experiment(time_range, organization_id, selection, how)
            rows = await _compare(services, experiment)
    except Unavailable as error:
        return error_response(error, lambda error: _render(page, time_range, by, how, trouble=str(error)))
    if wants_csv(page.request.query_params):
        return answer_csv("comparison", make_table(selection.groups, rows))
    return _render(
        page,
        time_range,
        by,
        how,
        facets=facets,
        known=known,
        selection=selection,
        rows=rows,
        command=None if experiment is None else make_command(time_range, selection, how),
    )


REASONS: Final = {
    "tooFew": "there are too few scores for an interval",
    "noVariance": "the values within a group do not differ, so there is no interval",
}
"""Why there is no interval, in words."""


def _select(time_range: TimeRange, by: str, facets: Facets, known: list[str]) -> Selection:
    """Read the selection from the address; by default the most frequent groups and the first scores."""
    groups: list[str | None] = [*time_range.all("group")]
    if time_range.one("without"):
        groups.append(None)
    return Selection(
        by=by,
        groups=groups or [*facets.of(by)[:_DEFAULT_GROUPS]],
        scores=time_range.all("score") or known[:_DEFAULT_SCORES],
    )


def _make_experiment(
    time_range: TimeRange, organization_id: int, selection: Selection, how: Method
) -> Experiment:
    effects = dict.fromkeys(selection.scores, how.effect) if how.effect else {}
    return Experiment(
        selection=time_range.selection(organization_id),
        scores=tuple(selection.scores),
        arms=make_arms(subject_of(selection.by), selection.groups),
        pair_by=None if how.pair is None else subject_of(how.pair),
        unit=None if how.unit is None else subject_of(how.unit),
        minimum_effects=effects,
        tuning=DEFAULT_TUNING if how.repeats else None,
    )


async def _compare(services: Services, experiment: Experiment) -> list[ScoreRow]:
    results = await run(services, experiment)
    groups = results.groups
    if experiment.pair_by is not None:
        groups = await read_groups(services, experiment)
    by_cell = {(result.score, result.arm): result for result in results.results}
    found = {(group.name, group.value): group for group in groups}
    bins = await _read_bins(services, experiment, [group.name for group in groups if group.counts is None])
    return [_make_row(name, experiment.arms.labels, found, by_cell, bins) for name in experiment.scores]


async def _read_bins(services: Services, experiment: Experiment, names: list[str]) -> dict[str, list[Bin]]:
    """Bins of the scores that have too many values to be counted one by one."""
    if not names:
        return {}
    arms, of = experiment.arms, experiment.selection
    selection = msgspec.structs.replace(of, tree=AllOf((of.tree, arms.tree)))
    async with services.database.connection() as connection:
        spreads = await evaluations.spread(
            connection, services.ids.names, selection, names, _BINS, arms.group_by
        )
    return {
        name: make_bins([spread for spread in spreads if spread.name == name], arms.labels) for name in names
    }


def _make_row(
    name: str,
    labels: Sequence[str | None],
    groups: Mapping[tuple[str, str | None], Group],
    results: Mapping[tuple[str, str | None], Result],
    read_bins: Mapping[str, list[Bin]],
) -> ScoreRow:
    of_labels = [groups.get((name, label)) for label in labels]
    there = [group for group in of_labels if group is not None]
    is_share = bool(there) and measure_of([group.sample for group in there]) == "share"
    cells = [
        None if group is None else ScoreCell(group, results.get((name, label)))
        for label, group in zip(labels, of_labels, strict=True)
    ]
    counts = [None if group is None else group.counts for group in of_labels]
    bins = read_bins[name] if name in read_bins else bin_counts(counts, _BINS)
    names = ["none" if label is None else label for label in labels]
    chart = (make_shares if is_share else make_spread)(bins, names) if bins else None
    is_boolean = bool(there) and all(group.all_boolean for group in there)
    return ScoreRow(name, is_share, is_boolean, cells, bins, chart)


def _render(
    page: PageRequest,
    time_range: TimeRange,
    by: str,
    how: Method,
    *,
    status: int = 200,
    facets: Facets | None = None,
    known: list[str] | None = None,
    selection: Selection | None = None,
    rows: list[ScoreRow] | None = None,
    command: str | None = None,
    errors: list[FieldError] | None = None,
    trouble: str | None = None,
) -> Response:
    facets = facets or Facets()
    groups = selection.groups if selection else []
    offered = [group for group in facets.of(by) if group not in groups][:_OFFERED]
    key = by.removeprefix(PROPERTY)
    return page.render(
        "pages/comparison.html",
        status=status,
        time_range=time_range,
        by=by,
        by_name=COLUMNS.get(by, key),
        columns=COLUMNS,
        keys=sorted({*facets.keys, *keys_of(by, how.pair, how.unit)}),
        facets=facets,
        groups=groups,
        offered=offered,
        known=known or [],
        chosen=selection.scores if selection else [],
        rows=rows or [],
        how=how,
        compared=sum(cell.result is not None for row in rows or [] for cell in row.cells if cell),
        verdicts=VERDICTS,
        reasons=REASONS,
        few=FEW,
        command=command,
        errors=errors or [],
        trouble=trouble,
        shorter=shorter_ranges(time_range.length),
    )


PAGES = (Page(path="/compare", handler=show_comparison, title="Compare"),)
