"""Describes endpoints: routes and OpenAPI document are made of the same table, so they cannot disagree."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from heliscore.api.http.auth import address_of, bearer_key
from heliscore.api.http.body_fields import Body, Field
from heliscore.api.http.idempotency import HEADER as IDEMPOTENCY_HEADER
from heliscore.api.http.idempotency import CallDigest, answer_once, read_key
from heliscore.api.http.json_schema import Schema
from heliscore.api.http.large_work import LARGE_BYTES, check_value_count
from heliscore.api.http.request_body import read_body
from heliscore.api.http.request_state import Services, state_of
from heliscore.api.http.resources import make_routes
from heliscore.domain.api_key import Permissions, Principal
from heliscore.domain.audit import Actor
from heliscore.domain.errors import (
    ApiError,
    BodyTooLarge,
    Conflict,
    Forbidden,
    InvalidInput,
    MethodNotAllowed,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from heliscore.observability import metrics


class ApiCall(msgspec.Struct, frozen=True):
    """A request with a valid key that has the permission for it."""

    request: Request
    services: Services
    principal: Principal
    read: bytes | None = None
    """The body, where it had to be read for the key."""

    digest: CallDigest | None = None
    """Where the call has an Idempotency-Key: takes the body before the first statement."""

    actor: Actor | None = None
    """Who makes it, where that is not the key."""

    @property
    def by(self) -> Actor:
        """Who makes it, for the audit."""
        return self.actor or Actor("key", self.principal.key_id)

    async def body(self) -> bytes:
        """Read a body that can be decoded at once. Raises InvalidInput where it holds too many values."""
        body = await self.large_body()
        if len(body) > LARGE_BYTES:
            await self.services.large_work.run(check_value_count, body, size_bytes=len(body))
        return body

    async def large_body(self) -> bytes:
        """Read a body of which decoding may take long."""
        body = self.read
        if body is None:
            body = await read_body(self.request, self.services.settings.max_body_bytes)
        if self.digest is not None:
            await self.digest.add(body)
        return body


Identify = Callable[[Request, Services], Awaitable[ApiCall]]
"""Finds the key where the dialect's clients send it. Raises Unauthenticated."""


async def identify_bearer(request: Request, services: Services) -> ApiCall:
    """Take the key from the headers in which Helicone's clients send it."""
    principal = await services.keyring.principal(bearer_key(request), address_of(request))
    return ApiCall(request, services, principal)


Handler = Callable[[Any], Awaitable[Response]]
"""Takes an ApiCall, or the bare Request where no key is needed. Its docstring describes it to clients."""

RenderError = Callable[[ApiError], Response]
"""Makes a dialect's body for an error; `error_response` adds status and general headers."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One method on one path."""

    method: str
    path: str
    handler: Handler
    render_error: RenderError
    tag: str
    permission: Permissions | None
    """The permission that the key must have. None: no key is needed."""

    operation: str | None = None
    """The document's name of it, which generated clients call it by. None: the handler's name."""

    identify: Identify = identify_bearer
    is_forwarded: bool = False
    """Whether another service carries it out; an Idempotency-Key is for that one."""

    for_reviewers: bool = False
    """Whether a key that is limited to a queue may call it too, about that queue."""

    security: tuple[str, ...] = ("bearer", "heliconeAuth")
    """The document's names of the ways in which `identify` takes a key."""

    success: int = 200
    """The status of a success."""

    answer: Schema
    """The body of that status."""

    answer_type: str = "application/json"
    warned_answer: Schema | None = None
    """The JSON of a success with warnings, where the answer is not JSON otherwise."""

    formats: tuple[str, ...] = ()
    """The media types of text in which the answer comes too, where the Accept header prefers them."""

    answer_is_secret: bool = False
    """Whether the answer may be kept nowhere."""

    query: tuple[Field[Any], ...] = ()
    """The parameters of the query."""

    body: Body | None = None
    answer_example: object = None
    errors: tuple[type[ApiError], ...] = ()
    """Beyond those that every endpoint has."""

    choose_error_format: Callable[[Request], RenderError] | None = None
    """Where the format of an error depends on the request: takes the place of `render_error`."""

    error_schema: str = "Error"
    """The document's name of the body that `render_error` makes."""

    @property
    def writes(self) -> bool:
        """Whether it changes something here, and so takes an Idempotency-Key."""
        return self.permission is not None and self.permission != "r" and not self.is_forwarded

    @property
    def all_errors(self) -> tuple[type[ApiError], ...]:
        """Its errors, with those of all endpoints of its kind."""
        general = GENERAL_ERRORS if self.permission else ()
        return self.errors + general + ((Conflict,) if self.writes else ())


def make_endpoint_routes(endpoints: Iterable[Endpoint], middleware: Sequence[Middleware]) -> list[Route]:
    """One route a path, whatever its methods."""

    return make_routes(endpoints, _answer, endpoint_error_response, middleware)


def endpoint_error_response(error: ApiError, endpoint: Endpoint, request: Request) -> Response:
    """Answer an error of an endpoint in its dialect."""
    choose = endpoint.choose_error_format
    return error_response(error, choose(request) if choose else endpoint.render_error)


async def _answer(endpoint: Endpoint, request: Request) -> Response:
    if endpoint.permission is None:
        return await endpoint.handler(request)
    state = state_of(request.scope)
    call = await endpoint.identify(request, state.services)
    state.enter(call.principal.organization_id)
    return await answer_call(endpoint, call)


async def answer_call(endpoint: Endpoint, call: ApiCall) -> Response:
    """Answer a call whose caller is known. Raises Forbidden, and whatever the endpoint does."""
    request, state = call.request, state_of(call.request.scope)
    if state.services.limiter is not None:
        state.allowance = await state.services.limiter.count(call.principal.key_id)
        state.allowance.raise_if_exceeded()
    reviews = endpoint.for_reviewers and call.principal.reviews(request.path_params.get("queueId"))
    if endpoint.permission is not None and not reviews:
        check_permission(call.principal, endpoint.permission)
    if endpoint.writes:
        if sent := request.headers.getlist(IDEMPOTENCY_HEADER):
            return await _answer_once(endpoint, call, read_key(sent))
    elif not endpoint.is_forwarded:
        state.services.database.raise_if_crowded()
    return await endpoint.handler(call)


async def _answer_once(endpoint: Endpoint, call: ApiCall, key: str) -> Response:
    digest = CallDigest(call.request)

    def answer(services: Services) -> Awaitable[Response]:
        return endpoint.handler(msgspec.structs.replace(call, services=services, digest=digest))

    organization_id, is_secret = call.principal.organization_id, endpoint.answer_is_secret
    return await answer_once(organization_id, key, digest, call.services, answer, is_secret=is_secret)


def check_permission(principal: Principal, needed: Permissions) -> None:
    """Raises Forbidden."""
    if not principal.may(needed):
        raise Forbidden(f"the API key has permissions {principal.permissions!r}, this needs {needed!r}")


def error_response(error: ApiError, render_error: RenderError) -> Response:
    """Count an error and answer it in a dialect's body, with the headers that its status asks for."""
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
            # The rest of the body need not be read.
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
