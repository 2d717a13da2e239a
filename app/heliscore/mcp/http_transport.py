"""`/mcp`: the protocol over HTTP, without sessions, so that any service behind a balancer answers any call.

The tools are called through the application itself, with the caller's key: a call by a model is checked,
limited, logged and answered as any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

import httpx
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from heliscore.api.http.auth import address_of, bearer_key
from heliscore.api.http.endpoints import error_response
from heliscore.api.http.request_state import state_of
from heliscore.api.shared import envelope
from heliscore.domain.api_key import Permissions
from heliscore.domain.errors import ApiError, Forbidden, MethodNotAllowed, NotFound
from heliscore.mcp.tools import BoundTool

PATH: Final = "/mcp"

ServeCall = Callable[..., Awaitable[None]]

_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class McpTransport:
    """The ASGI application of the path."""

    def __init__(self, tools: Mapping[str, BoundTool], find_app: Callable[[], ASGIApp]) -> None:
        self._tools = tools
        self._find_app = find_app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            permissions = await _authenticate(request)
            check_origin(request)
            if request.method != "POST":
                raise MethodNotAllowed(["POST"])
            await self._serve(request, permissions, send)
        except ApiError as error:
            await error_response(error, envelope.render_error)(scope, receive, send)

    async def _call_inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application without a server, which would give each call a state."""
        await self._find_app()({**scope, "state": {}}, receive, send)

    async def _serve(self, request: Request, permissions: Permissions, send: Send) -> None:
        try:
            # In a thread: to import the SDK takes a second, for which all other calls would wait.
            serve_call = await asyncio.to_thread(_import_sdk)
        except ImportError:
            raise NotFound("this service was installed without heliscore[mcp]") from None

        async def find_permissions() -> Permissions:
            return permissions

        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(self._call_inside, raise_app_exceptions=False),
            base_url=str(request.base_url),
            headers={"Authorization": f"Bearer {bearer_key(request)}"},
        ) as client:
            await serve_call(self._tools, client, find_permissions, request, send)


def _import_sdk() -> ServeCall:
    from heliscore.mcp.protocol_server import serve_call

    return serve_call


async def _authenticate(request: Request) -> Permissions:
    state = state_of(request.scope)
    principal = await state.services.keyring.principal(bearer_key(request), address_of(request))
    state.enter(principal.organization_id)
    return principal.permissions


def check_origin(request: Request) -> None:
    """Raise Forbidden for a call by a page of another site, and for a name of another site that was made to
    lead to this machine (DNS rebinding)."""
    host = request.headers.get("host", "")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        raise Forbidden("a page of another site must not call this")
    listens_on = (request.scope.get("server") or ("",))[0]
    if listens_on in _LOOPBACK and origin is not None and urlsplit(f"//{host}").hostname not in _LOOPBACK:
        raise Forbidden("a page of another site must not call this")
