"""What LangChain's handlers and serialisers write: messages by class, generations, `llm_output`."""

from __future__ import annotations

from typing import Any, Final

from heliscore.providers.family import Family
from heliscore.providers.messages import cut_off, read_message, read_messages
from heliscore.providers.turns import Speaker, Text, Turn
from heliscore.providers.usage import Usage, completed, count, mapping

_ROLES: Final = {
    "human": "user",
    "humanmessage": "user",
    "ai": "assistant",
    "aimessage": "assistant",
    "aimessagechunk": "assistant",
    "system": "system",
    "systemmessage": "system",
    "tool": "tool",
    "toolmessage": "tool",
    "function": "tool",
    "functionmessage": "tool",
    "chatmessage": "user",
}


def read_request(body: Any) -> list[Turn] | None:
    """Messages of LangChain, in a list, in a list of lists, or under `messages`."""
    match body:
        case {"messages": [*messages]} | {"input": {"messages": [*messages]}} | [*messages]:
            return _read_all(messages, "user")
    return None


def read_response(body: Any) -> list[Turn] | None:
    """`generations`, one message, a list of them, or a `text` beside `llm_output`."""
    match body:
        case {"generations": [*generations]} if generations and _first(generations):
            return [turn for each in _flat(generations) for turn in _read_generation(each)]
        case {"text": str(text)} if body.keys() & {"llm_output", "llmOutput"}:
            return [Turn("assistant", [Text(text)])]
        case [*messages] | {"messages": [*messages]} | {"output": {"messages": [*messages]}}:
            return _read_all(messages, "assistant")
        case dict():
            return _read_all([body], "assistant")
    return None


def _read_all(messages: list[object], default: Speaker) -> list[Turn] | None:
    plain = [_plain(message) for message in _flat(messages)]
    if not any(plain):
        return None
    return read_messages(
        (known or message for known, message in zip(plain, _flat(messages), strict=True)), default
    )


def _flat(values: list[object]) -> list[object]:
    """A list of lists as one list."""
    return [each for value in values for each in (value if isinstance(value, list) else [value])]


def _plain(message: object) -> dict[str, object] | None:
    """A message of a class as one with a role; None for any other value."""
    match message:
        case {"lc": int(), "id": [*_, str(name)], "kwargs": dict(held)}:
            kind = name.lower()
        case {"type": str(name), "data": dict(held)}:
            kind = name.lower()
        case {"type": str(name), "content": _}:
            kind, held = name.lower(), mapping(message)
        case _:
            return None
    role = _ROLES.get(kind)
    return {**held, "role": held.get("role") or role, "type": None} if role else None


def _first(generations: list[object]) -> bool:
    """Whether these are LangChain's generations: Cohere's have an id."""
    first = mapping(next(iter(_flat(generations)), None))
    return "text" in first and not {"id", "finish_reason"} <= first.keys()


def _read_generation(generation: object) -> list[Turn]:
    held = mapping(generation)
    info = mapping(held.get("generation_info") or held.get("generationInfo"))
    end = info.get("finish_reason")
    if (message := _plain(held.get("message"))) is not None:
        return read_message(message, "assistant", end)
    text = held.get("text")
    said = [Text(text)] if isinstance(text, str) else []
    return [Turn("assistant", [*said], mark=cut_off(end))] if said else read_message(generation, "assistant")


def read_usage(body: object) -> Usage | None:
    """`token_usage` under `llm_output` or `response_metadata`, or a message's `usage_metadata`."""
    held = mapping(body[0] if isinstance(body, list) and body else body)
    message = mapping(held.get("kwargs")) or held
    for holder in (held.get("llm_output"), held.get("llmOutput"), message.get("response_metadata")):
        said = mapping(holder)
        if not (usage := mapping(said.get("token_usage") or said.get("tokenUsage"))):
            continue
        found = completed(
            Usage(
                prompt_tokens=count(usage, "prompt_tokens", "promptTokens"),
                completion_tokens=count(usage, "completion_tokens", "completionTokens"),
                total_tokens=count(usage, "total_tokens", "totalTokens"),
                prompt_cache_read_tokens=count(mapping(usage.get("prompt_tokens_details")), "cached_tokens"),
                reasoning_tokens=count(mapping(usage.get("completion_tokens_details")), "reasoning_tokens"),
            )
        )
        if found:
            return found
    return _read_metadata(mapping(message.get("usage_metadata")))


def _read_metadata(usage: dict[str, object]) -> Usage | None:
    if "input_tokens" not in usage:
        return None
    read, written = mapping(usage.get("input_token_details")), mapping(usage.get("output_token_details"))
    return completed(
        Usage(
            prompt_tokens=count(usage, "input_tokens"),
            completion_tokens=count(usage, "output_tokens"),
            total_tokens=count(usage, "total_tokens"),
            prompt_cache_read_tokens=count(read, "cache_read"),
            prompt_cache_write_tokens=count(read, "cache_creation"),
            reasoning_tokens=count(written, "reasoning"),
            prompt_audio_tokens=count(read, "audio"),
            completion_audio_tokens=count(written, "audio"),
        )
    )


FAMILY: Final = Family("langchain", read_request, read_response, read_usage)
