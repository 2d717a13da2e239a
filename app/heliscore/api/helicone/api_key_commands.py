"""Makes, changes and revokes API keys of the caller's organization, for the API and the dashboard."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from heliscore.api.http.body_fields import Values, make_body, optional, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.value_types import NAME, choice
from heliscore.api.shared.authors import AUTHOR
from heliscore.domain.api_key import PERMISSIONS, mint_key
from heliscore.domain.errors import NotFound, Unauthenticated
from heliscore.store import keys as store

_MAX_ID: Final = 2**31 - 1

_NAME: Final = required("api_key_name", NAME)
_AUTHOR: Final = optional("author", AUTHOR, description="Of the scores that the key sends.")
KEY_PERMISSIONS: Final = optional("key_permissions", choice(PERMISSIONS, name="Permissions"), default="rw")
BODY: Final = make_body(
    _NAME,
    KEY_PERMISSIONS,
    _AUTHOR,
    example={
        "api_key_name": "my evaluator",
        "key_permissions": "w",
        "author": "judge:relevance-judge@2026-11",
    },
)


def _check_change(values: Values) -> None:
    is_read = values.has(_NEW_NAME) and values.has(_AUTHOR)
    if is_read and values[_NEW_NAME] is None and values[_AUTHOR] is None:
        values.reject(_NEW_NAME, "missing, and so is author")


_NEW_NAME: Final = optional("api_key_name", NAME)
CHANGE_BODY: Final = make_body(_NEW_NAME, _AUTHOR, check=_check_change, example={"api_key_name": "my judge"})


class NewKey(msgspec.Struct, frozen=True):
    """A key that was made just now."""

    id: int
    key: str


async def make_key(call: ApiCall, body: Values, expires_at: datetime | None = None) -> NewKey:
    """Make the key that a body describes, which expires then, or sooner: with the caller's. Raises
    Unauthenticated where that has just ended."""
    key = mint_key()
    async with call.services.database.connection() as connection:
        id_ = await store.mint(
            connection,
            call.principal,
            key,
            name=body[_NAME],
            permissions=body[KEY_PERMISSIONS],
            author=body[_AUTHOR],
            expires_at=expires_at,
            by=call.by,
        )
    if id_ is None:
        raise Unauthenticated("the API key is not valid")
    return NewKey(id_, key)


async def change_key(call: ApiCall, key_id: int, body: Values) -> None:
    """Change the name or the author of a key. Raises NotFound."""
    async with call.services.database.connection() as connection:
        found = await store.change(
            connection, call.principal.organization_id, key_id, name=body[_NEW_NAME], author=body[_AUTHOR]
        )
    if not found:
        raise NotFound(f"there is no key {key_id}")


async def revoke_key(call: ApiCall, key_id: int) -> None:
    """Revoke a key. Raises NotFound."""
    async with call.services.database.connection() as connection:
        found = await store.revoke_own(connection, call.principal.organization_id, key_id, call.by)
    if not found:
        raise NotFound(f"there is no key {key_id}")


def read_key_id(sent: str) -> int:
    """Read the id of a key as a client sent it. Raises NotFound."""
    if not (sent.isascii() and sent.isdigit()) or int(sent) > _MAX_ID:
        raise NotFound(f"there is no key {sent}")
    return int(sent)
