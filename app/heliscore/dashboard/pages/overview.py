"""The overview page: each score's average, trend and distribution."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.endpoints import error_response
from heliscore.api.shared.filter_leaves import unscored
from heliscore.dashboard.parts.downloads import DOWNLOAD, answer_csv, make_card_rows, wants_csv
from heliscore.dashboard.parts.page_routes import Page, PageRequest, answer_data
from heliscore.dashboard.parts.request_links import requests_href
from heliscore.dashboard.parts.score_cards import ScoreCard, make_score_cards
from heliscore.dashboard.parts.score_panels import Buckets, Panel, make_panel
from heliscore.dashboard.parts.time_range import (
    STEPS,
    TimeRange,
    bucket_starts,
    default_step,
    possible_steps,
    read_time_range,
    shorter_ranges,
)
from heliscore.dashboard.parts.trend_releases import choose_releases, place_releases
from heliscore.dashboard.parts.trends import LEAST, make_cards
from heliscore.domain.errors import FieldError, InvalidInput, Unavailable
from heliscore.domain.filter_tree import AllOf, Not, Scored
from heliscore.domain.times import now
from heliscore.store import evaluations
from heliscore.store.connections.pool import Connection
from heliscore.store.facets import Facets, find_facets
from heliscore.store.releases import FirstUse, Uses, list_first_uses, refine
from heliscore.store.search import request_search

_MARKED: Final = "mark"
"""The parameter that names a property of which first uses are marked, instead of models and versions."""

_OWN: Final = frozenset(("score", "step", _MARKED, DOWNLOAD))
_MAX_PANELS: Final = 6
_FEW_NAMES: Final = 3
"""If no score is chosen and there are at most this many, all of them are charted."""

_BINS: Final = 25
_COUNT_TIMEOUT_S: Final = 1.0


class Overview(msgspec.Struct, frozen=True):
    """The numbers of the page."""

    cards: list[ScoreCard]
    more: int
    """How many cards were left out: those with the fewest scores."""

    absent: list[str]
    """The names without a score in the period."""

    panels: list[Panel]
    facets: Facets


async def show_overview(page: PageRequest) -> Response:
    time_range = read_time_range(page.request.query_params, now(), _OWN)
    step = time_range.one("step") or default_step(time_range.length)
    errors = [*time_range.errors]
    if step not in possible_steps(time_range.length):
        possible = ", ".join(possible_steps(time_range.length))
        errors.append(FieldError("step", f"expected one of {possible} for {time_range.length.days} days"))
    if len(time_range.all("score")) > _MAX_PANELS:
        errors.append(FieldError("score", f"at most {_MAX_PANELS} at a time"))
    if errors:
        return _render(page, time_range, status=400, errors=errors)
    try:
        overview = await _find(page, time_range, step)
    except Unavailable as error:
        return error_response(error, lambda error: _render(page, time_range, trouble=str(error)))
    if overview is None:
        return page.render("pages/first_run.html", address=str(page.request.base_url).rstrip("/"))
    if wants_csv(page.request.query_params):
        return answer_csv("overview", make_card_rows(shown.card for shown in overview.cards))
    return _render(page, time_range, step=step, overview=overview)


def _render(
    page: PageRequest,
    time_range: TimeRange,
    *,
    status: int = 200,
    step: str | None = None,
    overview: Overview | None = None,
    errors: list[FieldError] | None = None,
    trouble: str | None = None,
) -> Response:
    return page.render(
        "pages/overview.html",
        status=status,
        time_range=time_range,
        step=step,
        steps=possible_steps(time_range.length),
        overview=overview,
        facets=overview.facets if overview else Facets(),
        errors=errors or [],
        trouble=trouble,
        shorter=shorter_ranges(time_range.length),
        least=LEAST,
        marked=time_range.one(_MARKED),
        marks=_list_marks(overview.facets if overview else Facets(), time_range.one(_MARKED)),
        unscored_href=requests_href(time_range, unscored()),
        unscored_count=f"{_UNSCORED_PATH}{time_range.href(*_OWN)}",
    )


def _list_marks(facets: Facets, marked: str) -> list[str]:
    """The properties whose first uses can be marked; an address may have any other."""
    return sorted({*facets.keys, *([marked] if marked else [])})


async def _find(page: PageRequest, time_range: TimeRange, step: str) -> Overview | None:
    """Return None if the organization has no score at all."""
    services, organization_id = page.services, page.organization_id
    names = services.ids.names
    begins = bucket_starts(time_range.start, time_range.end, STEPS[step], time_range.zone)
    periods = time_range.selection_with_previous(organization_id)
    definitions = (await services.definitions.find(organization_id)).by_name
    async with services.database.connection() as connection:
        known = await evaluations.list_names(connection, organization_id)
        if not known:
            return None
        found = await evaluations.trends(
            connection, names, periods, [periods.start, time_range.start, *begins[1:]]
        )
        by_name = {card.name: card for card in make_cards(found, len(begins))}
        shown = make_score_cards(by_name.values(), definitions, time_range)
        chosen = time_range.all("score") or _choose(shown)
        spreads = await evaluations.spread(
            connection, names, time_range.selection(organization_id), chosen, _BINS
        )
        released = await _find_releases(connection, organization_id, time_range, step)
        facets = await find_facets(connection, organization_id, time_range.start, time_range.end)
    buckets = Buckets(step, begins, place_releases(released, begins, time_range, time_range.one(_MARKED)))
    return Overview(
        cards=shown,
        more=len(by_name) - len(shown),
        absent=[name for name in known if name not in by_name],
        panels=[
            make_panel(name, by_name.get(name), spreads, buckets, time_range, definitions) for name in chosen
        ],
        facets=facets,
    )


async def _find_releases(
    connection: Connection, organization_id: int, time_range: TimeRange, step: str
) -> list[FirstUse]:
    """Find what was released in the range, of the requests that match the filters."""
    filters = {name: time_range.one(name) or None for name in ("model", "prompt", "version")}
    uses = Uses(
        organization_id=organization_id,
        start=time_range.start - time_range.length,
        end=time_range.end,
        key=time_range.one(_MARKED) or None,
        having=time_range.one("key") or None,
        having_value=time_range.one("value") or None,
        **filters,
    )
    released = choose_releases(await list_first_uses(connection, uses), time_range.start, STEPS[step])
    return choose_releases(await refine(connection, uses, released), time_range.start, timedelta(0))


def _choose(cards: list[ScoreCard]) -> list[str]:
    """Choose the scores to chart by default: all if they are few; else the one that moved furthest, or the
    one with the most values where none did."""
    if len(cards) <= _FEW_NAMES:
        return sorted(shown.name for shown in cards)
    if cards[0].card.beyond_noise:
        return [cards[0].name]
    return [max(cards, key=lambda shown: shown.card.total.count).name]


async def count_unscored(page: PageRequest) -> Response:
    """Answer how many requests of the range have no score, and how many there are; nulls if counting takes
    too long."""
    time_range = read_time_range(page.request.query_params, now(), frozenset())
    if time_range.errors:
        raise InvalidInput(time_range.errors)
    counts: list[int | None] = [None, None]
    try:
        async with asyncio.timeout(_COUNT_TIMEOUT_S), page.services.database.connection() as connection:
            for place, more in enumerate(((), (Not(Scored()),))):
                counts[place] = await request_search.count(
                    connection,
                    page.services.ids.names,
                    page.organization_id,
                    AllOf((time_range.filter, time_range.times, *more)),
                )
    except TimeoutError:
        counts = [None, None]
    return answer_data({"requests": counts[0], "unscored": counts[1]})


async def find_first_score(page: PageRequest) -> Response:
    async with page.services.database.connection() as connection:
        known = await evaluations.list_names(connection, page.organization_id)
    return answer_data({"arrived": bool(known)})


_UNSCORED_PATH: Final = "/unscored-count"

PAGES = (
    Page(path="/", handler=show_overview, title="Overview"),
    Page(path="/first-score", handler=find_first_score, data=True),
    Page(path=_UNSCORED_PATH, handler=count_unscored, data=True),
)
