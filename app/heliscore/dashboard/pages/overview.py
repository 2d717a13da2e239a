"""The overview: how each score has fared lately."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec
from starlette.responses import Response

from heliscore.api.http.endpoints import error_response
from heliscore.api.http.wire import now
from heliscore.dashboard.parts.charts import Chart
from heliscore.dashboard.parts.number_formats import format_stretch
from heliscore.dashboard.parts.page_routes import Page, PageRequest, answer_data
from heliscore.dashboard.parts.score_charts import make_distribution, make_trend
from heliscore.dashboard.parts.time_range import (
    RANGES,
    STEPS,
    View,
    possible_steps,
    read_view,
    stretches,
    usual_step,
)
from heliscore.dashboard.parts.trends import Bar, Card, Moment, make_bars, make_cards
from heliscore.domain.errors import FieldError, Unavailable
from heliscore.store import evaluations
from heliscore.store.evaluations import Facets

_OWN: Final = frozenset(("score", "step"))
_MAX_CARDS: Final = 120
_MAX_PANELS: Final = 6
_FEW_NAMES: Final = 3
"""So few scores are all charted where none is chosen."""

_BINS: Final = 25


class Panel(msgspec.Struct, frozen=True):
    """One score's charts. `card` is None where the period has no such score."""

    name: str
    card: Card | None
    moments: list[Moment]
    bars: list[Bar]
    trend: Chart | None
    distribution: Chart | None


class Numbers(msgspec.Struct, frozen=True):
    """All that the overview shows of a view."""

    cards: list[Card]
    more: int
    """How many cards were left out, those with the fewest scores."""

    silent: list[str]
    """Scores that the period has none of."""

    panels: list[Panel]
    facets: Facets


async def show_overview(visit: PageRequest) -> Response:
    view = read_view(visit.request.query_params, now(), _OWN)
    step = view.one("step") or usual_step(view.length)
    errors = [*view.errors]
    if step not in possible_steps(view.length):
        possible = ", ".join(possible_steps(view.length))
        errors.append(FieldError("step", f"expected one of {possible} for {view.length.days} days"))
    if len(view.all("score")) > _MAX_PANELS:
        errors.append(FieldError("score", f"at most {_MAX_PANELS} at a time"))
    if errors:
        return _render(visit, view, status=400, errors=errors)
    try:
        numbers = await _find(visit, view, step)
    except Unavailable as error:
        return error_response(error, lambda error: _render(visit, view, trouble=str(error)))
    if numbers is None:
        return visit.render("first_run.html", address=str(visit.request.base_url).rstrip("/"))
    return _render(visit, view, step=step, numbers=numbers)


def _render(
    visit: PageRequest,
    view: View,
    *,
    status: int = 200,
    step: str | None = None,
    numbers: Numbers | None = None,
    errors: list[FieldError] | None = None,
    trouble: str | None = None,
) -> Response:
    return visit.render(
        "overview.html",
        status=status,
        view=view,
        step=step,
        steps=possible_steps(view.length),
        numbers=numbers,
        facets=numbers.facets if numbers else Facets(),
        errors=errors or [],
        trouble=trouble,
        shorter=shorter_ranges(view.length),
    )


def shorter_ranges(length: timedelta) -> list[str]:
    """What to offer where a range was too long, longest first."""
    return [name for name, other in reversed(RANGES.items()) if other < length]


async def _find(visit: PageRequest, view: View, step: str) -> Numbers | None:
    """None where the organization has no score at all."""
    names, organization_id = visit.services.names, visit.organization_id
    begins = stretches(view.start, view.end, STEPS[step])
    periods = view.with_previous(organization_id)
    async with visit.services.database.connection() as connection:
        known = await evaluations.list_names(connection, organization_id)
        if not known:
            return None
        found = await evaluations.trends(connection, names, periods, [periods.start, view.start, *begins[1:]])
        cards = make_cards(found, len(begins))
        chosen = view.all("score") or _choose(cards)
        spreads = await evaluations.spread(connection, names, view.in_range(organization_id), chosen, _BINS)
        facets = await evaluations.find_facets(connection, organization_id, view.start, view.end)
    by_name = {card.name: card for card in cards}
    shown = [format_stretch(begin, step) for begin in begins]
    panels = []
    for name in chosen:
        card = by_name.get(name)
        moments = [*map(Moment, begins, shown, card.points)] if card else []
        bars = make_bars([spread for spread in spreads if spread.name == name], (None,))
        panels.append(_make_panel(name, card, moments, bars, step))
    largest = sorted(cards, key=lambda card: -card.total.count)[:_MAX_CARDS]
    return Numbers(
        cards=sorted(largest, key=lambda card: card.name),
        more=len(cards) - len(largest),
        silent=[name for name in known if name not in by_name],
        panels=panels,
        facets=facets,
    )


def _make_panel(name: str, card: Card | None, moments: list[Moment], bars: list[Bar], step: str) -> Panel:
    if card is None:
        return Panel(name, None, moments, bars, None, None)
    is_share = card.total.all_boolean
    trend = make_trend(moments, step, is_share=is_share)
    return Panel(name, card, moments, bars, trend, make_distribution(bars, is_share=is_share))


def _choose(cards: list[Card]) -> list[str]:
    """What is charted where nothing is chosen: a few scores all, of many the one that was given most."""
    if len(cards) <= _FEW_NAMES:
        return [card.name for card in cards]
    return [max(cards, key=lambda card: card.total.count).name]


async def find_first_score(visit: PageRequest) -> Response:
    async with visit.services.database.connection() as connection:
        known = await evaluations.list_names(connection, visit.organization_id)
    return answer_data({"arrived": bool(known)})


PAGES = (
    Page(path="/", handler=show_overview, title="Overview"),
    Page(path="/first-score", handler=find_first_score, data=True),
)
