"""HTML answers with their security headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.responses import HTMLResponse

_DIRECTIVES: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


def make_policy(**directives: str) -> str:
    """The content security policy, with changes for a page (`style_src`)."""
    merged = _DIRECTIVES | {name.replace("_", "-"): value for name, value in directives.items()}
    return "; ".join(f"{name} {value}" for name, value in merged.items())


HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": make_policy(),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Html(HTMLResponse):
    """A page that loads only our files, cannot be framed, and is not cached."""

    def __init__(self, content: str, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content, status, {**HEADERS, **(headers or {})})
