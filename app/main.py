"""Composition: settings in, running application out; nothing else knows all parts."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import envelope, health, openapi
from app.api.auth import Keyring
from app.api.endpoints import Endpoint, Refuse, Services, make_routes, refused
from app.api.helicone import evaluations, keys, logs, properties, requests, schemas, scores
from app.api.native import batch
from app.api.promptlayer import ENDPOINTS as PROMPTLAYER
from app.api.promptlayer import envelope as promptlayer
from app.api.promptlayer import search
from app.errors import NotFound, Refusal
from app.scores import shortened
from app.settings import Settings, read_settings
from app.store.pool import open_database
from app.store.scores import ScoreNames
from app.store.writer import Writer

_log = logging.getLogger("heliscore")

_API: Final = (
    *scores.ENDPOINTS,
    *requests.ENDPOINTS,
    *logs.ENDPOINTS,
    *properties.ENDPOINTS,
    *evaluations.ENDPOINTS,
    *keys.ENDPOINTS,
    *batch.ENDPOINTS,
    *PROMPTLAYER,
    *health.make_endpoints(envelope.refuse),
)

_DOCUMENT: Final = openapi.make_document(
    _API, schemas.COMPONENTS | logs.COMPONENTS | search.COMPONENTS, envelope.REFUSAL_SCHEMA
)

ENDPOINTS: Final[tuple[Endpoint, ...]] = (*_API, *openapi.make_endpoints(_DOCUMENT, envelope.refuse))
"""Every endpoint of the service."""


def app_from_environment() -> ASGIApp:
    """Make the application in a server's process; `heliscore serve` has put the database's address into the
    environment."""
    return create_app(read_settings(os.environ))


def create_app(settings: Settings) -> ASGIApp:
    """Make the application; it connects to the database when it starts and lets go when it ends."""

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[Mapping[str, Any]]:
        names = ScoreNames()
        database = await open_database(settings, on_connect=names.forget)
        writer = Writer(database, names, accept_unknown=settings.unknown_requests == "accept")
        try:
            yield {"services": Services(settings, database, Keyring(database), names, writer)}
        finally:
            await writer.close()
            await database.close()

    router = Router(
        routes=make_routes(ENDPOINTS), lifespan=lifespan, redirect_slashes=False, default=_answer_not_found
    )
    return _Entrance(router)


class _Entrance:
    """What every call passes: the path is made ready for the router, and a defect is answered and logged.

    Routing is done on the path as it was sent, so that `%2F` inside an id does not split it. Several slashes
    at its beginning, which clients make of a base URL that ends in one, count as one. A bare Router stands
    behind this: the layers of Starlette's application would do the same once more, at a price.
    """

    def __init__(self, router: Router) -> None:
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        sent: bytes = scope.get("raw_path") or scope["path"].encode()
        scope["path"] = "/" + sent.partition(b"?")[0].decode("latin-1").lstrip("/")
        try:
            await self._router(scope, receive, send)
        except Exception:
            _log.exception("defect in %s %s", scope["method"], scope["path"])
            await _answer_defect(scope, receive, send)


async def _answer_not_found(scope: Scope, receive: Receive, send: Send) -> None:
    refusal = NotFound(f"there is nothing at {shortened(scope['path'])}")
    await refused(refusal, _refuse(scope))(scope, receive, send)


async def _answer_defect(scope: Scope, receive: Receive, send: Send) -> None:
    await refused(Refusal("internal error: please report it"), _refuse(scope))(scope, receive, send)


def _refuse(scope: Scope) -> Refuse:
    """The words of the dialect to which a path belongs."""
    return promptlayer.refuse if promptlayer.serves(scope["path"]) else envelope.refuse
