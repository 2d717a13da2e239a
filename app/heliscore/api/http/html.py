"""HTML answers and the headers that every one of them carries."""

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
    """The content security policy, with some directives (`style_src`) of a page's own."""
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
    """A page that runs nothing but our own files, in nobody's frame, and is kept by no cache."""

    def __init__(self, content: str, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content, status, {**HEADERS, **(headers or {})})
