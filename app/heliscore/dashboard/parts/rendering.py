"""Renders templates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import jinja2
from starlette.requests import Request
from starlette.responses import Response

from heliscore.api.http.html import Html
from heliscore.dashboard.parts import number_formats
from heliscore.dashboard.parts.markdown import render_markdown
from heliscore.dashboard.parts.session import Session
from heliscore.dashboard.parts.settings_sections import SECTIONS
from heliscore.dashboard.parts.static_files import static_path
from heliscore.dashboard.parts.time_range import SHARED
from heliscore.domain.errors import ApiError, InvalidInput

_TITLES: Final = {
    400: "Invalid request",
    403: "Not allowed",
    404: "Page not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    429: "Too many requests",
    503: "Temporarily unavailable",
}

_PASSING: Final = frozenset((429, 500, 503))

_environment: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parents[1] / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_environment.globals |= {"static": static_path, "settings_sections": SECTIONS}
_environment.filters |= number_formats.FILTERS | {"markdown": render_markdown}


def render(template: str, **context: object) -> str:
    """Render a part that knows neither session nor path."""
    return _environment.get_template(template).render(**context)


def respond(
    template: str,
    request: Request,
    session: Session | None,
    menu: tuple[tuple[str, str], ...],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: object,
) -> Response:
    """Render a template."""
    content = _environment.get_template(template).render(
        path=request.scope["path"],
        visited=_target(request) if request.method == "GET" else "/",
        session=session,
        menu=menu,
        shared_query=_shared_query(request),
        **context,
    )
    return Html(content, status, headers)


def render_error_page(
    request: Request, error: ApiError, session: Session | None = None, menu: tuple[tuple[str, str], ...] = ()
) -> Response:
    """Render an error for people. The caller sets the status."""
    return respond(
        "pages/error.html",
        request,
        session,
        menu,
        title=_TITLES.get(error.status, "Internal error"),
        message=str(error),
        errors=error.errors if isinstance(error, InvalidInput) and len(error.errors) > 1 else (),
        # A link can only repeat a GET, and only some errors may be gone the next time.
        retry=_target(request) if request.method == "GET" and error.status in _PASSING else None,
    )


def _shared_query(request: Request) -> str:
    """The time range and the filters of the address, for the links to other pages: `?…` or empty."""
    pairs = [(name, value) for name, value in request.query_params.multi_items() if name in SHARED and value]
    return f"?{urlencode(pairs)}" if pairs else ""


def _target(request: Request) -> str:
    path, query = str(request.scope["path"]), request.url.query
    return f"{path}?{query}" if query else path
