"""Composes the application from the settings; no other module knows all parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Final

import msgspec
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from heliscore import dashboard
from heliscore.api import promptlayer
from heliscore.api.helicone import (
    evaluation_endpoints,
    key_endpoints,
    log_endpoints,
    property_endpoints,
    request_endpoints,
    score_endpoints,
    webhook_endpoints,
)
from heliscore.api.helicone.webhook_message import WebhookRenderer
from heliscore.api.http import openapi
from heliscore.api.http.auth import Keyring
from heliscore.api.http.cors import make_cors
from heliscore.api.http.endpoints import Endpoint, RenderError, error_response, make_endpoint_routes
from heliscore.api.http.large_work import LargeWork
from heliscore.api.http.live_events import LiveEvents
from heliscore.api.http.memory_budget import MemoryBudget
from heliscore.api.http.middleware import Middleware
from heliscore.api.http.path_parameters import shown_path
from heliscore.api.http.rate_limit import RateLimiter
from heliscore.api.http.request_state import Forwarding, Services
from heliscore.api.native import (
    ab_endpoint,
    agreement_endpoint,
    audit_endpoint,
    batch_endpoint,
    changes_endpoint,
    comparison_endpoint,
    coverage_endpoint,
    definition_endpoints,
    delivery_endpoints,
    destination_endpoints,
    document_endpoints,
    event_endpoint,
    export_endpoint,
    gate_endpoint,
    health,
    history_endpoints,
    import_endpoint,
    metrics_endpoint,
    monitor_endpoints,
    monitor_preview_endpoint,
    request_deletion_endpoint,
    revert_endpoint,
    sample_endpoint,
    score_deletion_endpoint,
)
from heliscore.api.opentelemetry import otlp_answers, otlp_endpoints
from heliscore.api.promptlayer import answers
from heliscore.api.shared import envelope
from heliscore.domain.errors import NotFound
from heliscore.gateway import gateway_endpoints, gateway_errors
from heliscore.jobs import monitoring
from heliscore.jobs.background import StopService, running
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
from heliscore.providers.prices import PriceTable
from heliscore.settings import Settings
from heliscore.store.connections.database_identity import DatabaseIdentity
from heliscore.store.connections.pool import Database, open_database
from heliscore.store.definition_cache import DefinitionCache
from heliscore.store.late_log import LateLog
from heliscore.store.scores import ScoreIds
from heliscore.store.signing_secrets import RememberedSecret
from heliscore.store.upload_turns import UploadTurns
from heliscore.store.writer import CONNECTIONS as WRITING_CONNECTIONS
from heliscore.store.writer import Writer

_QUICK_CONNECTIONS: Final = 2
"""For API keys and rate limits, which every request needs first, and for other short statements."""

_QUICK_MAX_EXPECTED_WAIT_S: Final = 2
"""Longer than for other statements: no request can do without its key, and finding that takes little time."""

_UPLOAD_CONNECTIONS: Final = 3

_EXPORT_CONNECTIONS: Final = 3
_EXPORT_STATEMENT_TIMEOUT_MS: Final = 300_000
"""An export may sort all requests, or look for the next few that match among all."""

_DELIVERY_CONNECTIONS: Final = 3
_DELIVERY_MAX_EXPECTED_WAIT_S: Final = 10
"""Nobody waits for a job to answer."""

_MAX_ANSWERS_BYTES: Final = 256 * 1024 * 1024
"""Of large answers that clients have not taken."""

_CLOSE_TIMEOUT_S: Final = 0.5
"""For scores that still wait to be written; the time for requests to finish is already over."""

_API: Final = (
    *score_endpoints.ENDPOINTS,
    *request_endpoints.ENDPOINTS,
    *log_endpoints.ENDPOINTS,
    *property_endpoints.ENDPOINTS,
    *evaluation_endpoints.ENDPOINTS,
    *key_endpoints.ENDPOINTS,
    *webhook_endpoints.ENDPOINTS,
    *history_endpoints.ENDPOINTS,
    *revert_endpoint.ENDPOINTS,
    *batch_endpoint.ENDPOINTS,
    *comparison_endpoint.ENDPOINTS,
    *ab_endpoint.ENDPOINTS,
    *agreement_endpoint.ENDPOINTS,
    *coverage_endpoint.ENDPOINTS,
    *sample_endpoint.ENDPOINTS,
    *changes_endpoint.ENDPOINTS,
    *gate_endpoint.ENDPOINTS,
    *definition_endpoints.ENDPOINTS,
    *event_endpoint.ENDPOINTS,
    *destination_endpoints.ENDPOINTS,
    *delivery_endpoints.ENDPOINTS,
    *monitor_endpoints.ENDPOINTS,
    *monitor_preview_endpoint.ENDPOINTS,
    *request_deletion_endpoint.ENDPOINTS,
    *score_deletion_endpoint.ENDPOINTS,
    *audit_endpoint.ENDPOINTS,
    *export_endpoint.ENDPOINTS,
    *promptlayer.ENDPOINTS,
    *otlp_endpoints.ENDPOINTS,
    *health.ENDPOINTS,
    *metrics_endpoint.ENDPOINTS,
    *gateway_endpoints.ENDPOINTS,
    *import_endpoint.ENDPOINTS,
)

_DOCUMENT: Final = openapi.make_document(
    _API,
    {
        "Error": envelope.ERROR_SCHEMA,
        "PromptLayerError": answers.ERROR_SCHEMA,
        "GatewayError": gateway_errors.ERROR_SCHEMA,
        "OtlpStatus": otlp_answers.ERROR_SCHEMA,
    },
)

ENDPOINTS: Final[tuple[Endpoint, ...]] = (*_API, *document_endpoints.make_endpoints(_DOCUMENT))
"""Every endpoint of the service."""


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
            Route(http_transport.PATH, McpTransport(bind_tools(ENDPOINTS), find_app)),
            *(Route(path, no_endpoint) for path in key_endpoints.ABSENT_PATHS),
            *make_endpoint_routes(ENDPOINTS, make_cors(settings.web_origins)),
            *dashboard.ROUTES,
        ],
        lifespan=lifespan,
        redirect_slashes=False,
        default=no_endpoint,
    )
    app = Middleware(router, lambda: services.current, _render_error, log)
    return app


class _Pools(msgspec.Struct, frozen=True):
    """Connections to one database, apart for what must not wait for each other: a flood of searches must not
    keep keys from being found or scores from being written, nor a job either."""

    database: Database
    quick: Database
    writing: Database
    uploads: Database
    exports: Database
    live: Database
    deliveries: Database
    monitors: Database

    async def close(self) -> None:
        await asyncio.gather(*(pool.close() for pool in msgspec.structs.astuple(self)))


async def _open_pools(settings: Settings, identity: DatabaseIdentity) -> _Pools:
    async def open_(settings: Settings = settings, **options: Any) -> Database:
        return await open_database(settings, on_connect=identity.check, **options)

    patient = min(settings.statement_timeout_ms, monitoring.STATEMENT_TIMEOUT_MS)
    return _Pools(
        database=await open_(),
        quick=await open_(
            size=_QUICK_CONNECTIONS,
            plans="generic",
            max_expected_wait_s=_QUICK_MAX_EXPECTED_WAIT_S,
            is_fair=False,
        ),
        writing=await open_(size=WRITING_CONNECTIONS, plans="generic", is_fair=False),
        uploads=await open_(size=_UPLOAD_CONNECTIONS),
        exports=await open_(
            msgspec.structs.replace(
                settings,
                statement_timeout_ms=max(settings.statement_timeout_ms, _EXPORT_STATEMENT_TIMEOUT_MS),
            ),
            size=_EXPORT_CONNECTIONS,
        ),
        live=await open_(size=1, is_fair=False),
        deliveries=await open_(
            size=_DELIVERY_CONNECTIONS, max_expected_wait_s=_DELIVERY_MAX_EXPECTED_WAIT_S, is_fair=False
        ),
        monitors=await open_(
            msgspec.structs.replace(settings, statement_timeout_ms=patient),
            size=monitoring.CONNECTIONS,
            is_fair=False,
        ),
    )


@asynccontextmanager
async def _opened(
    settings: Settings, identity: DatabaseIdentity, stop_service: StopService, providers: ProviderClient
) -> AsyncIterator[Services]:
    """Open the services over one database, and close them."""
    pools, ids = await _open_pools(settings, identity), ScoreIds()
    live_events = LiveEvents(pools.live, identity)
    messenger = open_messenger(settings)
    body_url_secret = RememberedSecret(pools.quick, "body_url")
    webhooks = WebhookRenderer(body_url_secret)
    definitions = DefinitionCache(pools.quick)
    evaluator = Evaluator(pools.monitors, ids.names, definitions)
    writer = Writer(pools.writing, ids, accept_unknown=settings.accepts_unknown_requests)
    limit = settings.rate_limit
    forwarding = _make_forwarding(settings, pools, providers)
    try:
        async with (
            kept_pruned(pools.database, settings.retention_days, stop_service),
            history_kept_pruned(pools.database, settings.history_days, stop_service),
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


def _make_forwarding(settings: Settings, pools: _Pools, providers: ProviderClient) -> Forwarding | None:
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
        path = scope["path"]
        error = gateway_endpoints.error_of(path) or NotFound(f"no such endpoint: {shown_path(path)}")
        await error_response(error, _render_error(scope))(scope, receive, send)


def _render_error(scope: Scope) -> RenderError:
    """Choose the error format: that of the path's dialect, or a page if a browser asks for one."""
    if promptlayer.owns(scope["path"]):
        return answers.render_error
    if gateway_endpoints.owns(scope["path"]):
        return gateway_errors.render_error
    return dashboard.make_error_renderer(scope) if dashboard.wants_page(scope) else envelope.render_error
