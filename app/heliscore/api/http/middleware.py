"""The middleware in front of the router: prepares the path, finds or makes the request's id, answers defects,
and counts and logs each request when it is over.

Of what a client chose, only the request id is logged, if it looks like one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heliscore.api.http.endpoints import RenderError, error_response
from heliscore.api.http.request_state import Services, begin_request, client_went_away, state_of
from heliscore.domain.errors import ApiError, Defect, Unavailable
from heliscore.observability import metrics
from heliscore.observability.log_lines import RequestLine, RequestLog

_log = logging.getLogger("heliscore")

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._~:/+=@-]{1,128}")
_CLIENT_WENT_AWAY: Final = 499
"""nginx's status for it, in metrics and log; there is no client to send it to."""

_NOT_CACHED: Final = (
    (b"cache-control", b"no-store"),
    (b"vary", b"Authorization, Helicone-Auth, X-API-KEY"),
)
"""For every answer that says nothing about caching. Without them a shared cache could give one to another
organization: it knows that answers to `Authorization` are private, but not those to the other two headers."""


class Middleware:
    """The application in front of the router.

    Requests are routed by the path as it was sent, so that `%2F` inside an id does not split it. Several
    slashes at its beginning, which clients make of a base URL that ends in one, count as one. A bare Router
    stands behind this: the middleware of Starlette's application would do the same once more.
    """

    def __init__(
        self,
        router: ASGIApp,
        services: Callable[[], Services],
        choose_error_renderer: Callable[[Scope], RenderError],
        log: RequestLog | None,
    ) -> None:
        self._router = router
        self._services = services
        self._choose_error_renderer = choose_error_renderer
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        begin_request(scope, self._services())
        sent: bytes = scope.get("raw_path") or scope["path"].encode()
        scope["path"] = "/" + sent.partition(b"?")[0].decode("latin-1").lstrip("/")
        exchange = _Exchange(scope, receive, send)
        try:
            await self._router(scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:
            # The service stops and the call has had its time. One whose answer has begun is cut off.
            with suppress(RuntimeError):
                await self._render_error(
                    Unavailable("the service is shutting down, please try again"), exchange
                )
        except Exception as error:
            route = _route_of(scope)
            _log.error(
                "defect in %s %s",
                scope["method"],
                route,
                exc_info=error,
                extra={"fields": {"id": exchange.id.decode()}},
            )
            await self._render_error(Defect("internal error: please report it"), exchange)
        finally:
            self._note(exchange)

    async def _render_error(self, error: ApiError, exchange: _Exchange) -> None:
        response = error_response(error, self._choose_error_renderer(exchange.scope))
        await response(exchange.scope, exchange.receive, exchange.send)

    def _note(self, exchange: _Exchange) -> None:
        scope = exchange.scope
        seconds = observed_s = time.perf_counter() - exchange.begun
        status = _CLIENT_WENT_AWAY if client_went_away(scope) else exchange.status or _CLIENT_WENT_AWAY
        if state_of(scope).is_stream and exchange.status:
            # Its client leaves in the end, and how long it stays says nothing about the service.
            status, observed_s = exchange.status, exchange.answered - exchange.begun
        route = _route_of(scope)
        metrics.observe_request(route, scope["method"], status, observed_s)
        if self._log is not None:
            self._log.write(
                RequestLine(
                    datetime.now(UTC),
                    "error" if status == Defect.status else "info",
                    exchange.id.decode(),
                    scope["method"],
                    route,
                    status,
                    int(seconds * 1e6) / 1000,
                    state_of(scope).organization_id,
                    exchange.bytes_in,
                    0 if scope["method"] == "HEAD" else exchange.bytes_out,
                )
            )


class _Exchange:
    """Measures a request and its answer, and adds the id and the rule for caches to the headers as they are
    sent: some responses are shared between calls."""

    __slots__ = (
        "_receive",
        "_send",
        "answered",
        "begun",
        "bytes_in",
        "bytes_out",
        "id",
        "scope",
        "status",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun = self.answered = time.perf_counter()
        self.scope = scope
        self.id = _request_id(scope)
        self.status = 0
        self.bytes_in = self.bytes_out = 0
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        message = await self._receive()
        self.bytes_in += len(message.get("body", b""))
        return message

    def send(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = self.status or message["status"]
            self.answered = time.perf_counter()
            headers = [*message["headers"]]
            names = [name for name, _ in headers]
            if b"x-request-id" not in names:  # a provider's, by which its support finds a call
                headers.append((b"x-request-id", self.id))
            if b"cache-control" not in names:
                headers += _NOT_CACHED
            message["headers"] = headers
        else:
            self.bytes_out += len(message.get("body", b""))
        return self._send(message)


def _request_id(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            found: bytes = value
            return found
    return next(_made_ids)


def _make_ids() -> Iterator[bytes]:
    """Sixteen random hexadecimal digits each; one system call for five hundred of them."""
    while True:
        digits = os.urandom(4096).hex().encode()
        for begin in range(0, len(digits), 16):
            yield digits[begin : begin + 16]


_made_ids: Final = _make_ids()


def _route_of(scope: Scope) -> str | None:
    """The path template of the endpoint that was found; None where there is none."""
    route = scope.get("route")
    return None if route is None else _template(route.path)


@cache
def _template(path: str) -> str:
    """As the documents write it, without the router's types."""
    return re.sub(r":\w+}", "}", path)
