"""Spans of model calls, read into a request and a response in the shape of OpenAI's chat.

Known are OpenTelemetry's conventions, present (`gen_ai.input.messages`) and past (an event for each message),
OpenLLMetry's (`gen_ai.prompt.0.content`, `llm.usage.total_tokens`) and OpenInference's
(`llm.input_messages.0.message.content`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from heliscore.providers.span_messages import (
    Message,
    make_choice,
    read_choice_event,
    read_event,
    read_instructions,
    read_message,
    read_tools,
)
from heliscore.providers.span_usage import read_span_usage
from heliscore.providers.span_values import Attributes, as_list, first, first_string, structured, subtree
from heliscore.providers.usage import mapping

Event = tuple[str, Attributes]
"""Name and attributes."""

_CALLS: Final = frozenset(("chat", "text_completion", "completion", "generate_content", "embeddings"))
"""Values of `gen_ai.operation.name`, and of OpenLLMetry's `llm.request.type`."""

_KINDS: Final = frozenset(("LLM", "EMBEDDING"))
"""Values of OpenInference's `openinference.span.kind`."""

_MODELS: Final = ("gen_ai.request.model", "gen_ai.response.model", "llm.model_name", "embedding.model_name")
_PROVIDERS: Final = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")

_PARAMETERS: Final = {
    "gen_ai.request.max_tokens": "max_tokens",
    "gen_ai.request.max_completion_tokens": "max_completion_tokens",
    "gen_ai.request.temperature": "temperature",
    "gen_ai.request.top_p": "top_p",
    "gen_ai.request.top_k": "top_k",
    "llm.top_k": "top_k",
    "gen_ai.request.frequency_penalty": "frequency_penalty",
    "llm.frequency_penalty": "frequency_penalty",
    "gen_ai.request.presence_penalty": "presence_penalty",
    "llm.presence_penalty": "presence_penalty",
    "gen_ai.request.seed": "seed",
    "gen_ai.openai.request.seed": "seed",
    "gen_ai.request.stop_sequences": "stop",
    "llm.chat.stop_sequences": "stop",
    "gen_ai.request.choice.count": "n",
    "gen_ai.request.n": "n",
    "gen_ai.request.reasoning_effort": "reasoning_effort",
    "llm.request.reasoning_effort": "reasoning_effort",
}

_DETAILS: Final = "gen_ai.client.inference.operation.details"
"""The event that holds the content of a call in the attributes of the present conventions."""


def is_model_call(attributes: Attributes) -> bool:
    """Whether a span is the call of a model: not an agent's, a tool's or a workflow's around one."""
    if isinstance(operation := attributes.get("gen_ai.operation.name"), str):
        return operation in _CALLS
    if isinstance(kind := attributes.get("openinference.span.kind"), str):
        return kind.upper() in _KINDS
    if isinstance(type_ := attributes.get("llm.request.type"), str) and type_ != "unknown":
        return type_ in _CALLS or type_ == "embedding"
    if attributes.get("traceloop.span.kind"):
        return False
    return first(attributes, *_MODELS[:2]) is not None


def find_provider(attributes: Attributes) -> str | None:
    """The provider's name as the span has it."""
    return first_string(attributes, *_PROVIDERS)


def with_details(attributes: Attributes, events: Iterable[Event]) -> Attributes:
    """The attributes, and the content that only an event has."""
    for name, held in events:
        if name in (_DETAILS, "gen_ai.content.prompt", "gen_ai.content.completion"):
            attributes = held | attributes
    return attributes


def read_span_request(attributes: Attributes, events: Iterable[Event]) -> dict[str, Any]:
    """The request; without content, its model and parameters."""
    body: dict[str, Any] = {}
    if (model := first_string(attributes, *_MODELS)) is not None:
        body["model"] = model
    if _is_embedding(attributes):
        return body | _embedded(attributes)
    said = _find_messages(attributes, list(events))
    body |= said if isinstance(said, dict) else {"messages": said} if said else {}
    tools = read_tools(
        first(attributes, "gen_ai.tool.definitions")
        or subtree(attributes, "llm.tools")
        or subtree(attributes, "llm.request.functions")
    )
    return _parameters(attributes) | ({"tools": tools} if tools else {}) | body


def read_span_response(
    attributes: Attributes, events: Iterable[Event], error: dict[str, Any] | None
) -> dict[str, Any] | None:
    """The response, with the error of a call that failed; None where nothing is known of it."""
    held = {
        "id": first_string(attributes, "gen_ai.response.id"),
        "model": first_string(attributes, "gen_ai.response.model", "llm.response.model_name"),
    }
    body: dict[str, Any] = {key: value for key, value in held.items() if value is not None}
    if choices := _find_choices(attributes, list(events)):
        ends = as_list(structured(attributes.get("gen_ai.response.finish_reasons")))
        body["object"] = "chat.completion"
        body["choices"] = [_numbered(number, each, ends) for number, each in enumerate(choices)]
    if usage := read_span_usage(attributes):
        body["usage"] = usage
    if error is not None:
        body["error"] = error
    return body or None


def _numbered(number: int, choice: dict[str, Any], ends: list[Any]) -> dict[str, Any]:
    end = choice["finish_reason"]
    if end is None and number < len(ends) and isinstance(ends[number], str):
        end = make_choice(None, ends[number])["finish_reason"]
    return {"index": number, "message": choice["message"], "finish_reason": end}


def _is_embedding(attributes: Attributes) -> bool:
    kind = first(attributes, "gen_ai.operation.name", "openinference.span.kind", "llm.request.type")
    return isinstance(kind, str) and kind.lower() in ("embeddings", "embedding")


def _embedded(attributes: Attributes) -> dict[str, Any]:
    """The texts of a call for embeddings."""
    numbered = as_list(subtree(attributes, "embedding.embeddings"))
    texts = [mapping(mapping(each).get("embedding")).get("text") for each in numbered]
    if not texts:
        said = _find_messages(attributes, [])
        texts = [message.get("content") for message in said] if isinstance(said, list) else []
    kept = [text for text in texts if text]
    return {"input": kept} if kept else {}


def _find_messages(attributes: Attributes, events: list[Event]) -> list[Message] | dict[str, Any]:
    """The messages, or the request itself where the span has it as JSON."""
    system = read_instructions(structured(attributes.get("gen_ai.system_instructions")))
    for raw in (
        structured(attributes.get("gen_ai.input.messages")),
        subtree(attributes, "gen_ai.prompt"),
        subtree(attributes, "llm.input_messages"),
        structured(attributes.get("gen_ai.prompt")),
    ):
        if raw:
            listed = raw if isinstance(raw, list) else [raw]
            return system + [message for each in listed for message in read_message(each, "user")]
    said = [message for name, held in events for message in read_event(name, held) or []]
    if said:
        return system + said
    value = attributes.get("input.value")
    request = structured(value)
    if isinstance(request, dict) and request.keys() & {"messages", "input", "prompt", "contents"}:
        return request
    return system + ([{"role": "user", "content": value}] if isinstance(value, str) and value else [])


def _find_choices(attributes: Attributes, events: list[Event]) -> list[dict[str, Any]]:
    if _is_embedding(attributes):
        return []
    for raw in (
        structured(attributes.get("gen_ai.output.messages")),
        subtree(attributes, "gen_ai.completion"),
        subtree(attributes, "llm.output_messages"),
        structured(attributes.get("gen_ai.completion")),
    ):
        if raw:
            return [make_choice(each) for each in (raw if isinstance(raw, list) else [raw])]
    choices = [read_choice_event(held) for name, held in events if name == "gen_ai.choice"]
    if not choices and isinstance(value := attributes.get("output.value"), str) and value:
        response = structured(value)
        held = as_list(mapping(response).get("choices"))
        choices = [
            make_choice(mapping(each).get("message"), mapping(each).get("finish_reason")) for each in held
        ]
        choices = choices or [make_choice(value)]
    return choices


def _parameters(attributes: Attributes) -> dict[str, Any]:
    found = dict(mapping(structured(attributes.get("llm.invocation_parameters"))))
    found |= {key: attributes[name] for name, key in _PARAMETERS.items() if attributes.get(name) is not None}
    if first(attributes, "gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming") is True:
        found["stream"] = True
    if isinstance(schema := structured(attributes.get("gen_ai.request.structured_output_schema")), dict):
        found["response_format"] = {"type": "json_schema", "json_schema": {"schema": schema}}
    return found
