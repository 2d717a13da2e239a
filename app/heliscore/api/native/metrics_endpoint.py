"""`GET /metrics` for Prometheus, and the sampler of the gauges behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import Response

from heliscore.api.http.endpoints import Endpoint, check_permission, identify_bearer
from heliscore.api.http.json_schema import STRING
from heliscore.api.http.request_state import Services, state_of
from heliscore.api.shared import envelope
from heliscore.domain.errors import Forbidden, Unauthenticated, Unavailable
from heliscore.observability import metrics

_PAUSE_S: Final = 0.25

_renderer: Final = ThreadPoolExecutor(1, "metrics")
"""Renders one answer at a time: many at once would keep other calls from the processor."""


async def read_metrics(request: Request) -> Response:
    """Read the service's metrics, in Prometheus' text format.

    Without a key: requests, errors, the writer and the pool. With a key that may read also
    `heliscore_score_value`, count and sum of the key's organization's scores by name.
    """
    state = state_of(request.scope)
    organization_id = None
    if "helicone-auth" in request.headers or "authorization" in request.headers:
        principal = (await identify_bearer(request, state.services)).principal
        state.organization_id = organization_id = principal.organization_id
        check_permission(principal, "r")
    _look(state.services)
    text = await asyncio.get_running_loop().run_in_executor(_renderer, metrics.expose, organization_id)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


@asynccontextmanager
async def looked_at(services: Services) -> AsyncIterator[None]:
    """Sample calls, queue and pool four times a second while the block lasts."""

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


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/metrics",
        handler=read_metrics,
        render_error=envelope.render_error,
        tag="Health",
        permission=None,
        errors=(Unauthenticated, Forbidden, Unavailable),
        answer=STRING,
        answer_type="text/plain",
        answer_example='heliscore_refusals_total{cause="NotFound"} 2.0\n',
    ),
)
