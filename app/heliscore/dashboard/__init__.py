"""Pages for people, made on the server; they work offline and need no build."""

from __future__ import annotations

from typing import Final

from starlette.routing import Route

from heliscore.dashboard import compare, overview, request, requests, scoring, sign_in, static
from heliscore.dashboard.pages import Page, make_refuse, make_routes, wants_page

__all__ = ["PAGES", "ROUTES", "make_refuse", "wants_page"]

PAGES: Final[tuple[Page, ...]] = (
    *overview.PAGES,
    *requests.PAGES,
    *request.PAGES,
    *scoring.PAGES,
    *compare.PAGES,
    *sign_in.PAGES,
)
"""Every page; those of the navigation in its order."""

ROUTES: Final[tuple[Route, ...]] = (*make_routes(PAGES), static.ROUTE)
