"""One table of endpoints makes the routes and the OpenAPI document, so they cannot disagree."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import msgspec
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from heliscore.api.http.auth import Keyring, bearer_key
from heliscore.api.http.body_budget import BodyMemory
from heliscore.api.http.body_fields import Body
from heliscore.api.http.json_schema import Schema
from heliscore.api.http.rate_limit import RateLimiter, announcing
from heliscore.api.http.request_body import read_body
from heliscore.domain.api_key import Permissions, Principal
from heliscore.domain.errors import (
    ApiError,
    BodyTooLarge,
    Forbidden,
    InvalidInput,
    MethodNotAllowed,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from heliscore.observability import metrics
from heliscore.settings import Settings
from heliscore.store.connections.pool import Database
from heliscore.store.scores import ScoreNames
from heliscore.store.writer import Writer


class Services(msgspec.Struct, frozen=True):
    """What handlers work with, made once a process."""

    settings: Settings
    database: Database
    keyring: Keyring
    names: ScoreNames
    writer: Writer
    memory: BodyMemory
    limiter: RateLimiter | None = None


class ApiCall(msgspec.Struct, frozen=True):
    """One call whose key is good and allowed to make it."""

    request: Request
    services: Services
    principal: Principal
    read: bytes | None = None
    """The body, where it had to be read for the key."""

    async def body(self) -> bytes:
        if self.read is not None:
            return self.read
        return await read_body(self.request, self.services.settings.max_body_bytes)


Identify = Callable[[Request, Services], Awaitable[ApiCall]]
"""How a dialect finds the key and whom it belongs to. Raises Unauthenticated."""


async def identify_bearer(request: Request, services: Services) -> ApiCall:
    """Take the key from the headers in which Helicone's clients send it."""
    principal = await services.keyring.principal(bearer_key(request))
    return ApiCall(request, services, principal)


Handler = Callable[[Any], Awaitable[Response]]
"""Takes a Call, or the bare Request where no key is needed. Its docstring describes it to clients."""

RenderError = Callable[[ApiError], Response]
"""How a dialect puts a refusal into its own words; status and general headers are added here."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One method on one path."""

    method: str
    path: str
    handler: Handler
    render_error: RenderError
    tag: str
    permission: Permissions | None
    """What a key must allow. None: no key is needed."""

    identify: Identify = identify_bearer
    security: tuple[str, ...] = ("bearer", "heliconeAuth")
    """The document's names of the ways in which `identify` takes a key."""

    success: int = 200
    """The status of a call that was carried out."""

    answer: Schema
    """The body of that status."""

    answer_type: str = "application/json"
    body: Body | None = None
    answer_example: object = None
    errors: tuple[type[ApiError], ...] = ()
    """Beyond those that every endpoint has."""

    error_schema: str = "Error"
    """The document's name of the body that `refuse` makes."""


def make_routes(endpoints: Iterable[Endpoint]) -> list[Route]:
    """One route a path, whatever its methods."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    return [
        AnyMethodRoute(path.replace("}", ":segment}"), _Resource(methods), methods=list(methods))
        for path, methods in by_path.items()
    ]


class _Segment(StringConvertor):
    """What stands between two slashes, even if nothing: that is a fault in an id, not in the path."""

    regex = "[^/]*"


register_url_convertor("segment", _Segment())


class AnyMethodRoute(Route):
    """Leaves a wrong method to the resource, which answers in words of its own."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class _Resource:
    """The ASGI application of one path: method, key, permission, handler, refusal."""

    def __init__(self, methods: dict[str, Endpoint]) -> None:
        self._methods = methods
        self._any = next(iter(methods.values()))
        if "GET" in methods:
            self._methods = {"HEAD": methods["GET"], **methods}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        endpoint = self._methods.get(scope["method"])
        try:
            response = await self._answer(endpoint, request)
        except ApiError as error:
            response = error_response(error, (endpoint or self._any).render_error)
        except ClientDisconnect:
            return
        allowance = scope["state"].get("allowance")
        await response(scope, receive, send if allowance is None else announcing(send, allowance))

    async def _answer(self, endpoint: Endpoint | None, request: Request) -> Response:
        if endpoint is None:
            raise MethodNotAllowed(list(self._methods))
        if endpoint.permission is None:
            return await endpoint.handler(request)
        call = await endpoint.identify(request, request.state.services)
        request.scope["state"]["organization_id"] = call.principal.organization_id
        if call.services.limiter is not None:
            await self._count(call, call.services.limiter)
        check_permission(call.principal, endpoint.permission)
        if endpoint.permission == "r":
            call.services.database.raise_if_crowded()
        return await endpoint.handler(call)

    async def _count(self, call: ApiCall, limiter: RateLimiter) -> None:
        """Note what the key has left, for the headers of whatever is answered. Raises TooManyRequests."""
        allowance = await limiter.count(call.principal.key_id)
        call.request.scope["state"]["allowance"] = allowance
        if allowance.exceeded:
            raise TooManyRequests(allowance.limit, allowance.reset_s)


def check_permission(principal: Principal, needed: Permissions) -> None:
    """Raises Forbidden."""
    if not principal.may(needed):
        raise Forbidden(f"the API key has permissions {principal.permissions!r}, this needs {needed!r}")


def error_response(error: ApiError, render_error: RenderError) -> Response:
    """Answer a refusal in a dialect's body, with the headers that its status asks for, and count it."""
    metrics.count_error(type(error).__name__)
    response = render_error(error)
    response.status_code = error.status
    match error:
        case Unauthenticated():
            response.headers["WWW-Authenticate"] = "Bearer"
        case MethodNotAllowed():
            response.headers["Allow"] = error.allowed
        case TooManyRequests() | Unavailable():
            response.headers["Retry-After"] = str(error.retry_after_s)
        case BodyTooLarge():
            # What is still on its way need not be read.
            response.headers["Connection"] = "close"
    return response


GENERAL_ERRORS: Final = (
    InvalidInput,
    Unauthenticated,
    Forbidden,
    BodyTooLarge,
    TooManyRequests,
    Unavailable,
)
