"""Spans of three conventions as requests and responses in the shape of OpenAI's chat."""

from __future__ import annotations

import json
from typing import Any

import pytest
from heliscore.providers.exchange import read_conversation, read_usage
from heliscore.providers.span_exchange import (
    Event,
    is_model_call,
    read_span_request,
    read_span_response,
    with_details,
)
from heliscore.providers.span_usage import read_span_cost, read_span_usage
from heliscore.providers.span_values import subtree
from heliscore.providers.usage import Usage

Json = dict[str, Any]

CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"q":"x"}'}}
PICTURE = {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}
ASKED = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "What is it?"}, PICTURE]},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "found", "tool_call_id": "c1"},
]
ANSWERED = {"index": 0, "message": {"role": "assistant", "content": "A cat."}, "finish_reason": "stop"}

PRESENT = {
    "gen_ai.system_instructions": '[{"type": "text", "content": "Be brief."}]',
    "gen_ai.input.messages": [
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "What is it?"},
                {"type": "uri", "modality": "image", "uri": "https://a.example/b.png"},
            ],
        },
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "c1", "name": "find", "arguments": {"q": "x"}}],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "found"}]},
    ],
    "gen_ai.output.messages": json.dumps(
        [{"role": "assistant", "parts": [{"type": "text", "content": "A cat."}], "finish_reason": "stop"}]
    ),
}
OPENLLMETRY = {
    "gen_ai.prompt.0.role": "system",
    "gen_ai.prompt.0.content": "Be brief.",
    "gen_ai.prompt.1.role": "user",
    "gen_ai.prompt.1.content": json.dumps([{"type": "text", "text": "What is it?"}, PICTURE]),
    "gen_ai.prompt.2.role": "assistant",
    "gen_ai.prompt.2.tool_calls.0.id": "c1",
    "gen_ai.prompt.2.tool_calls.0.name": "find",
    "gen_ai.prompt.2.tool_calls.0.arguments": '{"q":"x"}',
    "gen_ai.prompt.3.role": "tool",
    "gen_ai.prompt.3.content": "found",
    "gen_ai.prompt.3.tool_call_id": "c1",
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": "A cat.",
    "gen_ai.completion.0.finish_reason": "stop",
}
MESSAGE = "llm.input_messages.{}.message."
CONTENTS = MESSAGE.format(1) + "contents."
TOOL_CALL = MESSAGE.format(2) + "tool_calls.0.tool_call."
OPENINFERENCE = {
    MESSAGE.format(0) + "role": "system",
    MESSAGE.format(0) + "content": "Be brief.",
    MESSAGE.format(1) + "role": "user",
    CONTENTS + "0.message_content.type": "text",
    CONTENTS + "0.message_content.text": "What is it?",
    CONTENTS + "1.message_content.type": "image",
    CONTENTS + "1.message_content.image.image.url": "https://a.example/b.png",
    MESSAGE.format(2) + "role": "assistant",
    TOOL_CALL + "id": "c1",
    TOOL_CALL + "function.name": "find",
    TOOL_CALL + "function.arguments": '{"q":"x"}',
    MESSAGE.format(3) + "role": "tool",
    MESSAGE.format(3) + "content": "found",
    MESSAGE.format(3) + "tool_call_id": "c1",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "A cat.",
    "gen_ai.response.finish_reasons": ["stop"],
}
EVENTS: list[Event] = [
    ("gen_ai.system.message", {"gen_ai.system": "openai", "content": "Be brief."}),
    ("gen_ai.user.message", {"content": json.dumps([{"type": "text", "text": "What is it?"}, PICTURE])}),
    ("gen_ai.assistant.message", {"tool_calls": json.dumps([CALL])}),
    ("gen_ai.tool.message", {"gen_ai.event.content": json.dumps({"id": "c1", "content": "found"})}),
    ("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": '{"content": "A cat."}'}),
]


@pytest.mark.parametrize(
    ("attributes", "events"),
    [(PRESENT, []), (OPENLLMETRY, []), (OPENINFERENCE, []), ({}, EVENTS)],
    ids=["present", "openllmetry", "openinference", "events"],
)
def test_conversation_is_the_same_in_every_convention(attributes: Json, events: list[Event]) -> None:
    request, response = read_span_request(attributes, events), read_span_response(attributes, events, None)
    assert request["messages"] == ASKED
    assert response is not None
    assert response["choices"] == [ANSWERED]
    turns = read_conversation(request, response).turns
    assert [turn.speaker for turn in turns] == ["system", "user", "assistant", "tool", "assistant"]


def test_content_may_be_in_an_event_of_its_own() -> None:
    events: list[Event] = [("gen_ai.client.inference.operation.details", PRESENT)]
    attributes = with_details({"gen_ai.request.model": "m"}, events)
    assert read_span_request(attributes, events) == {"model": "m", "messages": ASKED}


@pytest.mark.parametrize(
    ("part", "content"),
    [
        (
            {"type": "blob", "modality": "image", "mime_type": "image/gif", "content": "R0lG"},
            [{"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lG"}}],
        ),
        (
            {"type": "blob", "modality": "audio", "mime_type": "audio/mp3", "content": "aaaa"},
            [{"type": "input_audio", "input_audio": {"data": "aaaa", "format": "mp3"}}],
        ),
        (
            {"type": "file", "modality": "document", "file_id": "f"},
            [{"type": "file", "file": {"file_id": "f"}}],
        ),
        ({"type": "other", "x": 1}, [{"type": "other", "x": 1}]),
        ({"type": "text", "content": "Hi"}, "Hi"),
    ],
)
def test_parts_are_those_of_chat(part: Json, content: object) -> None:
    request = read_span_request({"gen_ai.input.messages": [{"role": "user", "parts": [part]}]}, [])
    assert request["messages"] == [{"role": "user", "content": content}]


def test_thinking_and_refusal_of_an_answer_are_kept() -> None:
    parts = [{"type": "reasoning", "content": "Hm."}, {"type": "refusal", "content": "No."}]
    output = [{"role": "assistant", "parts": parts, "finish_reason": "tool_call"}]
    response = read_span_response({"gen_ai.output.messages": output}, [], None)
    message = {"role": "assistant", "content": None, "reasoning_content": "Hm.", "refusal": "No."}
    assert response == {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
    }


FUNCTION = {"name": "find", "description": "Finds.", "parameters": {"type": "object"}}
TOOLS = [{"type": "function", "function": FUNCTION}]


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.tool.definitions": json.dumps([{"type": "function", **FUNCTION}])},
        {
            "llm.request.functions.0.name": "find",
            "llm.request.functions.0.description": "Finds.",
            "llm.request.functions.0.parameters": '{"type": "object"}',
        },
        {"llm.tools.0.tool.json_schema": json.dumps(TOOLS[0])},
    ],
)
def test_tools_are_those_of_chat(attributes: Json) -> None:
    assert read_span_request(attributes, [])["tools"] == TOOLS


def test_parameters_are_those_of_chat() -> None:
    attributes = {
        "gen_ai.request.model": "m",
        "gen_ai.request.max_tokens": 5,
        "gen_ai.request.stop_sequences": ["x"],
        "gen_ai.is_streaming": True,
        "llm.invocation_parameters": '{"seed": 1}',
        "gen_ai.request.structured_output_schema": '{"type": "object"}',
    }
    assert read_span_request(attributes, []) == {
        "model": "m",
        "max_tokens": 5,
        "stop": ["x"],
        "stream": True,
        "seed": 1,
        "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}},
    }


@pytest.mark.parametrize(
    "attributes",
    [
        {
            "gen_ai.operation.name": "embeddings",
            "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "a"}]}],
        },
        {"openinference.span.kind": "EMBEDDING", "embedding.embeddings.0.embedding.text": "a"},
        {"llm.request.type": "embedding", "gen_ai.prompt.0.content": "a"},
    ],
)
def test_embeddings_have_input(attributes: Json) -> None:
    assert is_model_call(attributes)
    assert read_span_request(attributes, []) == {"input": ["a"]}
    assert read_span_response(attributes, [], None) is None


def test_request_and_answer_may_be_values() -> None:
    attributes = {"input.value": json.dumps({"messages": ASKED}), "output.value": "A cat."}
    assert read_span_request(attributes, []) == {"messages": ASKED}
    response = read_span_response(attributes, [], None)
    assert response is not None
    assert response["choices"] == [ANSWERED | {"finish_reason": None}]
    assert read_span_request({"input.value": "Hi"}, []) == {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"gen_ai.operation.name": "chat"}, True),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "m"}, False),
        ({"openinference.span.kind": "LLM"}, True),
        ({"openinference.span.kind": "TOOL"}, False),
        ({"llm.request.type": "completion"}, True),
        ({"llm.request.type": "rerank"}, False),
        ({"traceloop.span.kind": "workflow", "gen_ai.request.model": "m"}, False),
        ({"gen_ai.system": "openai", "gen_ai.request.model": "m"}, True),
        ({"http.request.method": "POST"}, False),
    ],
)
def test_model_calls_are_told_from_other_spans(attributes: Json, *, expected: bool) -> None:
    assert is_model_call(attributes) is expected


@pytest.mark.parametrize(
    "attributes",
    [
        {
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.usage.cache_read.input_tokens": 4,
            "gen_ai.usage.reasoning.output_tokens": 2,
        },
        {
            "gen_ai.usage.prompt_tokens": 10,
            "gen_ai.usage.completion_tokens": 5,
            "llm.usage.total_tokens": 15,
            "gen_ai.usage.cache_read_input_tokens": 4,
            "llm.usage.reasoning_tokens": 2,
        },
        {
            "llm.token_count.prompt": 10,
            "llm.token_count.completion": 5.0,
            "llm.token_count.prompt_details.cache_read": 4,
            "llm.token_count.completion_details.reasoning": 2,
        },
    ],
)
def test_tokens_are_counted_in_every_convention(attributes: Json) -> None:
    assert read_usage({"usage": read_span_usage(attributes)}) == Usage(
        prompt_tokens=10,
        completion_tokens=5,
        total_tokens=15,
        prompt_cache_read_tokens=4,
        reasoning_tokens=2,
    )


def test_total_holds_cached_tokens_that_the_prompt_does_not() -> None:
    attributes = {
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_creation.input_tokens": 100,
    }
    assert read_span_usage(attributes)["total_tokens"] == 108


def test_cost_is_what_the_span_says() -> None:
    assert read_span_cost({"llm.cost.total": 0.25}) == 0.25
    assert read_span_cost({"gen_ai.usage.cost": 0}) is None


def test_numbered_names_make_lists() -> None:
    attributes = {"a.10.b": 3, "a.2.b": 2, "a.2": "leaf", "a.x": 1, "ab.0": 4}
    assert subtree(attributes, "a") == {"10": {"b": 3}, "2": {"b": 2}, "x": 1}
    assert subtree({"a.10": 1, "a.9": 0}, "a") == [0, 1]
    assert subtree(attributes, "c") is None


ODD: list[object] = [
    None,
    "",
    "{",
    "[",
    [],
    {},
    [1],
    [None],
    {"a": {}},
    1,
    True,
    0.5,
    [[]],
    [{"parts": [1, None, {}]}],
]
NAMES = [
    *("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.prompt"),
    *("gen_ai.prompt.0", "gen_ai.prompt.0.content", "gen_ai.completion.0.tool_calls", "llm.input_messages.0"),
    *("gen_ai.tool.definitions", "llm.invocation_parameters", "input.value", "output.value", "llm.tools.0"),
    *("gen_ai.response.finish_reasons", "gen_ai.usage.input_tokens", "gen_ai.event.content", "message"),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ODD, ids=repr)
def test_no_value_raises(name: str, value: object) -> None:
    events: list[Event] = [("gen_ai.choice", {name: value}), ("gen_ai.user.message", {name: value})]
    for attributes in ({name: value}, {name: value, "gen_ai.operation.name": "embeddings"}):
        read_span_request(with_details(attributes, events), events)
        read_span_response(attributes, events, None)
        is_model_call(attributes)
