"""Where a reviewer's link leads: its key signs the person in, once they have said their name.

The key is behind the `#` of the address, which browsers send to no server. A script takes it from there into
the form, and out of the address; without one it is pasted.
"""

from __future__ import annotations

from starlette.responses import Response

from heliscore.api.http.auth import address_of
from heliscore.api.native.queue_commands import JOIN_PATH
from heliscore.dashboard.pages.sign_in import begin
from heliscore.dashboard.parts.page_routes import Page, PageRequest
from heliscore.dashboard.parts.session import find_reviewer, read_reviewer, work_path
from heliscore.domain.errors import InvalidInput, Unauthenticated


async def show_join(page: PageRequest) -> Response:
    return _form(page)


async def join(page: PageRequest) -> Response:
    key = page.form.get("key", "").strip().rpartition("#")[2]
    if not key:
        return _form(page, "Paste the link that you were sent.", 400)
    try:
        principal = await page.services.keyring.principal(key, address_of(page.request))
    except Unauthenticated:
        return _form(page, "This link is not valid: it is revoked or expired. Ask for another one.", 401)
    if principal.queue_id is None:
        return _form(page, "This is no reviewer's link. An API key signs in at /sign-in.", 403)
    try:
        reviewer = read_reviewer(page.form.get("name", ""))
    except InvalidInput as error:
        return _form(page, f"Your name: {error.errors[0].message}.", 400)
    if reviewer is None:
        return _form(page, "Enter your name: your scores are given under it.", 400)
    return await begin(page, key, principal.key_id, reviewer, work_path(principal.queue_id))


def _form(page: PageRequest, error: str | None = None, status: int = 200) -> Response:
    known = find_reviewer(page.request)
    name = page.form.get("name", "" if known is None else known.name)
    return page.render(
        "pages/join.html",
        status=status,
        error=error,
        name=name,
        key=page.form.get("key", "") if error else "",
        join_path=JOIN_PATH,
    )


PAGES = (
    Page(path=JOIN_PATH, handler=show_join, permission=None),
    Page(method="POST", path=JOIN_PATH, handler=join, permission=None),
)
