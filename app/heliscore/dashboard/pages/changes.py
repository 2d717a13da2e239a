"""The page of what changed from the time before, and the sentences with which the overview opens.

The overview asks for this page by a script, after it is shown: to compare all groups takes longer than the
rest of it.
"""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.endpoints import error_response
from heliscore.api.shared.period_changes import (
    ChangesQuestion,
    FoundChanges,
    base_leaves_of,
    find,
    leaves_of,
)
from heliscore.dashboard.parts.page_routes import Page, PageRequest
from heliscore.dashboard.parts.request_links import requests_href
from heliscore.dashboard.parts.search_address import format_sort
from heliscore.dashboard.parts.time_range import TimeRange, read_time_range, shorter_ranges
from heliscore.domain.changes.change import Change
from heliscore.domain.changes.change_words import describe_change
from heliscore.domain.changes.headlines import choose_headlines
from heliscore.domain.changes.period_scores import USUAL_GROUPS, TwoPeriods
from heliscore.domain.errors import Unavailable
from heliscore.domain.filter_tree import Score
from heliscore.domain.times import now
from heliscore.store.facets import Facets, find_facets
from heliscore.store.period_groups import PeriodSelection

_OWN: Final = frozenset(("score", "step", "mark"))
"""Of the overview, which links here with its own parameters."""

_LIMIT: Final = 30


class Line(msgspec.Struct, frozen=True):
    """One change and the addresses of its requests."""

    change: Change
    sentence: str
    href: str
    """The worst first."""

    base_href: str
    """Of those that it is compared with."""

    is_headline: bool
    is_directed: bool
    """Whether a definition says which values are better."""

    @property
    def look(self) -> str:
        change = self.change
        return change.verdict if self.is_directed and change.verdict else change.direction


async def show_changes(page: PageRequest) -> Response:
    time_range = read_time_range(page.request.query_params, now(), _OWN)
    if time_range.errors:
        return _render(page, time_range, status=400)
    services, periods = page.services, _make_periods(time_range)
    question = ChangesQuestion(
        selection=PeriodSelection(page.organization_id, time_range.filter, periods, USUAL_GROUPS),
        limit=_LIMIT,
    )
    try:
        directed = (await services.definitions.find(page.organization_id)).directed
        found = await find(services.database, services.ids.names, services.definitions, question)
        async with services.database.connection() as connection:
            facets = await find_facets(connection, page.organization_id, time_range.start, time_range.end)
    except Unavailable as error:
        return error_response(error, lambda error: _render(page, time_range, trouble=str(error)))
    lines = _make_lines(found, time_range, periods, directed)
    return _render(page, time_range, found=found, lines=lines, facets=facets)


def _make_periods(time_range: TimeRange) -> TwoPeriods:
    start, length = time_range.start, time_range.length
    return TwoPeriods(start - length, start, start, time_range.end)


def _make_lines(
    found: FoundChanges, time_range: TimeRange, periods: TwoPeriods, directed: frozenset[str]
) -> list[Line]:
    headlines = choose_headlines(found.changes)
    return [
        Line(
            change,
            describe_change(change, periods),
            *_make_addresses(change, time_range, periods, is_falling=change.score in found.falling),
            change in headlines,
            change.score in directed,
        )
        for change in found.changes
    ]


def _make_addresses(
    change: Change, time_range: TimeRange, periods: TwoPeriods, *, is_falling: bool
) -> tuple[str, str]:
    leaves, without = base_leaves_of(change, periods)
    worst_first = format_sort(Score(change.score), descending=is_falling)
    return (
        requests_href(time_range, *leaves_of(change, periods), sort=worst_first),
        requests_href(time_range, *leaves, without=without, sort=worst_first),
    )


def _render(
    page: PageRequest,
    time_range: TimeRange,
    *,
    status: int = 200,
    found: FoundChanges | None = None,
    lines: list[Line] | None = None,
    facets: Facets | None = None,
    trouble: str | None = None,
) -> Response:
    return page.render(
        "pages/changes.html",
        status=status,
        time_range=time_range,
        found=found,
        lines=lines or [],
        facets=facets or Facets(),
        errors=time_range.errors,
        trouble=trouble,
        shorter=shorter_ranges(time_range.length),
    )


PAGES = (Page(path="/changes", handler=show_changes, title=None),)
