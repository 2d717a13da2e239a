"""Pages for people, made on the server; they work offline and need no build."""

from __future__ import annotations

from typing import Final

from starlette.routing import Route

from heliscore.dashboard.pages import (
    changes,
    comparison,
    join,
    monitor_form,
    monitors,
    overview,
    queue_form,
    queue_review,
    queues,
    request_detail,
    request_list,
    score_definitions,
    score_form,
    sign_in,
)
from heliscore.dashboard.parts import static_files
from heliscore.dashboard.parts.page_routes import Page, make_error_renderer, make_page_routes, wants_page

__all__ = ["PAGES", "ROUTES", "make_error_renderer", "wants_page"]

PAGES: Final[tuple[Page, ...]] = (
    *overview.PAGES,
    *changes.PAGES,
    *request_list.PAGES,
    *request_detail.PAGES,
    *score_form.PAGES,
    *comparison.PAGES,
    *monitor_form.PAGES,
    *monitors.PAGES,
    *score_definitions.PAGES,
    *queue_form.PAGES,
    *queues.PAGES,
    *queue_review.PAGES,
    *join.PAGES,
    *sign_in.PAGES,
)
"""Every page; those of the navigation in its order."""

ROUTES: Final[tuple[Route, ...]] = (*make_page_routes(PAGES), static_files.ROUTE)
