"""Signing in and out, and the name of the person, which is asked for once a session."""

from __future__ import annotations

from starlette.responses import Response

from heliscore.api.http.auth import address_of
from heliscore.dashboard.parts.page_routes import Page, PageRequest, redirect
from heliscore.dashboard.parts.session import (
    end_session,
    find_end,
    find_reviewer,
    local_path,
    make_signer,
    read_reviewer,
    set_reviewer,
    start_session,
    work_path,
)
from heliscore.domain.api_key import hash_key
from heliscore.domain.author import Author
from heliscore.domain.errors import InvalidInput, Unauthenticated
from heliscore.store import signing_secrets


async def show_sign_in(page: PageRequest) -> Response:
    target = local_path(page.request.query_params.get("next", "/"))
    if page.session is not None and page.session.queue_id is not None:
        return redirect(work_path(page.session.queue_id))
    if page.session is not None and page.session.holder.principal.may("r"):
        return redirect(target)
    return _form(page, target, ended=await find_end(page.request, page.services.database))


async def sign_in(page: PageRequest) -> Response:
    key, target = page.form.get("key", "").strip(), local_path(page.form.get("next", "/"))
    if not key:
        return _form(page, target, "Enter an API key.", 400)
    try:
        principal = await page.services.keyring.principal(key, address_of(page.request))
    except Unauthenticated:
        return _form(page, target, "This API key is not valid: it is unknown, revoked or expired.", 401)
    if principal.queue_id is not None:
        target = work_path(principal.queue_id)
    elif not principal.may("r"):
        may_only = "write scores" if principal.may("w") else "send ratings"
        return _form(
            page,
            target,
            f"This API key may only {may_only}. To see them, use a key with read permission.",
            403,
        )
    try:
        reviewer = read_reviewer(page.form.get("name", ""))
    except InvalidInput as error:
        return _form(page, target, f"Your name: {error.errors[0].message}.", 400)
    return await begin(page, key, principal.key_id, reviewer, target)


async def begin(page: PageRequest, key: str, key_id: int, reviewer: Author | None, target: str) -> Response:
    """Begin a session of that key, and go on at the target."""
    response = redirect(target)
    async with page.services.database.connection() as connection:
        secret = await signing_secrets.find(connection, "session")
    start_session(response, page.request, key_id, make_signer(secret, hash_key(key)))
    set_reviewer(response, page.request, reviewer)
    return response


def _form(
    page: PageRequest,
    target: str,
    error: str | None = None,
    status: int = 200,
    *,
    ended: str | None = None,
) -> Response:
    known = find_reviewer(page.request)
    name = page.form.get("name", "" if known is None else known.name)
    return page.render(
        "pages/sign_in.html", status=status, target=target, error=error, ended=ended, name=name
    )


async def name_reviewer(page: PageRequest) -> Response:
    """Keep the name of the person, or with an empty one forget it, and show the page where it was entered."""
    response = redirect(local_path(page.form.get("next", "/")))
    set_reviewer(response, page.request, read_reviewer(page.form.get("name", "")))
    return response


async def sign_out(page: PageRequest) -> Response:
    response = redirect("/sign-in")
    await end_session(response, page.request, page.signed_in, page.services.database)
    return response


PAGES = (
    Page(path="/sign-in", handler=show_sign_in, permission=None),
    Page(method="POST", path="/sign-in", handler=sign_in, permission=None),
    Page(method="POST", path="/reviewer", handler=name_reviewer, permission="w", for_reviewers=True),
    Page(method="POST", path="/sign-out", handler=sign_out, for_reviewers=True),
)
