"""The comparison page: the scores of groups of requests, side by side."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.endpoints import error_response
from heliscore.dashboard.parts.charts import Chart
from heliscore.dashboard.parts.page_routes import Page, PageRequest
from heliscore.dashboard.parts.score_charts import make_shares, make_spread
from heliscore.dashboard.parts.time_range import TimeRange, read_time_range, shorter_ranges
from heliscore.dashboard.parts.trends import Bin, make_bins, sum_totals
from heliscore.domain.errors import FieldError, Unavailable
from heliscore.domain.filter_tree import AnyOf, Column, Exists, Filter, Not, OneOf, Property
from heliscore.domain.messages import described
from heliscore.domain.statistics.arms import compare_arms
from heliscore.domain.statistics.compared import Arm, Question
from heliscore.domain.statistics.interval import Interval
from heliscore.domain.statistics.samples import Sample
from heliscore.domain.times import now
from heliscore.store import evaluations
from heliscore.store.evaluations import Spread, Total
from heliscore.store.facets import PROPERTY, Facets, find_facets

COLUMNS: Final = {
    "model": "Model",
    "provider": "Provider",
    "prompt_id": "Prompt",
    "prompt_version": "Prompt version",
    "user_id": "User",
}
"""The columns by which requests can be grouped. Properties are possible, too."""

FEW: Final = 30
"""A group with fewer scores is marked as unreliable."""

_OWN: Final = frozenset(("by", "group", "without", "score"))
_DEFAULT_GROUPS: Final = 4
_DEFAULT_SCORES: Final = 6
_MAX_GROUPS: Final = 6
"""As many as there are colours that can be distinguished."""

_MAX_SCORES: Final = 12
_OFFERED: Final = 12
_BINS: Final = 25


class ScoreCell(msgspec.Struct, frozen=True):
    """One score of one group. `difference` is to the first group, None without one."""

    total: Total
    deviation: float | None
    difference: float | None
    interval: Interval | None

    @property
    def is_few(self) -> bool:
        return self.total.count < FEW


class ScoreRow(msgspec.Struct, frozen=True):
    """One score: a cell for each group, None if the group has no such score, and the distributions."""

    name: str
    is_share: bool
    cells: list[ScoreCell | None]
    bins: list[Bin]
    chart: Chart | None

    @property
    def has_few(self) -> bool:
        return any(cell is not None and cell.is_few for cell in self.cells)


class Selection(msgspec.Struct, frozen=True):
    """The groups and scores to compare."""

    by: str
    """A facet's field."""

    groups: list[str | None]
    """None is the group of the requests without a value."""

    scores: list[str]


async def show_comparison(page: PageRequest) -> Response:
    time_range = read_time_range(page.request.query_params, now(), _OWN)
    by = time_range.one("by") or "model"
    errors = [*time_range.errors]
    if by not in COLUMNS and (not by.startswith(PROPERTY) or by == PROPERTY):
        columns = ", ".join(COLUMNS)
        errors.append(FieldError("by", f"expected one of {columns} or {PROPERTY}<key>, got {described(by)}"))
    if len(time_range.all("group")) + bool(time_range.one("without")) > _MAX_GROUPS:
        errors.append(FieldError("group", f"at most {_MAX_GROUPS} at a time"))
    if len(time_range.all("score")) > _MAX_SCORES:
        errors.append(FieldError("score", f"at most {_MAX_SCORES} at a time"))
    if errors:
        return _render(page, time_range, by, status=400, errors=errors)
    organization_id = page.organization_id
    try:
        async with page.services.database.connection() as connection:
            known = await evaluations.list_names(connection, organization_id)
            facets = await find_facets(connection, organization_id, time_range.start, time_range.end)
            selection = _select(time_range, by, facets, known)
            spreads = await evaluations.spread(
                connection,
                page.services.ids.names,
                time_range.selection(organization_id, _members(by, selection.groups)),
                selection.scores,
                _BINS,
                _subject(by),
            )
    except Unavailable as error:
        return error_response(error, lambda error: _render(page, time_range, by, trouble=str(error)))
    return _render(
        page,
        time_range,
        by,
        facets=facets,
        known=known,
        selection=selection,
        rows=make_rows(selection, spreads),
    )


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


def _subject(by: str) -> Column | Property:
    return Column(by) if by in COLUMNS else Property(by.removeprefix(PROPERTY))


def _members(by: str, groups: list[str | None]) -> Filter:
    """Match the requests of these groups."""
    subject = _subject(by)
    values = OneOf(subject, tuple(group for group in groups if group is not None))
    return AnyOf((values, Not(Exists(subject)))) if None in groups else values


def make_rows(selection: Selection, spreads: list[Spread]) -> list[ScoreRow]:
    """Make a row for each selected score."""
    by_name: dict[str, list[Spread]] = defaultdict(list)
    for spread in spreads:
        by_name[spread.name].append(spread)
    return [_make_row(name, selection.groups, by_name[name]) for name in selection.scores]


def _make_row(name: str, groups: list[str | None], spreads: list[Spread]) -> ScoreRow:
    is_share = bool(spreads) and all(spread.all_boolean for spread in spreads)
    parts = [[spread for spread in spreads if spread.group == group] for group in groups]
    samples = [_sample(part) for part in parts]
    base = samples[0] if samples else None
    question = Question(measure="share" if is_share else "mean")
    cells: list[ScoreCell | None] = []
    for number, (part, sample) in enumerate(zip(parts, samples, strict=True)):
        if sample is None:
            cells.append(None)
            continue
        difference, interval = None, None
        if number and base:
            compared = compare_arms(Arm(sample=base), Arm(sample=sample), question)
            difference, interval = compared.difference, compared.interval
        cells.append(ScoreCell(sum_totals(part), sample.deviation, difference, interval))
    bins = make_bins(spreads, groups)
    names = ["none" if group is None else group for group in groups]
    chart = (make_shares if is_share else make_spread)(bins, names) if bins else None
    return ScoreRow(name, is_share, cells, bins, chart)


def _sample(part: list[Spread]) -> Sample | None:
    if not part:
        return None
    return Sample(
        count=sum(spread.count for spread in part),
        sum=sum(spread.sum for spread in part),
        squares=sum(spread.squares for spread in part),
    )


def _render(
    page: PageRequest,
    time_range: TimeRange,
    by: str,
    *,
    status: int = 200,
    facets: Facets | None = None,
    known: list[str] | None = None,
    selection: Selection | None = None,
    rows: list[ScoreRow] | None = None,
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
        keys=sorted({*facets.keys, *([key] if by not in COLUMNS else [])}),
        facets=facets,
        groups=groups,
        offered=offered,
        known=known or [],
        chosen=selection.scores if selection else [],
        rows=rows or [],
        few=FEW,
        errors=errors or [],
        trouble=trouble,
        shorter=shorter_ranges(time_range.length),
    )


PAGES = (Page(path="/compare", handler=show_comparison, title="Compare"),)
