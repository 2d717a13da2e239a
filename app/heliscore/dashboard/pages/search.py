"""The search for places of the dashboard: a page, and the answers for the palette that Ctrl+K opens."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from heliscore.dashboard.parts.page_routes import Page, PageRequest, answer_data
from heliscore.dashboard.parts.places import find_places

_PATH: Final = "/search"
_IN_PALETTE: Final = 8
_ON_PAGE: Final = 50


async def show_search(page: PageRequest) -> Response:
    text = _read_text(page)
    return page.render("pages/search.html", text=text, kinds=await find_places(page, text, _ON_PAGE))


async def find(page: PageRequest) -> Response:
    """Answer `{"kinds": [{"title": …, "places": [{"title": …, "href": …}]}]}`."""
    return answer_data({"kinds": await find_places(page, _read_text(page), _IN_PALETTE)})


def _read_text(page: PageRequest) -> str:
    return page.request.query_params.get("q", "").strip()


PAGES = (
    Page(path=_PATH, handler=show_search),
    Page(path=f"{_PATH}/found", handler=find, data=True),
)
