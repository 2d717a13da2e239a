"""Messages in the attributes of spans, laid out as OpenAI's chat has them.

OpenTelemetry's conventions have messages of parts, OpenLLMetry and OpenInference number their attributes, and
spans of 2024 and 2025 have an event for each message.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from heliscore.providers.span_values import as_list, structured
from heliscore.providers.usage import mapping

Message = dict[str, Any]

_ROLE_OF_EVENT: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_ENDS: Final = {"tool_call": "tool_calls"}


def read_message(raw: object, default: str) -> list[Message]:
    """The messages that one of any convention comes to: results of tools become messages of their own."""
    match raw:
        case str():
            return [{"role": default, "content": raw}]
        case {"parts": [*parts]}:
            return _of_parts(mapping(raw), parts, default)
        case {"message": dict(held)}:
            return [_of_openinference(held, default)]
        case dict():
            return [_plain(raw, default)]
    return []


def read_instructions(raw: object) -> list[Message]:
    """The system message that instructions beside the messages come to."""
    parts = raw if isinstance(raw, list) else [raw] if raw else []
    content = _content([_part(mapping(part)) if isinstance(part, dict) else _text(part) for part in parts])
    return [{"role": "system", "content": content}] if content else []


def read_event(name: str, attributes: dict[str, Any]) -> list[Message] | None:
    """The message that an event of a span is; None where it is none."""
    role = _ROLE_OF_EVENT.get(name)
    if role is None:
        return None
    held = mapping(structured(attributes.get("gen_ai.event.content"))) or attributes
    return [_plain({"role": role, **_structured_values(held)}, role)]


def read_choice_event(attributes: dict[str, Any]) -> dict[str, Any]:
    """The choice that an event `gen_ai.choice` holds."""
    held = _structured_values(mapping(structured(attributes.get("gen_ai.event.content"))) or attributes)
    message = structured(held.get("message"))
    message = message if isinstance(message, dict | str) else held
    if isinstance(message, dict) and "tool_calls" in held:
        message = {"tool_calls": held["tool_calls"], **message}
    return make_choice(message, held.get("finish_reason"))


def make_choice(raw: object, end: object = None) -> dict[str, Any]:
    """A choice with the message, and why it ended."""
    messages = read_message(raw, "assistant")
    message = messages[-1] if messages else {"role": "assistant", "content": None}
    said = mapping(raw).get("finish_reason") or end
    end = _ENDS.get(said, said) if isinstance(said, str) and said else None
    return {"message": message, "finish_reason": end}


def read_tools(raw: object) -> list[Any]:
    """Definitions of tools as OpenAI's chat has them."""
    tools = []
    for each in as_list(structured(raw)):
        tool = mapping(each)
        tool = mapping(tool.get("tool")) or tool
        schema = structured(tool.get("json_schema"))
        if isinstance(schema, dict):
            tools.append(schema)
        elif isinstance(tool.get("function"), dict) or "name" not in tool:
            tools.append(tool)
        else:
            function = {key: structured(value) for key, value in tool.items() if key != "type"}
            tools.append({"type": tool.get("type") or "function", "function": function})
    return tools


def _of_parts(message: Message, parts: list[Any], default: str) -> list[Message]:
    """A message of the current conventions."""
    results = []
    kept: Message = {"role": message.get("role") or default}
    if isinstance(name := message.get("name"), str):
        kept["name"] = name
    content, calls = [], []
    for each in parts:
        part = mapping(each)
        match part.get("type"):
            case "tool_call":
                calls.append(_call(part.get("id"), part.get("name"), part.get("arguments")))
            case "tool_call_response":
                results.append(_result(part))
            case "reasoning" if isinstance(thought := part.get("content"), str):
                kept["reasoning_content"] = kept.get("reasoning_content", "") + thought
            case "refusal" if isinstance(refusal := part.get("content"), str):
                kept["refusal"] = refusal
            case _:
                content.append(_part(part) if part else _text(each))
    kept["content"] = _content(content)
    if calls:
        kept["tool_calls"] = calls
    says_more = content or calls or kept.keys() & {"reasoning_content", "refusal"} or not results
    return [*results, *([kept] if says_more else [])]


def _part(part: dict[str, Any]) -> dict[str, Any]:
    match part:
        case {"type": "text", "content": str(text)}:
            return _text(text)
        case {"type": "uri", "modality": "image", "uri": str(uri)}:
            return {"type": "image_url", "image_url": {"url": uri}}
        case {"type": "uri", "uri": str(uri)}:
            return {"type": "file", "file": {"url": uri}}
        case {"type": "blob", "content": str(data)}:
            return _blob(part, data)
        case {"type": "file", "file_id": str(id_)}:
            return {"type": "file", "file": {"file_id": id_}}
    return part


def _blob(part: dict[str, Any], data: str) -> dict[str, Any]:
    mime = part.get("mime_type") if isinstance(part.get("mime_type"), str) else ""
    match part.get("modality"):
        case "image":
            return {"type": "image_url", "image_url": {"url": f"data:{mime or 'image/png'};base64,{data}"}}
        case "audio":
            kind = str(mime).rpartition("/")[2] or "wav"
            return {"type": "input_audio", "input_audio": {"data": data, "format": kind}}
    file = {"file_data": f"data:{mime or 'application/octet-stream'};base64,{data}"}
    return {"type": "file", "file": file}


def _text(value: object) -> dict[str, Any]:
    return {"type": "text", "text": value if isinstance(value, str) else _as_json(value)}


def _content(parts: list[dict[str, Any]]) -> object:
    """One text is a string, no part null, as in OpenAI's chat."""
    match parts:
        case []:
            return None
        case [{"type": "text", "text": str(text)}]:
            return text
    return parts


def _call(id_: object, name: object, arguments: object) -> dict[str, Any]:
    text = arguments if isinstance(arguments, str) else _as_json({} if arguments is None else arguments)
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": text}}


def _result(part: dict[str, Any]) -> Message:
    response = part.get("response", part.get("result"))
    content = response if isinstance(response, str | list) else _as_json(response)
    return {"role": "tool", "tool_call_id": part.get("id"), "content": content}


def _of_openinference(held: dict[str, Any], default: str) -> Message:
    """`message.content`, or `message.contents` with a part each."""
    parts = [
        _openinference_part(mapping(mapping(each).get("message_content")))
        for each in as_list(held.get("contents"))
    ]
    message: Message = {"role": held.get("role") or default}
    message["content"] = _content(parts) if parts else held.get("content")
    calls = [mapping(mapping(each).get("tool_call")) for each in as_list(held.get("tool_calls"))]
    if calls:
        message["tool_calls"] = [
            _call(
                call.get("id"),
                mapping(call.get("function")).get("name"),
                mapping(call.get("function")).get("arguments"),
            )
            for call in calls
        ]
    for key in ("name", "tool_call_id"):
        if held.get(key):
            message[key] = held[key]
    return message


def _openinference_part(part: dict[str, Any]) -> dict[str, Any]:
    match part:
        case {"text": str(text)}:
            return _text(text)
        case {"image": {"image": {"url": str(url)}}}:
            return {"type": "image_url", "image_url": {"url": url}}
    return part


def _plain(held: dict[str, Any], default: str) -> Message:
    """OpenLLMetry's message, or an event's: `content` may be JSON, and calls have no `function`."""
    message: Message = {"role": held.get("role") or default, "content": _plain_content(held.get("content"))}
    calls = [mapping(each) for each in as_list(structured(held.get("tool_calls")))]
    if calls:
        message["tool_calls"] = [
            call
            if isinstance(call.get("function"), dict)
            else _call(call.get("id"), call.get("name"), call.get("arguments"))
            for call in calls
        ]
    result_of = held.get("tool_call_id") or (held.get("id") if message["role"] == "tool" else None)
    if result_of:
        message["tool_call_id"] = result_of
    for key in ("name", "reasoning_content", "refusal"):
        if isinstance(held.get(key), str):
            message[key] = held[key]
    return message


def _plain_content(content: object) -> object:
    """A list of parts is often sent as JSON."""
    if isinstance(content, str) and content.startswith("["):
        parts = structured(content)
        if (
            isinstance(parts, list)
            and parts
            and all(isinstance(mapping(part).get("type"), str) for part in parts)
        ):
            return parts
    return content


def _structured_values(held: dict[str, Any]) -> dict[str, Any]:
    """The data of an event without the conventions' own attributes."""
    return {key: value for key, value in held.items() if not key.startswith("gen_ai.")}


def _as_json(value: object) -> str:
    return msgspec.json.encode(value).decode()
