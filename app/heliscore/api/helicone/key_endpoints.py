"""The API keys of the caller's own organization."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from heliscore.api.http.body_fields import Fields, decode_object
from heliscore.api.http.endpoints import ApiCall, Schema, closed_object
from heliscore.api.http.json_codec import Json
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.api.shared import envelope
from heliscore.domain.api_key import Permissions, hash_key, mint_key
from heliscore.domain.errors import NotFound
from heliscore.domain.messages import described, find_name_error
from heliscore.domain.times import format_time
from heliscore.store import keys as store

_MAX_ID: Final = 2**31 - 1
_PERMISSIONS: Final[dict[str, Permissions]] = {"rw": "rw", "r": "r", "w": "w"}


async def list_keys(call: ApiCall) -> Response:
    """List the usable keys, without the keys themselves."""
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
            }
            for key in keys
        ]
    )


async def create_key(call: ApiCall) -> Response:
    """Make a new key; it is shown this once. Without an envelope, as upstream."""
    fields = decode_object(await call.body(), frozenset(("api_key_name", "key_permissions")))
    name = _read_name(fields)
    sent = fields.text("key_permissions")
    permissions = "rw" if sent is None else _PERMISSIONS.get(sent)
    if permissions is None:
        fields.reject("key_permissions", f'expected "rw", "r" or "w", got {described(sent)}')
    fields.errors.raise_any()
    key = mint_key()
    async with call.services.database.connection() as connection:
        id_ = await store.register(
            connection, call.principal.organization_id, key, name=name, permissions=permissions or "rw"
        )
    return Json({"id": id_, "apiKey": key, "hashedKey": hash_key(key).hex()})


async def rename_key(call: ApiCall) -> Response:
    """Name a key anew."""
    fields = decode_object(await call.body(), frozenset(("api_key_name",)))
    name = _read_name(fields)
    fields.errors.raise_any()
    key_id = _key_id(call)
    async with call.services.database.connection() as connection:
        found = await store.rename(connection, call.principal.organization_id, key_id, name)
    return _answer(found, key_id)


async def revoke_key(call: ApiCall) -> Response:
    """Stop a key for ever; every process stops taking it within 5 seconds."""
    key_id = _key_id(call)
    async with call.services.database.connection() as connection:
        found = await store.revoke_own(connection, call.principal.organization_id, key_id)
    return _answer(found, key_id)


def _read_name(fields: Fields) -> str:
    name = fields.text("api_key_name", required=True)
    if name is not None and (error := find_name_error(name)):
        fields.reject("api_key_name", error)
    return name or ""


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
_NAME: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 255}
_KEY: Final[dict[str, Schema]] = {
    "id": {"type": "integer"},
    "api_key_name": {"type": "string"},
    "key_permissions": {"enum": list(_PERMISSIONS)},
    "hint": {"type": "string", "description": "The end of the key."},
    "created_at": {"type": "string"},
    "expires_at": {"type": ["string", "null"]},
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
        list_keys,
        "r",
        _TAG,
        data={"type": "array", "items": closed_object(_KEY, required=tuple(_KEY))},
    ),
    envelope.endpoint(
        "POST",
        "/v1/api-keys",
        create_key,
        "rw",
        _TAG,
        body=closed_object(
            {"api_key_name": _NAME, "key_permissions": {"enum": [*_PERMISSIONS, None]}},
            required=("api_key_name",),
        ),
        body_example={"api_key_name": "my evaluator", "key_permissions": "w"},
        answer=closed_object(_MADE, required=tuple(_MADE)),
    ),
    envelope.endpoint(
        "PATCH",
        "/v1/api-keys/{id}",
        rename_key,
        "rw",
        _TAG,
        body=closed_object({"api_key_name": _NAME}, required=("api_key_name",)),
        body_example={"api_key_name": "my judge"},
        errors=(NotFound,),
    ),
    envelope.endpoint("DELETE", "/v1/api-keys/{id}", revoke_key, "rw", _TAG, errors=(NotFound,)),
)
