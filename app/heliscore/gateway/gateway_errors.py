"""Errors as the clients of providers read them: an object under `error`."""

from __future__ import annotations

import re
from typing import Final

from starlette.responses import Response

from heliscore.api.http.json_codec import Json
from heliscore.api.http.json_schema import Schema
from heliscore.domain.errors import ApiError, InvalidInput, ProviderFailed, ProviderTooSlow

_TYPES: Final = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
"""Of OpenAI's errors, by status."""

_CODES: Final[dict[type[ApiError], str]] = {
    ProviderFailed: "upstream_unreachable",
    ProviderTooSlow: "upstream_timeout",
}
_CAPITAL: Final = re.compile(r"(?<!^)(?=[A-Z])")

FAILED: Final = {"Helicone-Status": "failed"}


def render_error(error: ApiError) -> Response:
    """Render an error; the message lists every error of an input."""
    message = "; ".join(map(str, error.errors)) if isinstance(error, InvalidInput) else str(error)
    type_ = "api_error" if error.status >= 500 else _TYPES.get(error.status, "invalid_request_error")
    code = _CODES.get(type(error)) or _CAPITAL.sub("_", type(error).__name__).lower()
    headers = FAILED | (id_header(error.request_id) if isinstance(error, ProviderFailed) else {})
    return Json({"error": {"message": message, "type": type_, "code": code}}, headers=headers)


def id_header(request_id: str) -> dict[str, str]:
    """The header that names the request. Header values are bytes: an id beyond ASCII is sent in UTF-8."""
    return {"Helicone-Id": request_id.encode().decode("latin-1")}


ERROR_SCHEMA: Final[Schema] = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string", "description": "The error message, for people."},
                "type": {"type": "string"},
                "code": {"type": "string"},
            },
            "required": ["message", "type", "code"],
            "additionalProperties": False,
        }
    },
    "required": ["error"],
    "additionalProperties": False,
}
