"""Composition: settings in, running application out; nothing else knows all parts."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final

from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from heliscore import dashboard
from heliscore.api import promptlayer
from heliscore.api.helicone import (
    evaluation_endpoints,
    key_endpoints,
    log_body,
    log_endpoints,
    property_endpoints,
    request_endpoints,
    row,
    score_endpoints,
)
from heliscore.api.http import openapi
from heliscore.api.http.auth import Keyring
from heliscore.api.http.body_budget import BodyBudget
from heliscore.api.http.endpoints import Endpoint, RenderError, error_response, make_endpoint_routes
from heliscore.api.http.middleware import Middleware
from heliscore.api.http.rate_limit import RateLimiter
from heliscore.api.http.request_state import Services
from heliscore.api.native import (
    batch_endpoint,
    comparison_endpoint,
    document_endpoints,
    health,
    metrics_endpoint,
)
from heliscore.api.promptlayer import answers, search_endpoint
from heliscore.api.shared import envelope, filter_schema
from heliscore.domain.errors import NotFound
from heliscore.domain.messages import shortened
from heliscore.observability.log_lines import open_request_log
from heliscore.server.supervisor import end_with_supervisor
from heliscore.settings import Settings, read_settings
from heliscore.store.connections.database_identity import Origin
from heliscore.store.connections.pool import open_database
from heliscore.store.retention import kept_pruned
from heliscore.store.scores import ScoreNames
from heliscore.store.writer import CONNECTIONS as WRITING_CONNECTIONS
from heliscore.store.writer import Writer

_log = logging.getLogger("heliscore")

_QUICK_CONNECTIONS: Final = 2
"""For what every call needs before it is looked at."""

_QUICK_MAX_EXPECTED_WAIT_S: Final = 2
"""Longer than others: without its key nothing of a call can be done, and looking it up is soon over."""

_CLOSE_TIMEOUT_S: Final = 0.5
"""Whoever waits for a score to be written has had the time that calls have to finish."""

_API: Final = (
    *score_endpoints.ENDPOINTS,
    *request_endpoints.ENDPOINTS,
    *log_endpoints.ENDPOINTS,
    *property_endpoints.ENDPOINTS,
    *evaluation_endpoints.ENDPOINTS,
    *key_endpoints.ENDPOINTS,
    *batch_endpoint.ENDPOINTS,
    *comparison_endpoint.ENDPOINTS,
    *promptlayer.ENDPOINTS,
    *health.ENDPOINTS,
    *metrics_endpoint.ENDPOINTS,
)

_DOCUMENT: Final = openapi.make_document(
    _API,
    filter_schema.COMPONENTS | row.COMPONENTS | log_body.COMPONENTS | search_endpoint.COMPONENTS,
    envelope.ERROR_SCHEMA,
)

ENDPOINTS: Final[tuple[Endpoint, ...]] = (*_API, *document_endpoints.make_endpoints(_DOCUMENT))
"""Every endpoint of the service."""


def app_from_environment() -> ASGIApp:
    """Make the application in a server's process; `heliscore serve` has put the database's address into the
    environment."""
    end_with_supervisor()
    return create_app(read_settings(os.environ))


def create_app(settings: Settings) -> ASGIApp:
    """Make the application; it connects to the database when it starts and lets go when it ends."""

    generations = _Generations(settings)
    log = open_request_log(settings.log_level)

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        try:
            async with generations.kept():
                yield
        finally:
            if log is not None:
                log.close()

    router = Router(
        routes=[*make_endpoint_routes(ENDPOINTS), *dashboard.ROUTES],
        lifespan=lifespan,
        redirect_slashes=False,
        default=_answer_not_found,
    )
    return Middleware(router, lambda: generations.services, _render_error, log)


@asynccontextmanager
async def _opened(settings: Settings, origin: Origin) -> AsyncIterator[Services]:
    """The services over one database."""
    names = ScoreNames()
    database = await open_database(settings, on_connect=origin.check)
    # Connections of their own: no flood of searches keeps keys from being found or scores from being written.
    quick = await open_database(
        settings,
        on_connect=origin.check,
        size=_QUICK_CONNECTIONS,
        plans="generic",
        max_expected_wait_s=_QUICK_MAX_EXPECTED_WAIT_S,
    )
    writing = await open_database(
        settings, on_connect=origin.check, size=WRITING_CONNECTIONS, plans="generic"
    )
    writer = Writer(writing, names, accept_unknown=settings.accepts_unknown_requests)
    try:
        limiter = None if settings.rate_limit is None else RateLimiter(quick, settings.rate_limit)
        async with kept_pruned(database, settings.retention_days):
            budget = BodyBudget(settings.max_held_bytes)
            services = Services(settings, database, Keyring(quick), names, writer, budget, limiter)
            async with metrics_endpoint.looked_at(services):
                yield services
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await writer.close()
        await asyncio.gather(writing.close(), quick.close(), database.close())


class _Generations:
    """Services, made anew when another database takes the place of theirs. A call stays with those that it
    began with: what it has learnt of the old database cannot lead it into the new one."""

    services: Services

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Have services as long as the block lasts."""
        renewing = asyncio.create_task(self._renew(await self._begin()))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
            await self._held.aclose()

    async def _begin(self) -> Origin:
        origin, held = Origin(), AsyncExitStack()
        self.services = await held.enter_async_context(_opened(self._settings, origin))
        self._held = held
        return origin

    async def _renew(self, origin: Origin) -> None:
        while True:
            await origin.replaced.wait()
            _log.warning("the database was replaced: beginning anew with what it holds now")
            old = self._held
            origin = await self._begin()
            await old.aclose()


async def _answer_not_found(scope: Scope, receive: Receive, send: Send) -> None:
    error = NotFound(f"no such endpoint: {shortened(scope['path'])}")
    await error_response(error, _render_error(scope))(scope, receive, send)


def _render_error(scope: Scope) -> RenderError:
    """The words of the dialect to which a path belongs, or of a page where a person asks for one."""
    if promptlayer.owns(scope["path"]):
        return answers.render_error
    return dashboard.make_error_renderer(scope) if dashboard.wants_page(scope) else envelope.render_error
