"""Templates into pages."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import jinja2
from starlette.requests import Request
from starlette.responses import Response

from heliscore.api.http.html import Html
from heliscore.dashboard.parts import number_formats
from heliscore.dashboard.parts.session import Session
from heliscore.dashboard.parts.static_files import static_path
from heliscore.domain.errors import ApiError, InvalidInput

_TITLES: Final = {
    400: "This cannot be understood",
    403: "Not allowed",
    404: "Nothing here",
    405: "Not possible this way",
    413: "Too large",
    429: "Too many calls",
    503: "Just a moment",
}

_PASSING: Final = frozenset((429, 500, 503))

_environment: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parents[1] / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_environment.globals["static"] = static_path
_environment.filters |= number_formats.FILTERS


def respond(
    template: str,
    request: Request,
    session: Session | None,
    menu: tuple[tuple[str, str], ...],
    *,
    status: int = 200,
    **context: object,
) -> Response:
    """Render a template."""
    content = _environment.get_template(template).render(
        path=request.scope["path"], session=session, menu=menu, **context
    )
    return Html(content, status)


def render_error_page(
    request: Request, error: ApiError, session: Session | None = None, menu: tuple[tuple[str, str], ...] = ()
) -> Response:
    """Say in plain words what went wrong, with a way on; the status is `refused`'s to set."""
    query = request.url.query
    target = request.scope["path"] + (f"?{query}" if query else "")
    return respond(
        "refusal.html",
        request,
        session,
        menu,
        title=_TITLES.get(error.status, "Something is broken"),
        message=str(error),
        errors=error.errors if isinstance(error, InvalidInput) and len(error.errors) > 1 else (),
        # A link repeats no call that changes something, and only what may go better the next time.
        retry=target if request.method == "GET" and error.status in _PASSING else None,
    )
