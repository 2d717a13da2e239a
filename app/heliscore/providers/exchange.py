"""One call of a model's API, read: what was said, which model said it, and what it counted."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote, urlsplit

from heliscore.domain.messages import shortened
from heliscore.providers.messages import read_messages
from heliscore.providers.registry import model_in_path, read_request_of, read_response_of, read_usage_of
from heliscore.providers.stream_assembly import STREAMED
from heliscore.providers.turns import Conversation, Json, Part, Piece, Speaker, Text, Turn, group, marked
from heliscore.providers.usage import Usage, mapping

BROKEN_OFF: Final = "broken off"
"""The mark of an answer whose stream ended early."""

_MODEL_KEYS: Final = ("model", "modelVersion", "model_version", "model_name", "modelId", "model_id", "engine")
_ERROR_KEYS: Final = frozenset(
    (
        "message",
        "__type",
        "type",
        "code",
        "status",
        "object",
        "param",
        "id",
        "request_id",
        "Message",
        "raw_status_code",
    )
)
"""Keys of an error that is not under `error`: Bedrock's, Cohere's, Mistral's."""


def read_usage(response: object, request: object = None) -> Usage:
    """Read the token counts and the cost that a response reports, or else the request's `usage`, where
    LlamaIndex's handler puts them: its responses are messages alone."""
    for layer in (*_layers(response), {"usage": mapping(request).get("usage")}):
        if (usage := read_usage_of(layer)) is not None:
            return usage
    return Usage()


def read_models(request: object, response: object, url: str | None) -> tuple[str | None, str | None]:
    """Read the model that was asked for, in the request or else the URL, and the one that answered."""
    answered = next((model for layer in _layers(response) if (model := _model_in(layer))), None)
    return _model_in(request) or _model_in_url(url), answered


def read_conversation(request: object, response: object) -> Conversation:
    """Lay out the decoded bodies as turns, in order. Of an unknown shape the JSON is shown. Never raises."""
    asked = _read_request(request)
    return Conversation(asked + _read_response(response), len(asked))


def _layers(response: object) -> list[object]:
    """The response, and others that loggers put it into."""
    held = mapping(response)
    inner = [held.get("raw"), held.get("response"), mapping(held.get("message"))]
    first = response[:1] if isinstance(response, list) else []
    return [response, *(layer for layer in inner if isinstance(layer, dict) and layer), *first]


def _model_in(body: object) -> str | None:
    held = mapping(body)
    for holder in (held, held.get("llm_output"), held.get("llmOutput"), held.get("response_metadata")):
        said = mapping(holder)
        for key in _MODEL_KEYS:
            if isinstance(model := said.get(key), str) and model:
                return model
    return None


def _model_in_url(url: str | None) -> str | None:
    try:
        return model_in_path(unquote(urlsplit(url).path)) if url else None
    except ValueError:
        return None


def _read_request(body: object) -> list[Turn]:
    if body is None:
        return []
    if isinstance(body, str):
        return [Turn("user", [Text(body)])]
    if (turns := _read_arguments(body)) is None and (turns := read_request_of(body)) is None:
        turns = _read_list(body, "user")
    return _unknown(body, "request") if turns is None else turns


def _read_arguments(body: object) -> list[Turn] | None:
    """The arguments of a call, positional and by name, as PromptLayer's handlers log them."""
    match body:
        case {"args": [*args], "kwargs": dict(kwargs), **beside} if not beside:
            named = read_request_of(kwargs) or []
            return _read_request(args) + named if args or named else None
    return None


def _read_list(body: object, default: Speaker) -> list[Turn] | None:
    match body:
        case [str() | dict() | list(), *_] if any(_is_said(each) for each in body):
            flat = [each for item in body for each in (item if isinstance(item, list) else [item])]
            return read_messages(flat, default)
    return None


def _is_said(value: object) -> bool:
    """Whether a value in a list is a message or a text of one."""
    match value:
        case [*values]:
            return any(_is_said(each) for each in values if not isinstance(each, list))
        case dict():
            return bool(value.keys() & {"role", "content", "parts", "text", "type"})
    return isinstance(value, str)


def _read_response(body: object) -> list[Turn]:
    if body is None:
        return []
    if isinstance(body, str):
        return [Turn("assistant", [Text(body)])]
    held = mapping(body)
    errors = _errors(body)
    known = read_response_of(
        {key: value for key, value in held.items() if key not in ("error", STREAMED)} or body
    )
    streamed = mapping(held.get(STREAMED))
    broken = BROKEN_OFF if streamed.get("broken_off") else ""
    if known is None and not held:
        known = _read_list(body, "assistant")
    if known is None and not errors and not broken:
        return _unknown(body, "response")
    turns = marked(known or [], broken)
    if isinstance(beside := streamed.get("beside"), str):
        errors.append(Turn("error", [Text(beside)]))
    return turns + errors


def _errors(body: Any) -> list[Turn]:
    """The errors in a response, wherever providers put them."""
    match body:
        case {"error": error} if error:
            return [Turn("error", _error_parts(error))]
        case [{"error": error}, *_] if error:
            return [Turn("error", _error_parts(error))]
        case {"message": str()} | {"Message": str()} if body.keys() <= _ERROR_KEYS:
            return [Turn("error", _error_parts(body))]
        case {"detail": str() | [_, *_] as detail} if len(body) == 1:
            return [Turn("error", _error_parts(detail))]
    return []


def _error_parts(error: object) -> list[Part]:
    match error:
        case {"message": str(message), **beside} | {"Message": str(message), **beside}:
            details = {key: value for key, value in beside.items() if value is not None}
            return [Text(message), *([Json("details", details)] if details else [])]
        case str():
            return [Text(error)]
    return [Json("error", error)]


def _unknown(body: object, label: str) -> list[Turn]:
    return group([Piece(Json("JSON", body))], "other", shortened(label))
