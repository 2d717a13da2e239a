"""The pages of API keys: a list with a form to make one, and one key, to be renamed or revoked. They need no
script."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec
from starlette.responses import Response

from heliscore.api.helicone.api_key_commands import (
    BODY,
    CHANGE_BODY,
    change_key,
    make_key,
    read_key_id,
    revoke_key,
)
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.dashboard.parts.page_routes import Page, PageRequest, redirect
from heliscore.dashboard.parts.settings_sections import KEYS, PATH
from heliscore.domain.api_key import Permissions
from heliscore.domain.author import read_author
from heliscore.domain.errors import FieldError, InvalidInput, NotFound
from heliscore.domain.times import now
from heliscore.store import keys as store
from heliscore.store.keys import MadeKey

_ID: Final = "keyId"
_ONE: Final = f"{KEYS}/{{{_ID}}}"
_MAX_SHOWN: Final = 200

_WORDS: Final[dict[Permissions, str]] = {
    "rw": "view, score and manage",
    "r": "view only",
    "w": "send scores and logs only",
    "f": "rate only, for browsers",
}

_LIFETIMES: Final = {
    "": "never",
    "7": "in a week",
    "30": "in 30 days",
    "90": "in 90 days",
    "365": "in a year",
}
"""Days until a key expires, in words."""

_FIELDS: Final = ("api_key_name", "key_permissions")
_NEW: Final = {"key_permissions": "r"}


class ShownKey(msgspec.Struct, frozen=True):
    """A key for people."""

    key: MadeKey
    own_id: int
    """The key of the session."""

    @property
    def href(self) -> str:
        return f"{KEYS}/{self.key.id}"

    @property
    def is_own(self) -> bool:
        return self.key.id == self.own_id

    @property
    def permissions(self) -> str:
        return _WORDS.get(self.key.permissions, self.key.permissions)

    @property
    def author(self) -> str:
        """Of the scores that it sends."""
        return self.key.author or f"api:{self.key.name}"

    @property
    def maker(self) -> str:
        """The person who made it, or else the key."""
        person = None if self.key.person is None else read_author(self.key.person)
        if person is not None and not isinstance(person, str):
            return person.name
        return (
            "an operator" if self.key.maker_hint is None else f"{self.key.maker_name} {self.key.maker_hint}"
        )


async def list_keys(page: PageRequest) -> Response:
    return await _render(page, _NEW)


async def submit_key(page: PageRequest) -> Response:
    """Make a key, and show it: this page alone does."""
    entered = {key: value.strip() for key, value in page.form.items()}
    try:
        body: dict[str, str | None] = {key: entered.get(key, "") for key in _FIELDS}
        body |= {"author": entered.get("author") or None}
        made = await make_key(page.call, BODY.read(body), _read_expiry(entered.get("days", "")))
    except InvalidInput as error:
        return await _render(page, entered, status=400, errors=error.errors)
    return await _render(page, _NEW, made=made.key)


def _read_expiry(days: str) -> datetime | None:
    """Raises InvalidInput for a lifetime that the form does not offer."""
    if days not in _LIFETIMES:
        raise InvalidInput([FieldError("days", "expected one of the choices")])
    return now() + timedelta(days=int(days)) if days else None


async def show_key(page: PageRequest) -> Response:
    key = await _find(page)
    entered = {"api_key_name": key.key.name, "author": key.key.author or ""}
    return page.render("pages/api_key.html", shown=key, entered=entered, errors={})


async def submit_change(page: PageRequest) -> Response:
    """Rename a key or change its author, or revoke it."""
    id_ = _read_id(page)
    if page.form.get("act") == "revoke":
        await revoke_key(page.call, id_)
        return redirect(KEYS)
    entered = {key: page.form.get(key, "").strip() for key in ("api_key_name", "author")}
    try:
        given = {key: value for key, value in entered.items() if value or key == "api_key_name"}
        await change_key(page.call, id_, CHANGE_BODY.read(given))
    except InvalidInput as error:
        shown, errors = await _find(page), _by_field(error.errors)
        return page.render("pages/api_key.html", status=400, shown=shown, entered=entered, errors=errors)
    return redirect(KEYS)


async def _find(page: PageRequest) -> ShownKey:
    """Return the key of the path. Raises NotFound."""
    id_ = _read_id(page)
    async with page.services.database.connection() as connection:
        found = await store.list_with_makers(connection, page.organization_id, 1, id_)
    if not found:
        raise NotFound(f"there is no key {id_}")
    return ShownKey(found[0], page.signed_in.holder.key_id)


def _read_id(page: PageRequest) -> int:
    return read_key_id(read_path_parameter(page.request, _ID))


def _by_field(errors: tuple[FieldError, ...]) -> dict[str, str]:
    return {error.path: error.message for error in errors}


async def _render(
    page: PageRequest,
    entered: Mapping[str, str],
    *,
    status: int = 200,
    errors: tuple[FieldError, ...] = (),
    made: str | None = None,
) -> Response:
    async with page.services.database.connection() as connection:
        found = await store.list_with_makers(connection, page.organization_id, _MAX_SHOWN + 1)
    return page.render(
        "pages/api_key_list.html",
        status=status,
        keys=[ShownKey(key, page.signed_in.holder.key_id) for key in found[:_MAX_SHOWN]],
        is_cut=len(found) > _MAX_SHOWN,
        entered=entered,
        errors=_by_field(errors),
        made=made,
        permissions=_WORDS.items(),
        lifetimes=_LIFETIMES.items(),
    )


async def show_settings(_: PageRequest) -> Response:
    return redirect(KEYS)


PAGES = (
    Page(path=PATH, handler=show_settings, title="Settings"),
    Page(path=KEYS, handler=list_keys),
    Page(method="POST", path=KEYS, handler=submit_key, permission="rw"),
    Page(path=_ONE, handler=show_key),
    Page(method="POST", path=_ONE, handler=submit_change, permission="rw"),
)
