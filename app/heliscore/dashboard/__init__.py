"""Pages for people, made on the server; they work offline and need no build."""

from __future__ import annotations

from typing import Final

from starlette.routing import Route

from heliscore.dashboard.pages import (
    about,
    agreement,
    agreement_requests,
    api_keys,
    api_reference,
    changes,
    comparison,
    comparison_cases,
    destination_form,
    destinations,
    join,
    monitor_form,
    monitors,
    overview,
    queue_form,
    queue_review,
    queues,
    release_check,
    request_actions,
    request_detail,
    request_list,
    score_definitions,
    score_form,
    search,
    sign_in,
    usage,
    view_form,
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
    *comparison_cases.PAGES,
    *release_check.PAGES,
    *agreement.PAGES,
    *agreement_requests.PAGES,
    *monitor_form.PAGES,
    *monitors.PAGES,
    *score_definitions.PAGES,
    *queue_form.PAGES,
    *queues.PAGES,
    *queue_review.PAGES,
    *join.PAGES,
    *api_keys.PAGES,
    *destination_form.PAGES,
    *destinations.PAGES,
    *usage.PAGES,
    *about.PAGES,
    *api_reference.PAGES,
    *search.PAGES,
    *sign_in.PAGES,
    *request_actions.PAGES,
    *view_form.PAGES,
)
"""Every page; those of the navigation in its order."""

ROUTES: Final[tuple[Route, ...]] = (*make_page_routes(PAGES), static_files.ROUTE)
