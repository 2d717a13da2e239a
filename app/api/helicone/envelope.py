"""Helicone's envelope: `{"data": …, "error": null}` or `{"data": null, "error": "…"}`."""

from __future__ import annotations

from starlette.responses import Response

from app.api.endpoints import Schema
from app.api.wire import Json
from app.errors import InvalidInput, Refusal


def answer(data: object, **beside: object) -> Response:
    """Wrap what was asked for; `beside` are keys that upstream does not have."""
    return Json({"data": data, "error": None, **beside})


def refuse(refusal: Refusal) -> Response:
    """Wrap a refusal, with every fault under `details` where it is the input's."""
    body: dict[str, object] = {"data": None, "error": str(refusal)}
    if isinstance(refusal, InvalidInput):
        body["details"] = refusal.faults
    return Json(body)


def schema(data: Schema, **beside: Schema) -> Schema:
    """The envelope around what an endpoint answers, as JSON Schema."""
    return {
        "type": "object",
        "properties": {"data": data, "error": {"type": "null"}, **beside},
        "required": ["data", "error"],
        "additionalProperties": False,
    }


NULL: Schema = {"type": "null"}

REFUSAL_SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "data": {"type": "null"},
        "error": {"type": "string", "description": "What was wrong, for people."},
        "details": {
            "type": "array",
            "description": "Every fault of the input.",
            "items": {
                "type": "object",
                "properties": {"path": {"type": "string"}, "message": {"type": "string"}},
                "required": ["path", "message"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["data", "error"],
    "additionalProperties": False,
}
