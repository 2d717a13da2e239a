"""PromptLayer's envelope, `{"success": …, "message": …}`, and its ways to send the key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from heliscore.api.http.auth import address_of, bearer_key, has_header_key
from heliscore.api.http.body_fields import Body
from heliscore.api.http.endpoints import ApiCall, Endpoint, Handler
from heliscore.api.http.json_codec import Json, decode
from heliscore.api.http.json_schema import Schema, constant
from heliscore.api.http.request_body import read_body
from heliscore.api.http.request_state import Services
from heliscore.domain.api_key import Permissions
from heliscore.domain.errors import ApiError, BodyTooLarge, InvalidInput, Unauthenticated


def answer(message: str, status: int = 200, beside: Mapping[str, object] | None = None) -> Response:
    """Answer a success; `beside` are further keys."""
    return Json({"success": True, "message": message, **(beside or {})}, status_code=status)


def warned(warnings: Sequence[str]) -> dict[str, object]:
    """The key beside others that holds warnings, where there are any."""
    return {"warnings": warnings} if warnings else {}


def render_error(error: ApiError) -> Response:
    """Render an error under both keys that clients read; the message lists every error of an input."""
    message = str(error)
    if isinstance(error, InvalidInput):
        message = "; ".join(map(str, error.errors))
    return Json({"success": False, "message": message, "error": message})


class _Keyed(msgspec.Struct):
    api_key: str | None = None


_MAX_KEYED_BYTES: Final = 64 * 1024

_keyed: Final = msgspec.json.Decoder(_Keyed)


async def identify(request: Request, services: Services) -> ApiCall:
    """Read the key from a header, which counts if both are sent, or from the body."""
    key, body = request.headers.get("x-api-key", "").strip(), None
    if not key and has_header_key(request):
        key = bearer_key(request)
    if not key:
        body = await _read_keyed_body(request, services.settings.max_body_bytes)
        key = _key_in(body)
    if not key:
        raise Unauthenticated("an API key is needed: the header X-API-KEY, or api_key in the body")
    return ApiCall(request, services, await services.keyring.principal(key, address_of(request)), body)


async def _read_keyed_body(request: Request, limit_bytes: int) -> bytes:
    """Nobody may have us read and unpack much who has not shown a key."""
    try:
        return await read_body(request, min(limit_bytes, _MAX_KEYED_BYTES))
    except BodyTooLarge:
        if limit_bytes <= _MAX_KEYED_BYTES:
            raise
        raise Unauthenticated(
            f"an API key is needed: the header X-API-KEY; api_key in the body counts in one of at most "
            f"{_MAX_KEYED_BYTES} bytes"
        ) from None


def _key_in(body: bytes) -> str:
    if not body:
        return ""
    try:
        return _keyed.decode(body).api_key or ""
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        decode(body)
        return ""  # JSON, but not an object with a key


def schema(
    beside: Mapping[str, Schema] | None = None, optional: Mapping[str, Schema] | None = None
) -> Schema:
    """The JSON Schema of a success; `optional` are keys that may be missing."""
    properties = {"success": constant(True), "message": {"type": "string"}, **(beside or {})}
    return {
        "type": "object",
        "properties": {**properties, **(optional or {})},
        "required": list(properties),
    }


def endpoint(
    path: str,
    handler: Handler,
    *,
    method: str = "POST",
    body: Body | None,
    answer: Schema,
    answer_example: object = None,
    permission: Permissions = "w",
    tag: str = "PromptLayer",
    success: int = 200,
    errors: tuple[type[ApiError], ...] = (),
    operation: str | None = None,
) -> Endpoint:
    """An endpoint in PromptLayer's manner: the key in a header or in the body. Its operation is named
    `promptlayer_` and the handler's name, unless another is given."""
    return Endpoint(
        method=method,
        path=path,
        handler=handler,
        operation=f"promptlayer_{operation or handler.__name__}",
        render_error=render_error,
        identify=identify,
        security=("promptlayerKey",),
        error_schema="PromptLayerError",
        tag=tag,
        permission=permission,
        success=success,
        errors=errors,
        body=body,
        answer=answer,
        answer_example=answer_example,
    )


ID: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": 2**53 - 1}

ERROR_SCHEMA: Final[Schema] = {
    "type": "object",
    "properties": {
        "success": constant(False),
        "message": {
            "type": "string",
            "description": "The error message; every error of the input.",
        },
        "error": {"type": "string", "description": "The same."},
    },
    "required": ["success", "message", "error"],
    "additionalProperties": False,
}
