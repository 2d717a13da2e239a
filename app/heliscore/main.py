"""Composes the application from the settings; no other module knows all parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Final

from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from heliscore import dashboard
from heliscore.api import promptlayer
from heliscore.api.helicone import key_endpoints
from heliscore.api.helicone.webhook_message import WebhookRenderer
from heliscore.api.http.auth import Keyring
from heliscore.api.http.cors import make_cors
from heliscore.api.http.endpoints import RenderError, error_response, make_endpoint_routes
from heliscore.api.http.large_work import LargeWork
from heliscore.api.http.live_events import LiveEvents
from heliscore.api.http.memory_budget import MemoryBudget
from heliscore.api.http.middleware import Middleware
from heliscore.api.http.path_parameters import shown_path
from heliscore.api.http.rate_limit import RateLimiter
from heliscore.api.http.request_state import Forwarding, Services
from heliscore.api.promptlayer import answers
from heliscore.api.shared import envelope
from heliscore.domain.errors import NotFound
from heliscore.endpoint_table import ENDPOINTS
from heliscore.gateway import gateway_endpoints, gateway_errors
from heliscore.jobs import monitoring
from heliscore.jobs.background import StopService, running
from heliscore.jobs.counting import kept_counted
from heliscore.jobs.deliveries import kept_delivering
from heliscore.jobs.late_logging import kept_logging
from heliscore.jobs.monitor_evaluation import Evaluator
from heliscore.jobs.pruning import history_kept_pruned, kept_pruned
from heliscore.jobs.renewal import RenewedServices
from heliscore.mcp import http_transport
from heliscore.mcp.http_transport import McpTransport
from heliscore.mcp.tools import bind_tools
from heliscore.observability.event_loop import watch_stalls
from heliscore.observability.log_lines import open_request_log
from heliscore.outbound.messenger import open_messenger
from heliscore.outbound.provider_client import ProviderClient
from heliscore.pools import Pools, open_pools
from heliscore.providers.prices import PriceTable
from heliscore.settings import Settings
from heliscore.store.cluster.placements import Placements
from heliscore.store.connections.database_identity import DatabaseIdentity
from heliscore.store.definition_cache import DefinitionCache
from heliscore.store.late_log import LateLog
from heliscore.store.scores import ScoreIds
from heliscore.store.signing_secrets import RememberedSecret
from heliscore.store.upload_turns import UploadTurns
from heliscore.store.writer import Writer
from heliscore.store.writing_lanes import WritingLanes

_MAX_ANSWERS_BYTES: Final = 256 * 1024 * 1024
"""Of large answers that clients have not taken."""

_CLOSE_TIMEOUT_S: Final = 0.5
"""For scores that still wait to be written; the time for requests to finish is already over."""


def create_app(settings: Settings, stop_service: StopService) -> ASGIApp:
    """Make the application; its lifespan opens and closes the connections to the database."""

    def open_services(identity: DatabaseIdentity) -> AbstractAsyncContextManager[Services]:
        return _opened(settings, identity, stop_service, providers)

    providers = ProviderClient()  # a restore ends no call that is being forwarded
    services = RenewedServices(open_services, stop_service)
    log = open_request_log(settings.log_level)
    no_endpoint = _NoEndpoint()

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        try:
            async with services.opened(), running("watch of stalls", watch_stalls(), stop_service):
                yield
        finally:
            await providers.close()
            if log is not None:
                log.close()

    def find_app() -> ASGIApp:
        return app

    router = Router(
        routes=[
            *(Route(path, no_endpoint) for path in key_endpoints.ABSENT_PATHS),
            *make_endpoint_routes(ENDPOINTS, make_cors(settings.web_origins)),
            Route(http_transport.PATH, McpTransport(bind_tools(ENDPOINTS), find_app)),
            *dashboard.ROUTES,
        ],
        lifespan=lifespan,
        redirect_slashes=False,
        default=no_endpoint,
    )
    app = Middleware(router, lambda: services.current, _render_error, log)
    return app


@asynccontextmanager
async def _opened(
    settings: Settings, identity: DatabaseIdentity, stop_service: StopService, providers: ProviderClient
) -> AsyncIterator[Services]:
    """Open the services over one database, and close them."""
    placements, ids = Placements(), ScoreIds()
    pools = await open_pools(settings, identity, placements.node_of)
    live_events = LiveEvents(pools.live, identity)
    messenger = open_messenger(settings)
    body_url_secret = RememberedSecret(pools.quick, "body_url")
    webhooks = WebhookRenderer(body_url_secret)
    definitions = DefinitionCache(pools.definitions)
    evaluator = Evaluator(pools.monitors, ids.names, definitions)

    def open_writer(lane: int) -> Writer:
        accept_unknown = settings.accepts_unknown_requests
        return Writer(pools.writing, ids, accept_unknown=accept_unknown, placements=placements, lane=lane)

    writer = WritingLanes(open_writer, placements, pools.quick)
    limit = settings.rate_limit
    forwarding = _make_forwarding(settings, pools, providers)
    try:
        async with (
            kept_pruned(pools.database, settings.retention_days, stop_service),
            history_kept_pruned(pools.database, settings.history_days, stop_service),
            kept_counted(pools.counting, stop_service),
            running("live events", live_events.run(), stop_service),
            kept_delivering(
                pools.deliveries, ids.names, definitions, messenger, stop_service, webhooks.render
            ),
            monitoring.kept_monitored(evaluator, stop_service),
            kept_logging(None if forwarding is None else forwarding.late_log, stop_service),
        ):
            yield Services(
                settings=settings,
                database=pools.database,
                keyring=Keyring(pools.quick),
                ids=ids,
                definitions=definitions,
                writer=writer,
                uploads=pools.uploads,
                exports=pools.exports,
                upload_turns=UploadTurns(),
                quick=pools.quick,
                messenger=messenger,
                body_budget=MemoryBudget(settings.max_held_bytes, "request bodies"),
                answer_budget=MemoryBudget(_MAX_ANSWERS_BYTES, "answers"),
                large_work=LargeWork(),
                body_url_secret=body_url_secret,
                live_events=live_events,
                limiter=None if limit is None else RateLimiter(pools.quick, limit),
                prices=PriceTable() if settings.computed_costs else None,
                forwarding=forwarding,
            )
    finally:
        live_events.close("the database was replaced")
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await writer.close()
        await messenger.close()
        await pools.close()


def _make_forwarding(settings: Settings, pools: Pools, providers: ProviderClient) -> Forwarding | None:
    """The parts of the gateway; None where it is off."""
    if not settings.gateway_origins:
        return None
    return Forwarding(
        providers,
        LateLog(pools.database),
        body_budget=MemoryBudget(settings.max_held_bytes, "request bodies"),
        copy_budget=MemoryBudget(_MAX_ANSWERS_BYTES, "answers"),
        origins=settings.gateway_origins,
        keys=settings.provider_keys,
    )


class _NoEndpoint:
    """The ASGI application of paths without an endpoint. An object, since a route takes a function for a
    handler of GET."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = gateway_endpoints.error_of(scope)
        error = error or NotFound(f"no such endpoint: {shown_path(scope['path'])}")
        await error_response(error, _render_error(scope))(scope, receive, send)


def _render_error(scope: Scope) -> RenderError:
    """Choose the error format: that of the path's dialect, or a page if a browser asks for one."""
    if promptlayer.owns(scope["path"]):
        return answers.render_error
    if gateway_endpoints.owns(scope["path"]):
        return gateway_errors.render_error
    return dashboard.make_error_renderer(scope) if dashboard.wants_page(scope) else envelope.render_error
