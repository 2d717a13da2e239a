"""The overview page: each score's average, trend and distribution."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.endpoints import error_response
from heliscore.dashboard.parts.charts import Chart
from heliscore.dashboard.parts.downloads import DOWNLOAD, answer_csv, make_card_rows, wants_csv
from heliscore.dashboard.parts.number_formats import format_bucket
from heliscore.dashboard.parts.page_routes import Page, PageRequest, answer_data
from heliscore.dashboard.parts.score_charts import make_distribution, make_trend
from heliscore.dashboard.parts.time_range import (
    STEPS,
    TimeRange,
    bucket_starts,
    default_step,
    possible_steps,
    read_time_range,
    shorter_ranges,
)
from heliscore.dashboard.parts.trends import LEAST, Bin, Card, TrendPoint, make_bins, make_cards
from heliscore.domain.errors import FieldError, Unavailable
from heliscore.domain.times import now
from heliscore.store import evaluations
from heliscore.store.facets import Facets, find_facets

_OWN: Final = frozenset(("score", "step", DOWNLOAD))
_MAX_CARDS: Final = 120
_MAX_PANELS: Final = 6
_FEW_NAMES: Final = 3
"""If no score is chosen and there are at most this many, all of them are charted."""

_BINS: Final = 25


class Panel(msgspec.Struct, frozen=True):
    """One score's charts. `card` and charts are None if the period has no such score."""

    name: str
    card: Card | None
    trend_points: list[TrendPoint]
    bins: list[Bin]
    trend: Chart | None
    distribution: Chart | None


class Overview(msgspec.Struct, frozen=True):
    """The numbers of the page."""

    cards: list[Card]
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
        return answer_csv("overview", make_card_rows(overview.cards))
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
    )


async def _find(page: PageRequest, time_range: TimeRange, step: str) -> Overview | None:
    """Return None if the organization has no score at all."""
    names, organization_id = page.services.ids.names, page.organization_id
    begins = bucket_starts(time_range.start, time_range.end, STEPS[step])
    periods = time_range.selection_with_previous(organization_id)
    async with page.services.database.connection() as connection:
        known = await evaluations.list_names(connection, organization_id)
        if not known:
            return None
        found = await evaluations.trends(
            connection, names, periods, [periods.start, time_range.start, *begins[1:]]
        )
        cards = make_cards(found, len(begins))
        chosen = time_range.all("score") or _choose(cards)
        spreads = await evaluations.spread(
            connection, names, time_range.selection(organization_id), chosen, _BINS
        )
        facets = await find_facets(connection, organization_id, time_range.start, time_range.end)
    by_name = {card.name: card for card in cards}
    shown = [format_bucket(begin, step) for begin in begins]
    panels = []
    for name in chosen:
        card = by_name.get(name)
        trend_points = [*map(TrendPoint, begins, shown, card.points)] if card else []
        is_share = card is not None and card.is_share
        bins = make_bins([spread for spread in spreads if spread.name == name], (None,), is_share=is_share)
        panels.append(_make_panel(name, card, trend_points, bins, step))
    largest = sorted(cards, key=lambda card: -card.total.count)[:_MAX_CARDS]
    return Overview(
        cards=sorted(largest, key=lambda card: card.name),
        more=len(cards) - len(largest),
        absent=[name for name in known if name not in by_name],
        panels=panels,
        facets=facets,
    )


def _make_panel(
    name: str, card: Card | None, trend_points: list[TrendPoint], bins: list[Bin], step: str
) -> Panel:
    if card is None:
        return Panel(name, None, trend_points, bins, None, None)
    is_share = card.is_share
    trend = make_trend(trend_points, step, is_share=is_share)
    return Panel(name, card, trend_points, bins, trend, make_distribution(bins, is_share=is_share))


def _choose(cards: list[Card]) -> list[str]:
    """Choose the scores to chart by default: all if they are few, else the one with the most values."""
    if len(cards) <= _FEW_NAMES:
        return [card.name for card in cards]
    return [max(cards, key=lambda card: card.total.count).name]


async def find_first_score(page: PageRequest) -> Response:
    async with page.services.database.connection() as connection:
        known = await evaluations.list_names(connection, page.organization_id)
    return answer_data({"arrived": bool(known)})


PAGES = (
    Page(path="/", handler=show_overview, title="Overview"),
    Page(path="/first-score", handler=find_first_score, data=True),
)
