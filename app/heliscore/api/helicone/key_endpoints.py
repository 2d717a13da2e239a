"""Lists, makes, changes and revokes API keys of the caller's organization."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from heliscore.api.helicone.api_key_commands import (
    BODY,
    CHANGE_BODY,
    change_key,
    make_key,
    read_key_id,
    revoke_key,
)
from heliscore.api.http.endpoints import ApiCall
from heliscore.api.http.json_codec import Json
from heliscore.api.http.json_schema import Schema, closed_object, list_of_objects, one_of
from heliscore.api.http.path_parameters import read_path_parameter
from heliscore.api.shared import envelope
from heliscore.domain.api_key import ALL_PERMISSIONS, hash_key
from heliscore.domain.errors import NotFound
from heliscore.domain.times import format_time
from heliscore.store import keys as store


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

    It expires with the key that makes it; only a key that reads and writes makes keys. The answer
    has no envelope, as in Helicone. It is kept nowhere: the same call with the same Idempotency-Key makes no
    second key, and gets 409.
    """
    made = await make_key(call, BODY.decode(await call.body()))
    return Json({"id": made.id, "apiKey": made.key, "hashedKey": hash_key(made.key).hex()})


async def change_api_key(call: ApiCall) -> Response:
    """Rename a key, or change the author of the scores that it sends from now on (within 5 seconds)."""
    body = CHANGE_BODY.decode(await call.body())
    await change_key(call, _key_id(call), body)
    return envelope.DONE


async def revoke_api_key(call: ApiCall) -> Response:
    """Revoke a key; every process rejects it within 5 seconds."""
    await revoke_key(call, _key_id(call))
    return envelope.DONE


def _key_id(call: ApiCall) -> int:
    return read_key_id(read_path_parameter(call.request, "id"))


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
        body=BODY,
        answer=closed_object(_MADE, required=tuple(_MADE)),
        answer_is_secret=True,
    ),
    envelope.endpoint(
        "PATCH",
        "/v1/api-keys/{id}",
        change_api_key,
        "rw",
        _TAG,
        body=CHANGE_BODY,
        errors=(NotFound,),
    ),
    envelope.endpoint("DELETE", "/v1/api-keys/{id}", revoke_api_key, "rw", _TAG, errors=(NotFound,)),
)

ABSENT_PATHS: Final = ("/v1/api-keys/proxy-key", "/v1/api-keys/provider-key", "/v1/api-keys/provider-keys")
"""Helicone's endpoints for providers' keys, which Heliscore does not keep: their last segment is no id."""
