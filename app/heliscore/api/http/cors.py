"""Lets pages of other origins call the API, where the settings name them (CORS).

It stands before each endpoint, behind the log of requests: the dashboard's pages, whose cookies would be sent
along, are not reached by it. It never allows cookies: a page sends its key in a header.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_SENT: Final = (
    "Authorization",
    "Content-Type",
    "Helicone-Auth",
    "Heliscore-Author",
    "Idempotency-Key",
    "X-API-KEY",
    "X-Request-Id",
)
_READ: Final = (
    "Helicone-Id",
    "Idempotent-Replayed",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "X-Request-Id",
)


def make_cors(origins: Sequence[str]) -> tuple[Middleware, ...]:
    """The middleware of an endpoint for these origins, or `*`; none without origins."""
    if not origins:
        return ()
    return (
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=_SENT,
            expose_headers=_READ,
        ),
    )
