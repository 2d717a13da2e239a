"""Is the process there, and can it serve? For load balancers and people, without a key."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from heliscore.api.http.endpoints import Endpoint, RenderError, Services
from heliscore.api.http.json_codec import Json
from heliscore.domain.errors import Unavailable
from heliscore.store.schema.migrations import count_missing, read_migrations


async def healthz(_: Request) -> Response:
    """Answer as long as the process lives."""
    return Json({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Answer 200 when the database can be reached and its schema is up to date, 503 otherwise."""
    services: Services = request.state.services
    async with services.database.connection() as connection:
        missing = await count_missing(connection, read_migrations())
    if missing:
        raise Unavailable(f"{missing} migrations are missing: run heliscore migrate")
    return Json({"status": "ready"})


async def healthcheck(_: Request) -> Response:
    """Answer as Helicone's server does."""
    return Json({"status": "healthy :)"})


def make_endpoints(render_error: RenderError) -> tuple[Endpoint, ...]:
    """The three paths; `refuse` words the 503 and the 405."""
    return tuple(
        Endpoint(
            method="GET",
            path=path,
            handler=handler,
            render_error=render_error,
            tag="Health",
            permission=None,
            errors=(Unavailable,) if handler is readyz else (),
            answer={
                "type": "object",
                "properties": {"status": {"const": status}},
                "required": ["status"],
                "additionalProperties": False,
            },
            answer_example={"status": status},
        )
        for path, handler, status in _PATHS
    )


_PATHS: Final = (
    ("/healthz", healthz, "ok"),
    ("/readyz", readyz, "ready"),
    ("/healthcheck", healthcheck, "healthy :)"),
)
