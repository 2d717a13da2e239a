"""Helicone's envelope: `{"data": …, "error": null}` or `{"data": null, "error": "…"}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.responses import Response

from heliscore.api.http.body_fields import Body, Field
from heliscore.api.http.endpoints import Endpoint, Handler
from heliscore.api.http.json_codec import Json
from heliscore.api.http.json_schema import NULL, Schema
from heliscore.domain.api_key import Permissions
from heliscore.domain.errors import ApiError, InvalidInput


def answer(data: object, headers: Mapping[str, str] | None = None, **beside: object) -> Response:
    """Wrap an answer; `beside` are keys that Helicone does not have."""
    return Json({"data": data, "error": None, **beside}, headers=headers)


DONE: Final = answer(None)
"""The answer of a call that returns no data."""


def done(warnings: Sequence[str] = ()) -> Response:
    """Answer a call that returns no data, with the warnings that it had."""
    return answer(None, warnings=warnings) if warnings else DONE


def render_error(error: ApiError) -> Response:
    """Wrap an error; every error of an input is listed under `details`."""
    body: dict[str, object] = {"data": None, "error": str(error)}
    if isinstance(error, InvalidInput):
        body["details"] = error.errors
    return Json(body)


def schema(data: Schema, **beside: Schema) -> Schema:
    """The JSON Schema of an envelope around `data`."""
    return {
        "type": "object",
        "properties": {"data": data, "error": {"type": "null"}, **beside},
        "required": ["data", "error"],
        "additionalProperties": False,
    }


def endpoint(
    method: str,
    path: str,
    handler: Handler,
    permission: Permissions,
    tag: str,
    *,
    data: Schema = NULL,
    data_example: object = None,
    beside: dict[str, Schema] | None = None,
    answer: Schema | None = None,
    operation: str | None = None,
    formats: tuple[str, ...] = (),
    answer_is_secret: bool = False,
    for_reviewers: bool = False,
    query: tuple[Field[Any], ...] = (),
    body: Body | None = None,
    errors: tuple[type[ApiError], ...] = (),
) -> Endpoint:
    """An endpoint that answers in the envelope. `data` is the schema inside it, null by default; `answer` is
    the schema of the whole body where there is no envelope."""
    has_example = answer is None and (data is NULL or data_example is not None)
    return Endpoint(
        method=method,
        path=path,
        handler=handler,
        operation=operation,
        render_error=render_error,
        tag=tag,
        permission=permission,
        errors=errors,
        query=query,
        body=body,
        answer=answer or schema(data, **(beside or {})),
        formats=formats,
        answer_is_secret=answer_is_secret,
        for_reviewers=for_reviewers,
        answer_example={"data": data_example, "error": None} if has_example else None,
    )


WARNINGS: Final[Schema] = {
    "type": "array",
    "description": "Scores that were stored although they break their definitions; left out if none did.",
    "items": {"type": "string"},
}

DETAILS: Final[Schema] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"path": {"type": "string"}, "message": {"type": "string"}},
        "required": ["path", "message"],
        "additionalProperties": False,
    },
}

ERROR_SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "data": {"type": "null"},
        "error": {"type": "string", "description": "The error message, for people."},
        "details": {**DETAILS, "description": "Every error of the input."},
    },
    "required": ["data", "error"],
    "additionalProperties": False,
}
