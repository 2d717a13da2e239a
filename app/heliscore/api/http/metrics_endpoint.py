"""`GET /metrics`: what the service counts, for Prometheus; and four times a second a look at what can only be
looked at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import Response

from heliscore.api.http.endpoints import Endpoint, RenderError, Services, check_permission, identify_bearer
from heliscore.domain.errors import Forbidden, Unauthenticated, Unavailable
from heliscore.observability import metrics

_PAUSE_S: Final = 0.25

_teller: Final = ThreadPoolExecutor(1, "metrics")
"""One exposition at a time: many at once would keep everybody else from the processor."""


async def read_metrics(request: Request) -> Response:
    """Tell what the service counts, in Prometheus' text format.

    Without a key: requests, refusals, the writer and the pool. With a key that may read also
    `heliscore_score_value`, count and sum of the key's organization's scores by name.
    """
    services: Services = request.state.services
    organization_id = None
    if "helicone-auth" in request.headers or "authorization" in request.headers:
        call = await identify_bearer(request, services)
        request.scope["state"]["organization_id"] = call.principal.organization_id
        check_permission(call.principal, "r")
        organization_id = call.principal.organization_id
    _look(services)
    text = await asyncio.get_running_loop().run_in_executor(_teller, metrics.expose, organization_id)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


@asynccontextmanager
async def looked_at(services: Services) -> AsyncIterator[None]:
    """Look at calls, queue and pool four times a second while the block lasts."""

    async def look() -> None:
        while True:
            _look(services)
            await asyncio.sleep(_PAUSE_S)

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.wait([looking])


def _look(services: Services) -> None:
    metrics.pass_on_calls()
    metrics.set_waiting_scores(services.writer.waiting_scores)
    metrics.set_pool(services.database.in_use, services.database.waiting)


def make_endpoints(render_error: RenderError) -> tuple[Endpoint, ...]:
    """The one path; `refuse` words its refusals."""
    return (
        Endpoint(
            method="GET",
            path="/metrics",
            handler=read_metrics,
            render_error=render_error,
            tag="Health",
            permission=None,
            errors=(Unauthenticated, Forbidden, Unavailable),
            answer={"type": "string"},
            answer_type="text/plain",
            answer_example='heliscore_refusals_total{cause="NotFound"} 2.0\n',
        ),
    )
