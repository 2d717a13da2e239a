"""Routes: one resource a path, for the API's endpoints and the dashboard's pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from starlette.convertors import StringConvertor, register_url_convertor
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from heliscore.api.http.large_answers import hold_answer
from heliscore.api.http.rate_limit import announcing
from heliscore.api.http.request_state import state_of
from heliscore.domain.errors import ApiError, MethodNotAllowed


class Method(Protocol):
    """One method on one path."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...


M = TypeVar("M", bound=Method)

Answer = Callable[[M, Request], Awaitable[Response]]
RenderError = Callable[[ApiError, M, Request], Response]
"""Makes the response to an error; of a method that is not allowed, with any of the path's others."""


def make_routes(
    methods: Iterable[M],
    answer: Answer[M],
    render_error: RenderError[M],
    middleware: Sequence[Middleware] = (),
) -> list[Route]:
    """One route a path, whatever its methods, in their order: the first are found fastest. A path that
    another with a parameter would match comes before it. The middleware stands before each resource."""
    by_path: dict[str, dict[str, M]] = {}
    for method in methods:
        by_path.setdefault(method.path, {})[method.method] = method
    routes: list[Route] = []
    for path, found in by_path.items():
        resource = Resource(found, answer, render_error)
        route = _AnyMethodRoute(_starlette_path(path), resource, methods=list(found), middleware=middleware)
        place = next((n for n, other in enumerate(routes) if other.path_regex.match(path)), len(routes))
        routes.insert(place, route)
    return routes


def _starlette_path(path: str) -> str:
    """`{path}` is all that follows, slashes among it; any other parameter is one segment."""
    return path.replace("{path}", "{path:path}").replace("}", ":segment}").replace(":path:segment}", ":path}")


class _Segment(StringConvertor):
    """The text between two slashes, even if empty: that is an error in an id, not in the path."""

    regex = "[^/]*"


register_url_convertor("segment", _Segment())


class _AnyMethodRoute(Route):
    """Leaves a wrong method to the resource, which renders the error."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class Resource(Generic[M]):
    """The ASGI application of one path. GET answers HEAD too."""

    def __init__(self, methods: Mapping[str, M], answer: Answer[M], render_error: RenderError[M]) -> None:
        self._methods = {"HEAD": methods["GET"], **methods} if "GET" in methods else methods
        self._any = next(iter(methods.values()))
        self._answer = answer
        self._render_error = render_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        method, state = self._methods.get(scope["method"]), state_of(scope)
        try:
            if method is None:
                raise MethodNotAllowed(list(self._methods))
            response = await self._answer(method, request)
            send = hold_answer(response, state, send)
        except ApiError as error:
            response = self._render_error(error, method or self._any, request)
        except ClientDisconnect:
            return
        allowance = state.allowance
        await response(scope, receive, send if allowance is None else announcing(send, allowance))
