"""What PromptLayer's calls take, for the OpenAPI document."""

from __future__ import annotations

from typing import Final

from heliscore.api.http.endpoints import Schema
from heliscore.api.promptlayer.field_readers import MAX_SCORE, MAX_TEXT
from heliscore.domain.messages import MAX_NAME_LENGTH


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    """An object whose optional keys may be null too; keys that are not known are ignored."""
    nullable = {key: _or_null(schema) for key, schema in (optional or {}).items()}
    schema: Schema = {"type": "object", "properties": required | nullable}
    return schema | {"required": list(required)} if required else schema


ID: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": 2**53 - 1}

_SENT_ID: Final[Schema] = {
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]{1,19}$"}]
}
_NUMBER: Final[Schema] = {
    "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[0-9]{1,19}$"}]
}
_TEXT: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
_NAME: Final[Schema] = {"type": "string", "maxLength": MAX_NAME_LENGTH, "description": "empty: `default`"}
_SCORE: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": MAX_SCORE}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_TIME: Final[Schema] = {
    "anyOf": [{"type": "string"}, {"type": "number"}],
    "description": "ISO 8601, UTC where no zone is given, or seconds since 1970",
}
_METADATA: Final[Schema] = {
    "type": "object",
    "description": "What is no text is kept as its JSON text.",
    "propertyNames": {"minLength": 1, "maxLength": MAX_NAME_LENGTH},
}
_OBJECT: Final[Schema] = {"type": "object"}
_TAGS: Final[Schema] = {
    "type": "array",
    "items": {"type": "string", "minLength": 1, "maxLength": MAX_NAME_LENGTH},
}
_OUTCOME: Final[Schema] = {"enum": ["SUCCESS", "WARNING", "ERROR"]}

NOTHING: Final = _object({})
SCORE: Final = _object({"request_id": _SENT_ID, "score": _SCORE}, {"name": _NAME})
PROMPT: Final = _object(
    {"request_id": _SENT_ID, "prompt_name": _TEXT},
    {"prompt_input_variables": _OBJECT, "version": _NUMBER, "label": _TEXT},
)
METADATA: Final = _object({"request_id": _SENT_ID, "metadata": _METADATA})
GROUP: Final = _object({"request_id": _SENT_ID, "group_id": _NUMBER})

_LOGGED: Final[dict[str, Schema]] = {
    "tags": _TAGS,
    "metadata": _METADATA,
    "prompt_input_variables": _OBJECT,
    "prompt_id": _SENT_ID,
    "status": _OUTCOME | {"description": "SUCCESS where it is missing"},
    "error_type": {"type": "string"},
    "error_message": {"type": "string"},
}

LOG: Final = _object(
    {
        "provider": _TEXT,
        "model": _TEXT,
        "input": _OBJECT,
        "output": _OBJECT,
        "request_start_time": _TIME,
        "request_end_time": _TIME,
    },
    {
        **_LOGGED,
        "parameters": _OBJECT,
        "prompt_name": _TEXT,
        "prompt_version_number": _NUMBER,
        "input_tokens": _COUNT,
        "output_tokens": _COUNT,
        "price": {"type": "number", "description": "US dollars"},
        "function_name": {"type": "string"},
        "api_type": {"type": "string"},
        "score": _SCORE | {"description": "0 without a `score_name` is no score"},
        "score_name": _NAME,
    },
)

TRACK: Final = _object(
    {"function_name": {"type": "string"}},
    {
        **_LOGGED,
        "provider_type": _TEXT,
        "args": {"type": "array"},
        "kwargs": {
            "description": "`model` is the model and `messages` the input; what is no object is all input"
        },
        "request_response": {"description": "The output; token counts are read from its `usage`."},
        "request_start_time": _TIME,
        "request_end_time": _TIME,
        "prompt_version": _NUMBER,
        "group_id": _NUMBER,
        "span_id": {"type": "string"},
    },
)

LOGGED: Final[dict[str, Schema]] = {
    "prompt_version": {"type": "null"},
    "status": _OUTCOME,
    "error_type": {"type": ["string", "null"]},
    "error_message": {"type": ["string", "null"]},
}

LOG_EXAMPLE: Final = {
    "provider": "openai",
    "model": "gpt-4o",
    "input": {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
    "output": {"type": "chat", "messages": []},
    "request_start_time": 1767225600.0,
    "request_end_time": 1767225601.25,
}

TRACK_EXAMPLE: Final = {
    "function_name": "openai.chat.completions.create",
    "provider_type": "openai",
    "kwargs": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]},
    "request_response": {"usage": {"prompt_tokens": 3, "completion_tokens": 5}},
    "request_start_time": 1767225600.0,
    "request_end_time": 1767225601.25,
}
