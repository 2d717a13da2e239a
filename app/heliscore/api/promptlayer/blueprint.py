"""A request's input as PromptLayer's blueprint: messages of roles and parts, the model and its parameters."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from heliscore.providers.exchange import read_conversation
from heliscore.providers.families.promptlayer import said_in
from heliscore.providers.turns import Media, Part, Text, Thinking

_KEPT_BESIDE: Final = ("model", "stream")
"""Keys of a provider's request that are no parameters of the model."""


def make_blueprint(
    request_body: bytes | None, sent: bytes | None, provider: str | None, model: str | None
) -> bytes:
    """Encode a blueprint. `sent`: what PromptLayer's clients sent beside the input, JSON.

    Messages with roles are kept with all their keys; what else was said is made into texts.
    """
    try:
        body: Any = msgspec.json.decode(request_body or b"null")
        template, parameters = _template(body), _parameters(body, sent)
        return _encode(template, parameters, provider, model)
    except RecursionError:
        # Nested too deeply to be read: the text as it is.
        as_it_is = _chat([{"role": "user", "content": (request_body or b"").decode()}])
        return _encode(as_it_is, {}, provider, model)


def _encode(
    template: dict[str, Any], parameters: dict[str, Any], provider: str | None, model: str | None
) -> bytes:
    return msgspec.json.encode(
        {
            "prompt_template": template,
            "metadata": {"model": {"provider": provider, "name": model, "parameters": parameters}},
            "inference_client_name": None,
        }
    )


def _template(body: Any) -> dict[str, Any]:
    match body:
        case {"type": "chat", "messages": [*_]} | {"type": "completion", "content": _}:
            return dict(body)
        case {"messages": [*messages]} if said_in(body) == ["messages"] and all(map(_has_role, messages)):
            return _chat(messages)
        case [*messages] if all(map(_has_role, messages)):
            return _chat(messages)
    turns = read_conversation(body, None).turns
    return _chat(
        [
            {
                "role": turn.label if turn.speaker == "other" else turn.speaker,
                "content": [_part(part) for part in turn.parts],
            }
            for turn in turns
        ]
    )


def _chat(messages: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "chat",
        "messages": [message | {"content": _parts(message.get("content"))} for message in messages],
    }


def _has_role(message: object) -> bool:
    return isinstance(message, dict) and isinstance(message.get("role"), str)


def _parts(content: object) -> object:
    match content:
        case None:
            return []
        case str():
            return [{"type": "text", "text": content}]
    return content


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Text(text=text):
            return {"type": "text", "text": text}
        case Thinking(text=text):
            return {"type": "thinking", "thinking": text}
        case Media(kind="image", url=url) if url:
            return {"type": "image_url", "image_url": {"url": url}}
    return {"type": "text", "text": msgspec.json.encode(part).decode()}


def _parameters(body: Any, sent: bytes | None) -> dict[str, Any]:
    """What the client named so, or else what stands beside the messages in a provider's request."""
    held: dict[str, Any] = msgspec.json.decode(sent or b"{}")
    for named in (held.get("parameters"), held.get("kwargs"), body):
        if isinstance(named, dict) and "type" not in named:
            said = {*said_in(named), *_KEPT_BESIDE}
            return {name: value for name, value in named.items() if name not in said}
    return {}
