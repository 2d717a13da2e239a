"""Signing in and out."""

from __future__ import annotations

from starlette.responses import Response

from heliscore.api.http.auth import address_of
from heliscore.dashboard.parts.page_routes import Page, PageRequest, redirect
from heliscore.dashboard.parts.session import end_session, local_path, start_session
from heliscore.domain.api_key import hash_key
from heliscore.domain.errors import Unauthenticated


async def show_sign_in(page: PageRequest) -> Response:
    target = local_path(page.request.query_params.get("next", "/"))
    if page.session is not None and page.session.holder.principal.may("r"):
        return redirect(target)
    return _form(page, target)


async def sign_in(page: PageRequest) -> Response:
    key, target = page.form.get("key", "").strip(), local_path(page.form.get("next", "/"))
    if not key:
        return _form(page, target, "Enter an API key.", 400)
    try:
        principal = await page.services.keyring.principal(key, address_of(page.request))
    except Unauthenticated:
        return _form(page, target, "This API key is not valid: it is unknown, revoked or expired.", 401)
    if not principal.may("r"):
        return _form(
            page,
            target,
            "This API key may only write scores. To see them, use a key with read permission.",
            403,
        )
    response = redirect(target)
    start_session(response, page.request, principal.key_id, hash_key(key))
    return response


def _form(page: PageRequest, target: str, error: str | None = None, status: int = 200) -> Response:
    return page.render("pages/sign_in.html", status=status, target=target, error=error)


async def sign_out(page: PageRequest) -> Response:
    response = redirect("/sign-in")
    end_session(response, page.request)
    return response


PAGES = (
    Page(path="/sign-in", handler=show_sign_in, permission=None),
    Page(method="POST", path="/sign-in", handler=sign_in, permission=None),
    Page(method="POST", path="/sign-out", handler=sign_out),
)
