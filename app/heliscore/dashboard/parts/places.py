"""Places of the dashboard that a search finds: pages, scores, views, queues, prompts, models, and a request
by its id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

import msgspec

from heliscore.api.shared.filter_leaves import equals
from heliscore.dashboard.parts.page_routes import PageRequest
from heliscore.dashboard.parts.search_address import SearchAddress, from_saved
from heliscore.dashboard.parts.settings_sections import SECTIONS
from heliscore.domain.filter_tree import Column
from heliscore.domain.messages import find_name_error
from heliscore.domain.score import title_of
from heliscore.domain.times import now
from heliscore.store import evaluations, review_queues, saved_views, score_history
from heliscore.store.connections.pool import Connection
from heliscore.store.facets import find_facets

_PERIOD: Final = timedelta(days=90)
"""Prompts and models are those of so many days."""

_BESIDE: Final = (("What changed", "/changes"), ("API reference", "/docs"))
"""Pages that are not in the navigation."""


class Place(msgspec.Struct, frozen=True):
    """Where a link leads."""

    title: str
    href: str


class Kind(msgspec.Struct, frozen=True):
    """Places of one kind."""

    title: str
    places: list[Place]


ListPlaces = Callable[[PageRequest, Connection], Awaitable[list[Kind]]]


async def _list_pages(page: PageRequest, _: Connection) -> list[Kind]:
    paths = {path: title for title, path in (*_BESIDE, *SECTIONS, *page.menu)}
    order = dict.fromkeys(path for _, path in (*page.menu, *SECTIONS, *_BESIDE))
    return [Kind("Pages", [Place(paths[path], path) for path in order])]


async def _list_scores(page: PageRequest, connection: Connection) -> list[Kind]:
    names = await evaluations.list_names(connection, page.organization_id)
    return [Kind("Scores", [Place(title_of(name), f"/?{urlencode({'score': name})}") for name in names])]


async def _list_views(page: PageRequest, connection: Connection) -> list[Kind]:
    views = await saved_views.list_views(connection, page.organization_id)
    return [Kind("Views", [Place(view.name, from_saved(view.search).href()) for view in views])]


async def _list_queues(page: PageRequest, connection: Connection) -> list[Kind]:
    queues = await review_queues.list_open(connection, page.organization_id)
    return [Kind("Queues", [Place(name, f"/queues/{id_}") for id_, name in queues])]


async def _list_prompts_and_models(page: PageRequest, connection: Connection) -> list[Kind]:
    end = now()
    facets = await find_facets(connection, page.organization_id, end - _PERIOD, end)
    return [
        Kind(title, [Place(value, _requests_of(column, value)) for value in facets.of(column)])
        for title, column in (("Prompts", "prompt_id"), ("Models", "model"))
    ]


def _requests_of(column: str, value: str) -> str:
    tree = equals(Column(column), value)
    return SearchAddress(filter=msgspec.json.encode(tree).decode()).href()


SOURCES: Final[tuple[ListPlaces, ...]] = (
    *(_list_pages, _list_scores, _list_views, _list_queues),
    _list_prompts_and_models,
)
"""Each lists all places of some kinds, in the order in which they are shown."""

_AT_ONCE: Final = SOURCES[:4]
"""Those that are shown before anything was entered."""


async def find_places(page: PageRequest, text: str, limit: int) -> list[Kind]:
    """Return the places whose title has every word of the text, at most `limit` of each kind: those first
    that begin with the text. A request is found by its whole id."""
    words = text.lower().split()
    async with page.services.database.connection() as connection:
        kinds = await _find_request(page, connection, text)
        for source in SOURCES if words else _AT_ONCE:
            kinds += await source(page, connection)
    chosen = [Kind(kind.title, _choose(kind.places, words)[:limit]) for kind in kinds]
    return [kind for kind in chosen if kind.places]


async def _find_request(page: PageRequest, connection: Connection, text: str) -> list[Kind]:
    href = SearchAddress().request_href(text)
    if find_name_error(text) or href is None:
        return []
    # No score has the empty name: only whether there is the request is asked.
    if await score_history.find_changes(connection, page.organization_id, text, "") is None:
        return []
    return [Kind("Request", [Place(text, href)])]


def _choose(places: Sequence[Place], words: Sequence[str]) -> list[Place]:
    found = [place for place in places if all(word in place.title.lower() for word in words)]
    start = words[0] if words else ""
    return sorted(found, key=lambda place: not place.title.lower().startswith(start))
