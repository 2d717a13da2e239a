"""Makes the OpenAPI document from the table of endpoints."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any, Final

from heliscore import __version__
from heliscore.api.http.body_fields import Field
from heliscore.api.http.endpoints import Endpoint
from heliscore.api.http.idempotency import HEADER, KEY_PATTERN, REPLAYED_HEADER
from heliscore.api.http.json_schema import STRING, Components, Schema, constant, reference

_DESCRIPTION: Final = """\
Scores of LLM requests, in Helicone's API and in PromptLayer's: a request that was logged or scored through
one is read, filtered and scored through the other. Every answer is `{"data": …, "error": null}` or
`{"data": null, "error": "…"}`, in PromptLayer's calls `{"success": true, …}` or
`{"success": false, "message": "…", "error": "…"}`. After a success the change is durable and visible to every
later call. The header `Heliscore-Author` (`human:ada`, `judge:relevance-judge@2026-11`) says who gives the
scores of a call; without it that is the author of the key.
"""

_REASONS: Final = {
    400: "Invalid input; nothing was carried out, the body lists every error",
    401: "The API key is missing, unknown, revoked or expired",
    403: "The API key lacks the permission",
    404: "Not found",
    408: "Nothing of use came for too long",
    409: "The Idempotency-Key was sent with another call in the last 24 hours, or a human's score stays; "
    "nothing was carried out",
    413: "The body is too large",
    429: "Too many calls with this key in a minute; try again after Retry-After seconds",
    502: "The provider could not be reached",
    503: "Temporarily unavailable; try again after Retry-After seconds",
    504: "The provider took too long",
}

_RETRY_AFTER: Final[Schema] = {
    "Retry-After": {"schema": {"type": "integer", "minimum": 1}, "description": "seconds"}
}

_HEADERS: Final[dict[int, Schema]] = {
    429: {
        **_RETRY_AFTER,
        "RateLimit-Limit": {"schema": {"type": "integer"}, "description": "calls a minute"},
        "RateLimit-Remaining": {"schema": {"type": "integer"}, "description": "calls left of them"},
        "RateLimit-Reset": {
            "schema": {"type": "integer"},
            "description": "seconds until the next window",
        },
    },
    503: _RETRY_AFTER,
}

_KEY_PARAMETER: Final[Schema] = {
    "name": HEADER,
    "in": "header",
    "schema": {"type": "string", "pattern": KEY_PATTERN},
    "description": "For 24 hours the same call with the same key gets the same answer and writes nothing",
}

_REPLAYED: Final[Schema] = {
    REPLAYED_HEADER: {
        "schema": constant("true"),
        "description": f"The answer of an earlier call with the same {HEADER}",
    }
}

_PARAMETER: Final = re.compile(r"{(\w+)}")


def make_document(endpoints: Iterable[Endpoint], errors: dict[str, Schema]) -> dict[str, Any]:
    """Describe the endpoints as OpenAPI 3.1. `errors` are the bodies of errors by name."""
    components = Components()
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        operation = _operation(endpoint, components)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Heliscore", "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components.schemas | errors,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "heliconeAuth": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Helicone-Auth",
                    "description": "`Bearer <key>`; takes precedence over `Authorization`",
                },
                "promptlayerKey": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-API-KEY",
                    "description": "The key; without this header, `api_key` in the body",
                },
            },
        },
    }


def _operation(endpoint: Endpoint, components: Components) -> dict[str, Any]:
    doc = inspect.cleandoc(endpoint.handler.__doc__ or "")
    summary, _, description = doc.partition("\n")
    statuses = sorted({error.status for error in endpoint.all_errors})
    operation: dict[str, Any] = {
        "operationId": endpoint.operation or endpoint.handler.__name__,
        "tags": [endpoint.tag],
        "summary": summary,
        "description": description.strip() or summary,
        "responses": {
            str(endpoint.success): {
                "description": "Done",
                "content": _answers(endpoint, components),
            },
            **{str(status): _error_response(status, endpoint.error_schema) for status in statuses},
        },
    }
    parameters = [_parameter(name) for name in _PARAMETER.findall(endpoint.path)]
    parameters += [_query_parameter(field, components) for field in endpoint.query]
    if endpoint.writes:
        parameters.append(_KEY_PARAMETER)
        operation["responses"][str(endpoint.success)]["headers"] = _REPLAYED
    if parameters:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        body_schema = components.take(endpoint.body.value_type.schema)
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": _content(body_schema, endpoint.body.example)},
        }
    if endpoint.permission is not None:
        operation["security"] = [{name: []} for name in endpoint.security]
        operation["x-permission"] = endpoint.permission
    return operation


def _answers(endpoint: Endpoint, components: Components) -> dict[str, Any]:
    content = {endpoint.answer_type: _content(components.take(endpoint.answer), endpoint.answer_example)}
    if endpoint.warned_answer is not None:
        content["application/json"] = _content(components.take(endpoint.warned_answer), None)
    content |= {media_type: _content(STRING, None) for media_type in endpoint.formats}
    return content


def _content(schema: Schema, example: object) -> dict[str, Any]:
    return {"schema": schema} if example is None else {"schema": schema, "example": example}


def _parameter(name: str) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1, "maxLength": 255}
    return {"name": name, "in": "path", "required": True, "schema": text}


def _query_parameter(field: Field[Any], components: Components) -> dict[str, Any]:
    schema = components.take(field.value_type.schema) | (
        {} if field.default is None else {"default": field.default}
    )
    described = {key: field.schema[key] for key in ("description",) if key in field.schema}
    return {"name": field.key, "in": "query", "schema": schema, **described}


def _error_response(status: int, name: str) -> dict[str, Any]:
    error: dict[str, Any] = {
        "description": _REASONS[status],
        "content": {"application/json": {"schema": reference(name)}},
    }
    if status in _HEADERS:
        error["headers"] = _HEADERS[status]
    return error
