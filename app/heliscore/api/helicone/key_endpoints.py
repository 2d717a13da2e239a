"""Lists, makes, changes and revokes API keys of the caller's organization."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from heliscore.api.http.body_fields import Values, make_body, optional, required
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_codec import Json
from heliscore.api.http.json_schema import Schema, closed_object, list_of_objects, one_of
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.api.http.value_types import NAME, choice
from heliscore.api.shared import envelope
from heliscore.api.shared.authors import AUTHOR
from heliscore.domain.api_key import ALL_PERMISSIONS, PERMISSIONS, hash_key, mint_key
from heliscore.domain.errors import NotFound, Unauthenticated
from heliscore.domain.times import format_time
from heliscore.store import keys as store

_MAX_ID: Final = 2**31 - 1

_NAME: Final = required("api_key_name", NAME)
_AUTHOR: Final = optional("author", AUTHOR, description="Of the scores that the key sends.")
_KEY_PERMISSIONS: Final = optional("key_permissions", choice(PERMISSIONS, name="Permissions"), default="rw")
_KEY_BODY: Final = make_body(
    _NAME,
    _KEY_PERMISSIONS,
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
_CHANGE_BODY: Final = make_body(_NEW_NAME, _AUTHOR, check=_check_change, example={"api_key_name": "my judge"})


async def list_api_keys(call: ApiCall) -> Response:
    """List the valid keys, without the keys themselves."""
    async with call.services.database.connection() as connection:
        keys = await store.list_own(connection, call.principal.organization_id)
    return envelope.answer(
        [
            {
                "id": key.id,
                "api_key_name": key.name,
                "key_permissions": key.permissions,
                "hint": key.hint,
                "created_at": format_time(key.created_at),
                "expires_at": None if key.expires_at is None else format_time(key.expires_at),
                "made_by": key.made_by,
                "author": key.author,
            }
            for key in keys
        ]
    )


async def create_api_key(call: ApiCall) -> Response:
    """Make a key; this answer alone shows it.

    It expires with the key that makes it; only a key that reads and writes makes keys. The answer has no
    envelope, as in Helicone. It is kept nowhere: the same call with the same Idempotency-Key makes no second
    key, and gets 409.
    """
    body, key = _KEY_BODY.decode(await call.body()), mint_key()
    async with call.services.database.connection() as connection:
        id_ = await store.mint(
            connection,
            call.principal,
            key,
            name=body[_NAME],
            permissions=body[_KEY_PERMISSIONS],
            author=body[_AUTHOR],
        )
    if id_ is None:
        raise Unauthenticated("the API key is not valid")
    return Json({"id": id_, "apiKey": key, "hashedKey": hash_key(key).hex()})


async def change_api_key(call: ApiCall) -> Response:
    """Rename a key, or change the author of the scores that it sends from now on (within 5 seconds)."""
    body, key_id = _CHANGE_BODY.decode(await call.body()), _key_id(call)
    async with call.services.database.connection() as connection:
        found = await store.change(
            connection, call.principal.organization_id, key_id, name=body[_NEW_NAME], author=body[_AUTHOR]
        )
    return _answer(found, key_id)


async def revoke_api_key(call: ApiCall) -> Response:
    """Revoke a key; every process rejects it within 5 seconds."""
    key_id = _key_id(call)
    async with call.services.database.connection() as connection:
        found = await store.revoke_own(connection, call.principal.organization_id, key_id, call.by)
    return _answer(found, key_id)


def _key_id(call: ApiCall) -> int:
    text = read_path_parameter(call.request, "id")
    if not (text.isascii() and text.isdigit()) or int(text) > _MAX_ID:
        raise NotFound(f"there is no key {text}")
    return int(text)


def _answer(found: bool, key_id: int) -> Response:
    if not found:
        raise NotFound(f"there is no key {key_id}")
    return envelope.DONE


_TAG: Final = "API keys"
_KEY: Final[dict[str, Schema]] = {
    "id": {"type": "integer"},
    "api_key_name": {"type": "string"},
    "key_permissions": one_of(ALL_PERMISSIONS, "KeyPermissions"),
    "hint": {"type": "string", "description": "The end of the key."},
    "created_at": {"type": "string"},
    "expires_at": {"type": ["string", "null"]},
    "made_by": {
        "type": ["integer", "null"],
        "description": "The id of the key that made it; null: made by an operator.",
    },
    "author": {
        "type": ["string", "null"],
        "description": "Of the scores that the key sends; null: `api:` and the key's name.",
    },
}
_MADE: Final[dict[str, Schema]] = {
    "id": {"type": "integer"},
    "apiKey": {"type": "string"},
    "hashedKey": {"type": "string", "description": "SHA-256, hexadecimal"},
}

ENDPOINTS: Final = (
    envelope.endpoint(
        "GET",
        "/v1/api-keys",
        list_api_keys,
        "r",
        _TAG,
        data=list_of_objects(_KEY, "ApiKey"),
    ),
    envelope.endpoint(
        "POST",
        "/v1/api-keys",
        create_api_key,
        "rw",
        _TAG,
        body=_KEY_BODY,
        answer=closed_object(_MADE, required=tuple(_MADE)),
        answer_is_secret=True,
    ),
    envelope.endpoint(
        "PATCH",
        "/v1/api-keys/{id}",
        change_api_key,
        "rw",
        _TAG,
        body=_CHANGE_BODY,
        errors=(NotFound,),
    ),
    envelope.endpoint("DELETE", "/v1/api-keys/{id}", revoke_api_key, "rw", _TAG, errors=(NotFound,)),
)

ABSENT_PATHS: Final = ("/v1/api-keys/proxy-key", "/v1/api-keys/provider-key", "/v1/api-keys/provider-keys")
"""Helicone's endpoints for providers' keys, which Heliscore does not keep: their last segment is no id."""
