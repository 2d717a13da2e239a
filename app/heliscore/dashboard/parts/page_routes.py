"""Routes pages: checks session and permission, reads forms, and renders errors for people.

Pages are not part of the API, nor of its document. A page that changes something is protected twice: by the
session's token, in the field `csrf` or the header `X-CSRF-Token`, and by the browser's `Sec-Fetch-Site` or
`Origin`. A page with `data` answers our scripts: its errors are JSON, never a redirect.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl, quote

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from heliscore.api.http.endpoints import ApiCall, RenderError, error_response
from heliscore.api.http.html import HEADERS
from heliscore.api.http.json_codec import Json
from heliscore.api.http.request_body import read_body
from heliscore.api.http.request_state import Services, state_of
from heliscore.api.http.resources import make_routes
from heliscore.dashboard.parts.rendering import render_error_page, respond
from heliscore.dashboard.parts.session import (
    Session,
    check_site,
    check_token,
    find_session,
    local_path,
    work_path,
)
from heliscore.domain.api_key import Permissions
from heliscore.domain.audit import Actor
from heliscore.domain.errors import (
    ApiError,
    FieldError,
    Forbidden,
    InvalidInput,
    MethodNotAllowed,
    Unauthenticated,
)

_MAX_BODY_BYTES: Final = 1 << 18
_MAX_FIELDS: Final = 1000
_FORM: Final = "application/x-www-form-urlencoded"
_SAFE: Final = frozenset(("GET", "HEAD"))


class PageRequest(msgspec.Struct, frozen=True):
    """One call of a page by somebody who may make it."""

    request: Request
    services: Services
    session: Session | None
    """None only on pages without a permission."""

    menu: tuple[tuple[str, str], ...] = ()
    """Title and path of each page of the navigation."""

    body: bytes = b""
    form: dict[str, str] = {}

    @property
    def signed_in(self) -> Session:
        """The session of a page with a permission."""
        if self.session is None:
            raise Unauthenticated("please sign in")
        return self.session

    @property
    def organization_id(self) -> int:
        return self.signed_in.holder.organization_id

    @property
    def call(self) -> ApiCall:
        """The same as a call of the API, for what is shared with it (`app.api.recording`)."""
        session, principal = self.signed_in, self.signed_in.holder.principal
        person = None if session.reviewer is None else str(session.reviewer)
        actor = Actor("session", principal.key_id, person)
        return ApiCall(self.request, self.services, principal, self.body, actor=actor)

    def render(
        self,
        template: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **context: object,
    ) -> Response:
        """Answer with a template of this folder, which knows the session and the navigation."""
        return respond(
            template, self.request, self.session, self.menu, status=status, headers=headers, **context
        )


Handler = Callable[[PageRequest], Awaitable[Response]]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One method on one path of the dashboard. GET answers HEAD too."""

    method: str = "GET"
    path: str
    handler: Handler
    permission: Permissions | None = "r"
    """What the session's key must allow. None: nobody needs to be signed in."""

    title: str | None = None
    """Its name in the navigation; None: it is not there."""

    data: bool = False
    """For our scripts, in JSON."""

    for_reviewers: bool = False
    """Whether somebody who may review one queue sees it too; of that queue, where the path names one."""


def make_page_routes(pages: Iterable[Page]) -> list[Route]:
    """One route a path, whatever its methods."""
    pages = tuple(pages)
    menu = tuple((page.title, page.path) for page in pages if page.title is not None)

    async def answer(page: Page, request: Request) -> Response:
        visit = await _recognise(page, request, menu)
        try:
            return await _answer(visit, page)
        except ApiError as error:
            return _render_error(error, visit, page)

    def render_error(error: ApiError, page: Page, request: Request) -> Response:
        """Before anybody was recognised, the page has no frame of theirs."""
        return _render_error(error, PageRequest(request, state_of(request.scope).services, None), page)

    return make_routes(pages, answer, render_error)


async def _recognise(page: Page, request: Request, menu: tuple[tuple[str, str], ...]) -> PageRequest:
    if page.method not in _SAFE:
        check_site(request)
    state = state_of(request.scope)
    session = await find_session(request, state.services.database)
    if session is not None:
        state.enter(session.holder.organization_id)
    if session is not None and session.queue_id is not None:
        menu = (("Review", work_path(session.queue_id)),)
    return PageRequest(request, state.services, session, menu if session else ())


async def _answer(visit: PageRequest, page: Page) -> Response:
    if page.permission is not None:
        _check_permission(visit, page, page.permission)
    if page.method not in _SAFE:
        visit = await _read(visit)
        if page.permission is not None:
            token = visit.request.headers.get("x-csrf-token") or visit.form.get("csrf", "")
            check_token(visit.signed_in, token)
    return await page.handler(visit)


def _check_permission(visit: PageRequest, page: Page, needed: Permissions) -> None:
    """Raises Forbidden."""
    principal = visit.signed_in.holder.principal
    queue_id = visit.request.path_params.get("queueId", principal.queue_id)
    if page.for_reviewers and principal.reviews(queue_id):
        return
    if not principal.may(needed):
        raise Forbidden(f"your API key has permissions {principal.permissions!r}, this needs {needed!r}")


def _render_error(error: ApiError, visit: PageRequest, page: Page) -> Response:
    if page.data and not isinstance(error, MethodNotAllowed):
        return error_response(error, _render_data_error)
    if isinstance(error, Unauthenticated):
        return _redirect_to_sign_in(visit.request)
    return error_response(
        error, lambda error: render_error_page(visit.request, error, visit.session, visit.menu)
    )


async def _read(visit: PageRequest) -> PageRequest:
    body = await read_body(visit.request, _MAX_BODY_BYTES)
    form: dict[str, str] = {}
    if visit.request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM:
        try:
            pairs = parse_qsl(
                body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS
            )
            form = dict(pairs)
        except ValueError:
            reason = f"expected at most {_MAX_FIELDS} fields in UTF-8, percent-encoded"
            raise InvalidInput([FieldError("", f"the form cannot be read: {reason}")]) from None
    return PageRequest(visit.request, visit.services, visit.session, visit.menu, body, form)


def _redirect_to_sign_in(request: Request) -> Response:
    """Have them come back afterwards to the page that was asked for, where nothing was to be changed."""
    target = "/"
    if request.method in _SAFE:
        query = request.url.query
        target = local_path(request.scope["path"] + (f"?{query}" if query else ""))
    return redirect("/sign-in" if target == "/" else f"/sign-in?next={quote(target, safe='/')}")


def redirect(path: str) -> Response:
    """Go on with a GET of a path of ours."""
    return RedirectResponse(path, 303, headers=dict(HEADERS))


def answer_data(content: object) -> Response:
    """Answer one of our scripts."""
    return Json(content, headers=dict(HEADERS))


def _render_data_error(error: ApiError) -> Response:
    return answer_data({"error": str(error)})


def wants_page(scope: Scope) -> bool:
    """Whether a call comes from a browser's address line or a link, and so from a person."""
    return "text/html" in Headers(scope=scope).get("accept", "")


def make_error_renderer(scope: Scope) -> RenderError:
    """The words for what no page answers: a path that leads nowhere, a defect."""
    return lambda error: render_error_page(Request(scope), error)
