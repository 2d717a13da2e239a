"""`GET /metrics`: the metrics of the service, for Prometheus."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import Response

from heliscore.api.http.endpoints import Endpoint, RenderError, Services, check_permission, identify_bearer
from heliscore.api.http.headers import header
from heliscore.domain.errors import Forbidden, Unauthenticated, Unavailable
from heliscore.observability import metrics, score_totals

_renderer: Final = ThreadPoolExecutor(1, "metrics")
"""One rendering at a time: many at once would take the processor from the requests."""


async def read_metrics(request: Request) -> Response:
    """Return the metrics of the service in Prometheus' text format.

    Without a key: requests, errors, the writer and the pool. With a key that may read also
    `heliscore_score_value`: count and sum of the organization's scores by name.
    """
    services: Services = request.state.services
    organization_id = None
    if any(header(request, name) is not None for name in (b"helicone-auth", b"authorization")):
        call = await identify_bearer(request, services)
        request.scope["state"]["organization_id"] = call.principal.organization_id
        check_permission(call.principal, "r")
        organization_id = call.principal.organization_id
    metrics.set_waiting_scores(services.writer.waiting_scores)
    metrics.set_pool(services.database.in_use, services.database.waiting)
    text = await asyncio.get_running_loop().run_in_executor(_renderer, _render, organization_id)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


def _render(organization_id: int | None) -> bytes:
    own = b"" if organization_id is None else score_totals.SERIES.render(organization_id)
    return metrics.render() + own


def make_endpoints(render_error: RenderError) -> tuple[Endpoint, ...]:
    """Make the endpoint; `render_error` renders its errors."""
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
