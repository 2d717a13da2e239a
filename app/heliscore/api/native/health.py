"""Health checks for load balancers and people, without a key: whether the process lives, and can serve."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from heliscore.api.http.endpoints import Endpoint
from heliscore.api.http.json_codec import Json
from heliscore.api.http.json_schema import closed_object, constant
from heliscore.api.http.request_state import state_of
from heliscore.api.shared import envelope
from heliscore.domain.errors import Unavailable
from heliscore.store.connections.outages import find_obstacle
from heliscore.store.schema.migrations import count_missing, read_migrations


async def healthz(_: Request) -> Response:
    """Answer as long as the process lives."""
    return Json({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Answer 200 when the database can be reached, is up to date and can be written; 503 otherwise.

    The error says why. A full disk is seen by the calls that fail, and remembered for 15 seconds.
    """
    services = state_of(request.scope).services
    async with services.database.connection() as connection:
        missing = await count_missing(connection, read_migrations())
        obstacle = await find_obstacle(connection)
    if missing:
        raise Unavailable(f"{missing} migrations are missing: run heliscore migrate")
    if services.writer.disk_is_full or services.database.disk_is_full:
        obstacle = "the disk of the database is full"
    if obstacle:
        raise Unavailable(f"nothing can be written: {obstacle}")
    return Json({"status": "ready"})


async def healthcheck(_: Request) -> Response:
    """Answer as Helicone's server does."""
    return Json({"status": "healthy :)"})


ENDPOINTS: Final = tuple(
    Endpoint(
        method="GET",
        path=path,
        handler=handler,
        render_error=envelope.render_error,
        tag="Health",
        permission=None,
        errors=(Unavailable,) if handler is readyz else (),
        answer=closed_object({"status": constant(status)}, ("status",)),
        answer_example={"status": status},
    )
    for path, handler, status in (
        ("/healthz", healthz, "ok"),
        ("/readyz", readyz, "ready"),
        ("/healthcheck", healthcheck, "healthy :)"),
    )
)
