"""The comparison page: the scores of groups of requests, side by side."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from heliscore.api.http.endpoints import error_response
from heliscore.api.shared.arm_comparisons import DEFAULT_TUNING, Experiment, Result
from heliscore.api.shared.experiment_arms import make_arms
from heliscore.dashboard.parts.comparison_groups import (
    OF,
    VERSION,
    choose_groups,
    describe_order,
    make_of,
    offer_groups,
    settle,
)
from heliscore.dashboard.parts.comparison_links import Links
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
from heliscore.dashboard.parts.comparison_reading import read_comparison
from heliscore.dashboard.parts.comparison_rows import FEW, ScoreRow, make_rows, make_table
from heliscore.dashboard.parts.comparison_verdicts import make_lines, show_word
from heliscore.dashboard.parts.downloads import DOWNLOAD, answer_csv, wants_csv
from heliscore.dashboard.parts.page_routes import Page, PageRequest
from heliscore.dashboard.parts.time_range import TimeRange, read_time_range, shorter_ranges
from heliscore.domain.errors import FieldError, Unavailable
from heliscore.domain.messages import described
from heliscore.domain.times import now
from heliscore.store import evaluations
from heliscore.store.definition_cache import NO_DEFINITIONS, Definitions
from heliscore.store.facets import PROPERTY, Facets, find_facets

_OWN: Final = frozenset(("by", "group", "without", "score", "pair", "unit", "looks", "effect", OF, DOWNLOAD))
_DEFAULT_SCORES: Final = 6
_MAX_GROUPS: Final = 6
"""As many as there are colours that can be distinguished."""

_MAX_SCORES: Final = 12
_OFFERED: Final = 12
_SHOWN_LINES: Final = 8
"""Of the verdicts; the others are folded, so that the table is in sight."""


async def show_comparison(page: PageRequest) -> Response:
    time_range = read_time_range(page.request.query_params, now(), _OWN)
    how, errors = read_method(time_range)
    errors = [*time_range.errors, *errors, *_find_errors(time_range)]
    if errors:
        return _render(page, time_range, how, status=400, errors=errors)
    organization_id, services = page.organization_id, page.services
    try:
        definitions = await services.definitions.find(organization_id)
        async with services.database.connection() as connection:
            known = await evaluations.list_names(connection, organization_id)
            facets = await find_facets(connection, organization_id, time_range.start, time_range.end)
        time_range = settle(time_range, facets)
        selection = _select(time_range, facets, known)
        found = None
        if selection.groups and selection.scores:
            experiment = _make_experiment(time_range, organization_id, selection, how)
            found = await read_comparison(services, experiment)
    except Unavailable as error:
        return error_response(error, lambda error: _render(page, time_range, how, trouble=str(error)))
    rows = (
        []
        if found is None
        else make_rows(found, definitions.directed, Links(time_range, definitions.by_name))
    )
    if wants_csv(page.request.query_params):
        return answer_csv("comparison", make_table(selection.groups, rows))
    return _render(
        page,
        time_range,
        how,
        facets=facets,
        known=known,
        definitions=definitions,
        selection=selection,
        rows=rows,
        results=[] if found is None else found.results,
    )


def _find_errors(time_range: TimeRange) -> list[FieldError]:
    errors = []
    by = time_range.one("by")
    if by and not is_field(by):
        errors.append(FieldError("by", f"expected {FIELDS}, got {described(by)}"))
    if len(time_range.all("group")) + bool(time_range.one("without")) > _MAX_GROUPS:
        errors.append(FieldError("group", f"at most {_MAX_GROUPS} at a time"))
    if len(time_range.all("score")) > _MAX_SCORES:
        errors.append(FieldError("score", f"at most {_MAX_SCORES} at a time"))
    return errors


REASONS: Final = {
    "tooFew": "there are too few scores for an interval",
    "noVariance": "the values within a group do not differ, so there is no interval",
}
"""Why there is no interval, in words."""


def _select(time_range: TimeRange, facets: Facets, known: list[str]) -> Selection:
    """Read the selection from the address; by default the most frequent groups and the first scores."""
    return Selection(
        by=time_range.one("by"),
        groups=choose_groups(time_range, facets),
        scores=time_range.all("score") or known[:_DEFAULT_SCORES],
    )


def _make_experiment(
    time_range: TimeRange, organization_id: int, selection: Selection, how: Method
) -> Experiment:
    return Experiment(
        selection=time_range.selection(organization_id),
        scores=tuple(selection.scores),
        arms=make_arms(subject_of(selection.by), selection.groups),
        pair_by=None if how.pair is None else subject_of(how.pair),
        unit=None if how.unit is None else subject_of(how.unit),
        minimum_effects=dict.fromkeys(selection.scores, how.effect) if how.effect else {},
        tuning=DEFAULT_TUNING if how.repeats else None,
    )


def _render(
    page: PageRequest,
    time_range: TimeRange,
    how: Method,
    *,
    status: int = 200,
    facets: Facets | None = None,
    known: list[str] | None = None,
    definitions: Definitions = NO_DEFINITIONS,
    selection: Selection | None = None,
    rows: list[ScoreRow] | None = None,
    results: list[Result] | None = None,
    errors: list[FieldError] | None = None,
    trouble: str | None = None,
) -> Response:
    facets = facets or Facets()
    by = time_range.one("by")
    groups = selection.groups if selection else []
    command = make_command(time_range, selection, how) if selection and rows else None
    return page.render(
        "pages/comparison.html",
        status=status,
        time_range=time_range,
        by=by,
        by_name=COLUMNS.get(by, by.removeprefix(PROPERTY)),
        of=make_of(time_range),
        is_of_versions=by == VERSION,
        prompts=_offer_prompts(time_range, facets),
        columns=COLUMNS,
        keys=sorted({*facets.keys, *keys_of(by, how.pair, how.unit)}),
        facets=facets,
        groups=groups,
        order=describe_order(time_range),
        offered=[group for group in offer_groups(time_range, facets) if group not in groups][:_OFFERED],
        known=known or [],
        chosen=selection.scores if selection else [],
        rows=rows or [],
        lines=make_lines(results or [], groups[0] if groups else None, definitions.directed, how.effect),
        links=Links(time_range, definitions.by_name),
        how=how,
        compared=sum(cell.result is not None for row in rows or [] for cell in row.cells if cell),
        show_word=show_word,
        reasons=REASONS,
        few=FEW,
        shown_lines=_SHOWN_LINES,
        command=command,
        errors=errors or [],
        trouble=trouble,
        shorter=shorter_ranges(time_range.length),
    )


def _offer_prompts(time_range: TimeRange, facets: Facets) -> list[str]:
    """The prompts that have versions, and the chosen one."""
    prompts = [prompt for prompt in facets.of("prompt_id") if facets.versions_of(prompt)]
    chosen = time_range.one("prompt")
    return prompts if not chosen or chosen in prompts else [chosen, *prompts]


PAGES = (Page(path="/compare", handler=show_comparison, title="Compare"),)
