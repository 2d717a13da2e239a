"""`GET /metrics`: the metrics of the service, for Prometheus."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import Response

from heliscore.api.http.auth import KEY_HEADERS
from heliscore.api.http.endpoints import Endpoint, check_permission, identify_bearer
from heliscore.api.http.json_schema import STRING
from heliscore.api.http.request_state import state_of
from heliscore.api.shared import envelope
from heliscore.domain.errors import Forbidden, Unauthenticated, Unavailable
from heliscore.observability import metrics, score_totals

_renderer: Final = ThreadPoolExecutor(1, "metrics")
"""One rendering at a time: many at once would take the processor from the requests."""


async def read_metrics(request: Request) -> Response:
    """Return the metrics of the service in Prometheus' text format.

    Without a key: requests, errors, the writer and the pool. With a key that may read also
    `heliscore_score_value`: count and sum of the organization's scores by name.
    """
    state = state_of(request.scope)
    services, organization_id = state.services, None
    if any(name in request.headers for name in KEY_HEADERS):
        principal = (await identify_bearer(request, services)).principal
        organization_id = principal.organization_id
        state.enter(organization_id)
        check_permission(principal, "r")
    metrics.set_waiting_scores(services.writer.waiting_scores)
    for lane, writer in services.writer.lanes.items():
        if writer.lane is not None:
            metrics.set_lane_waiting_scores(lane, writer.waiting_scores)
    metrics.set_pool(services.database.in_use, services.database.waiting)
    text = await asyncio.get_running_loop().run_in_executor(_renderer, _render, organization_id)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


def _render(organization_id: int | None) -> bytes:
    own = b"" if organization_id is None else score_totals.SERIES.render(organization_id)
    return metrics.render() + own


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
