"""Health checks for load balancers and people, without a key: whether the process lives, and can serve."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from heliscore.api.http.endpoints import Endpoint
from heliscore.api.http.json_codec import Json
from heliscore.api.http.json_schema import STRING, Schema, closed_object, constant, list_of_objects, one_of
from heliscore.api.http.request_state import state_of
from heliscore.api.shared import envelope
from heliscore.domain.errors import Unavailable
from heliscore.store.cluster import nodes
from heliscore.store.connections.carrying import carries
from heliscore.store.connections.outages import find_obstacle
from heliscore.store.schema.migrations import count_missing, read_migrations


async def healthz(_: Request) -> Response:
    """Answer as long as the process lives."""
    return Json({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Answer 200 when the database can be reached, is up to date and can be written; 503 otherwise.

    The error says why. A full disk is seen by the calls that fail, and remembered for 15 seconds. Of a
    cluster the answer lists the nodes: those that are away keep their organizations waiting, and no others.
    Only when none of them answers is it 503.
    """
    services = state_of(request.scope).services
    async with services.database.connection() as connection:
        missing = await count_missing(connection, read_migrations())
        obstacle = await find_obstacle(connection)
        answers = await nodes.ping(connection) if carries(connection) else []
    if missing:
        raise Unavailable(f"{missing} migrations are missing: run heliscore migrate")
    if services.writer.disk_is_full or services.database.disk_is_full:
        obstacle = "the disk of the database is full"
    if obstacle:
        raise Unavailable(f"nothing can be written: {obstacle}")
    if answers and not any(node.answers for node in answers):
        raise Unavailable("no node of the cluster answers")
    return Json({"status": "ready"} | ({"nodes": [_describe(node) for node in answers]} if answers else {}))


def _describe(node: nodes.Answer) -> dict[str, str]:
    return {"node": f"{node.name}:{node.port}", "status": "ready" if node.answers else "away"}


async def healthcheck(_: Request) -> Response:
    """Answer as Helicone's server does."""
    return Json({"status": "healthy :)"})


_NODES: Final = list_of_objects({"node": STRING, "status": one_of(("ready", "away"))})
"""Of a cluster only."""

_NOTHING: Final[dict[str, Schema]] = {}

_CHECKS: Final = (
    ("/healthz", healthz, "ok", _NOTHING),
    ("/readyz", readyz, "ready", {"nodes": _NODES}),
    ("/healthcheck", healthcheck, "healthy :)", _NOTHING),
)

ENDPOINTS: Final = tuple(
    Endpoint(
        method="GET",
        path=path,
        handler=handler,
        render_error=envelope.render_error,
        tag="Health",
        permission=None,
        errors=(Unavailable,) if handler is readyz else (),
        answer=closed_object({"status": constant(status)} | more, ("status",)),
        answer_example={"status": status},
    )
    for path, handler, status, more in _CHECKS
)
