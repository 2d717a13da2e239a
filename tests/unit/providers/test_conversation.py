from __future__ import annotations

from typing import Any

import pytest
from heliscore.providers.exchange import read_conversation
from heliscore.providers.turns import Json, Media, Speaker, Text, Thinking, ToolCall, Turn

PNG = "iVBORw0KGgoAAAANSUhEUg=="
PICTURE = f"data:image/png;base64,{PNG}"


def turn(speaker: Speaker, *parts: Any, label: str = "", mark: str = "", answers: str = "") -> Turn:
    said = [Text(part) if isinstance(part, str) else part for part in parts]
    return Turn(speaker, said, label, mark, answers)


REQUESTS: dict[str, tuple[object, list[Turn]]] = {
    "developer's instructions": (
        {
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": "Hi", "name": "Ann"},
            ]
        },
        [turn("system", "Be brief."), turn("user", "Hi", label="Ann")],
    ),
    "OpenAI's tool calls": (
        {
            "messages": [
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "c1",
                            "type": "function",
                            "function": {"name": "find", "arguments": '{"a":1}'},
                        },
                        {"id": "c2", "type": "custom", "custom": {"name": "run", "input": "print(1)"}},
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "found"},
                {"role": "assistant", "function_call": {"name": "old", "arguments": "{"}},
                {"role": "function", "name": "old", "content": "done"},
            ]
        },
        [
            turn("assistant", ToolCall("find", {"a": 1}, "c1"), ToolCall("run", "print(1)", "c2")),
            turn("tool", "found", answers="c1"),
            turn("assistant", ToolCall("old", "{")),
            turn("tool", "done", label="old"),
        ],
    ),
    "OpenAI's pictures, sounds and files": (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "image_url",
                            "image_url": {"url": "https://a.example/b.png", "detail": "low"},
                        },
                        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "mp3"}},
                        {
                            "type": "file",
                            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
                        },
                        {"type": "file", "file": {"file_id": "file-1"}},
                    ],
                }
            ]
        },
        [
            turn(
                "user",
                Media("image", "https://a.example/b.png"),
                Media("audio", "data:audio/mpeg;base64,UklGRg=="),
                Media("file", "data:application/pdf;base64,JVBE", "a.pdf"),
                Media("file", "", "file-1"),
            )
        ],
    ),
    "Responses' items": (
        {
            "instructions": "Be brief.",
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "See"}]},
                {
                    "role": "user",
                    "content": [{"type": "input_image", "image_url": PICTURE, "detail": "auto"}],
                },
                {"type": "computer_call", "id": "cc", "call_id": "c", "action": {"type": "click", "x": 1}},
                {
                    "type": "computer_call_output",
                    "call_id": "c",
                    "output": {"type": "input_image", "image_url": PICTURE},
                },
                {"type": "custom_tool_call", "call_id": "d", "name": "run", "input": "ls"},
                {"type": "custom_tool_call_output", "call_id": "d", "output": "a.txt"},
                {
                    "type": "mcp_call",
                    "id": "m",
                    "name": "ask",
                    "server_label": "docs",
                    "arguments": "{}",
                    "output": "yes",
                },
                {"type": "item_reference", "id": "msg_1"},
            ],
        },
        [
            turn("system", "Be brief."),
            turn("user", "See"),
            turn("user", Media("image", PICTURE)),
            turn("assistant", ToolCall("computer_call", {"action": {"type": "click", "x": 1}}, "c")),
            turn("tool", Media("image", PICTURE), answers="c"),
            turn("assistant", ToolCall("run", "ls", "d")),
            turn("tool", "a.txt", answers="d"),
            turn("assistant", ToolCall("docs.ask", {}, "m")),
            turn("tool", "yes", label="docs.ask", answers="m"),
            turn("user", Json("item_reference", {"type": "item_reference", "id": "msg_1"})),
        ],
    ),
    "Anthropic's documents and results": (
        {
            "system": [{"type": "text", "text": "Be brief."}],
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "t",
                            "is_error": True,
                            "content": [
                                {"type": "text", "text": "no"},
                                {
                                    "type": "image",
                                    "source": {"type": "base64", "media_type": "image/png", "data": PNG},
                                },
                            ],
                        },
                        {
                            "type": "document",
                            "source": {"type": "text", "media_type": "text/plain", "data": "A deed"},
                        },
                        {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}},
                        {"type": "text", "text": "Why?"},
                    ],
                },
            ],
        },
        [
            turn("system", "Be brief."),
            turn("tool", "no", Media("image", PICTURE), label="error", answers="t"),
            turn("user", "A deed", Media("image", "https://a.example/b.png"), "Why?"),
        ],
    ),
    "Gemini in snake_case with nulls": (
        {
            "contents": [
                {
                    "role": "user",
                    "parts": [
                        {
                            "text": None,
                            "inline_data": {"data": "_-8=", "mime_type": "audio/wav", "display_name": None},
                        },
                        {"file_data": {"file_uri": "gs://b/a.mp4", "mime_type": "video/mp4"}, "text": None},
                    ],
                },
                {
                    "role": "model",
                    "parts": [
                        {"executable_code": {"code": "print(1)", "language": "PYTHON"}, "text": None},
                        {"code_execution_result": {"outcome": "OUTCOME_OK", "output": "1"}, "text": None},
                        {
                            "function_call": {"id": None, "name": "look", "args": {"at": 1}},
                            "thought_signature": "c2",
                        },
                    ],
                },
                {
                    "role": "user",
                    "parts": [{"function_response": {"name": "look", "response": {"result": "calm"}}}],
                },
            ],
            "config": {"system_instruction": {"parts": [{"text": "Be brief."}], "role": None}},
        },
        [
            turn("system", "Be brief."),
            turn(
                "user",
                Media("audio", "data:audio/wav;base64,/+8="),
                Media("video", "gs://b/a.mp4"),
            ),
            turn("assistant", ToolCall("executable_code", "print(1)")),
            turn("tool", "1", label="OUTCOME_OK"),
            turn("assistant", ToolCall("look", {"at": 1})),
            turn("tool", "calm", label="look"),
        ],
    ),
    "Bedrock's results and pictures": (
        {
            "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
            "messages": [
                {
                    "role": "user",
                    "content": [{"image": {"format": "png", "source": {"bytes": PNG}}}, {"text": "See"}],
                },
                {
                    "role": "assistant",
                    "content": [{"toolUse": {"toolUseId": "t", "name": "look", "input": {"a": 1}}}],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "toolResult": {
                                "toolUseId": "t",
                                "status": "error",
                                "content": [{"json": {"state": "shut"}}, {"text": "bolted"}],
                            }
                        }
                    ],
                },
            ],
        },
        [
            turn("system", "Be brief."),
            turn("user", Media("image", PICTURE), "See"),
            turn("assistant", ToolCall("look", {"a": 1}, "t")),
            turn("tool", Json("JSON", {"state": "shut"}), "bolted", label="error", answers="t"),
        ],
    ),
    "Cohere's first version": (
        {
            "message": "And now?",
            "preamble": "Be brief.",
            "chat_history": [{"role": "USER", "message": "Hi"}, {"role": "CHATBOT", "message": "Hello"}],
        },
        [
            turn("system", "Be brief."),
            turn("user", "Hi"),
            turn("assistant", "Hello"),
            turn("user", "And now?"),
        ],
    ),
    "Ollama's pictures": (
        {"messages": [{"role": "user", "content": "See", "images": [PNG]}]},
        [turn("user", "See", Media("image", PICTURE))],
    ),
    "Ollama's generate": (
        {"prompt": "See", "system": "Be brief."},
        [turn("system", "Be brief."), turn("user", "See")],
    ),
    "LangChain's constructors": (
        {
            "messages": [
                [
                    {
                        "lc": 1,
                        "type": "constructor",
                        "id": ["langchain", "schema", "messages", "SystemMessage"],
                        "kwargs": {"content": "Be brief.", "type": "system"},
                    },
                    {"type": "human", "content": "Hi", "additional_kwargs": {}, "response_metadata": {}},
                    {
                        "type": "ai",
                        "data": {
                            "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {}}],
                            "tool_calls": [{"name": "look", "args": {}, "id": "t", "type": "tool_call"}],
                        },
                    },
                ]
            ]
        },
        [turn("system", "Be brief."), turn("user", "Hi"), turn("assistant", ToolCall("look", {}, "t"))],
    ),
    "a call's arguments": (
        {"args": ["Name a knot"], "kwargs": {"system": "Be brief.", "messages": []}},
        [turn("user", "Name a knot"), turn("system", "Be brief.")],
    ),
    "Gemini's parts without a message": (
        {"contents": ["See", {"text": "this"}, {"inlineData": {"mimeType": "image/png", "data": PNG}}]},
        [turn("user", "See"), turn("user", "this"), turn("user", Media("image", PICTURE))],
    ),
    "Replicate's input": ({"input": {"prompt": "Hi", "top_k": 5}}, [turn("user", "Hi")]),
    "Hugging Face's inputs": ({"inputs": "Hi", "parameters": {}}, [turn("user", "Hi")]),
    "Helicone's tool": (
        {"_type": "tool", "toolName": "look", "input": {"a": 1}},
        [turn("assistant", ToolCall("look", {"a": 1}))],
    ),
    "a role nobody knows": (
        {"messages": [{"role": "critic", "content": "Poor."}]},
        [turn("other", "Poor.", label="critic")],
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_is_laid_out_as_turns(name: str) -> None:
    body, turns = REQUESTS[name]
    assert read_conversation(body, None).turns == turns


RESPONSES: dict[str, tuple[object, list[Turn]]] = {
    "refusal": (
        {
            "choices": [
                {
                    "message": {"role": "assistant", "content": None, "refusal": "I cannot."},
                    "finish_reason": "stop",
                }
            ]
        },
        [turn("assistant", "I cannot.", mark="refusal")],
    ),
    "openai's SDK dump": (
        {
            "id": "c",
            "choices": [
                {
                    "finish_reason": "stop",
                    "index": 0,
                    "logprobs": None,
                    "message": {
                        "content": "Hello",
                        "refusal": None,
                        "role": "assistant",
                        "annotations": [],
                        "audio": None,
                        "function_call": None,
                        "tool_calls": None,
                    },
                }
            ],
            "usage": None,
        },
        [turn("assistant", "Hello")],
    ),
    "reasoning of vLLM and OpenRouter": (
        {
            "choices": [
                {
                    "message": {
                        "content": "Five",
                        "reasoning": "2 and 3",
                        "reasoning_details": [{"type": "reasoning.text", "text": "2 and 3"}],
                    }
                },
                {"message": {"content": "Five", "reasoning_content": "2 and 3"}},
            ]
        },
        [turn("assistant", Thinking("2 and 3"), "Five"), turn("assistant", Thinking("2 and 3"), "Five")],
    ),
    "spoken answer": (
        {
            "choices": [
                {
                    "message": {
                        "content": None,
                        "audio": {"id": "a", "data": "UklGRg==", "transcript": "Hello"},
                    }
                }
            ]
        },
        [turn("assistant", "Hello", Media("audio", "data:audio/wav;base64,UklGRg=="))],
    ),
    "Responses that stopped": (
        {
            "output": [
                {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"query": "tides"}},
                {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
                {"type": "image_generation_call", "id": "ig", "result": PNG},
            ],
            "incomplete_details": {"reason": "max_output_tokens"},
            "error": None,
        },
        [
            turn("assistant", ToolCall("web_search_call", {"action": {"query": "tides"}}, "ws")),
            turn("assistant", "No.", mark="refusal"),
            turn("assistant", Media("image", PICTURE), mark="max_output_tokens"),
        ],
    ),
    "Anthropic's own tools": (
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {"type": "redacted_thinking", "data": "c2VjcmV0"},
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "tides"}},
                {
                    "type": "web_search_tool_result",
                    "tool_use_id": "s",
                    "content": [
                        {"type": "web_search_result", "url": "https://a.example", "encrypted_content": "x"}
                    ],
                },
                {"type": "text", "text": "High at six.", "citations": None},
            ],
            "stop_reason": "refusal",
        },
        [
            turn("assistant", Json("redacted_thinking", {}), ToolCall("web_search", {"query": "tides"}, "s")),
            turn(
                "tool",
                Json("", [{"type": "web_search_result", "url": "https://a.example"}]),
                label="web_search_tool_result",
                answers="s",
            ),
            turn("assistant", "High at six.", mark="refusal"),
        ],
    ),
    "Gemini's blocked prompt": (
        {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 5}},
        [turn("assistant", mark="PROHIBITED_CONTENT")],
    ),
    "Gemini's blocked answer": (
        {"candidates": [{"finish_reason": "FinishReason.SAFETY", "content": None}], "model_version": "g"},
        [turn("assistant", mark="SAFETY")],
    ),
    "Bedrock's thinking and guardrail": (
        {
            "output": {
                "message": {
                    "role": "assistant",
                    "content": [
                        {"reasoningContent": {"reasoningText": {"text": "So.", "signature": "c"}}},
                        {"text": "No"},
                    ],
                }
            },
            "stopReason": "guardrail_intervened",
        },
        [turn("assistant", Thinking("So."), "No", mark="guardrail_intervened")],
    ),
    "Titan cut off": (
        {"results": [{"outputText": "Once", "completionReason": "LENGTH"}]},
        [turn("assistant", "Once", mark="LENGTH")],
    ),
    "Mistral on Bedrock": (
        {"outputs": [{"text": "Once", "stop_reason": "length"}]},
        [turn("assistant", "Once", mark="length")],
    ),
    "Cohere on Bedrock": (
        {"generations": [{"id": "g", "text": "Once", "finish_reason": "MAX_TOKENS"}]},
        [turn("assistant", "Once", mark="MAX_TOKENS")],
    ),
    "Cohere's plan and calls": (
        {
            "id": "c",
            "message": {
                "role": "assistant",
                "tool_plan": "I look.",
                "tool_calls": [
                    {"id": "t", "type": "function", "function": {"name": "look", "arguments": "{}"}}
                ],
            },
            "finish_reason": "TOOL_CALL",
        },
        [turn("assistant", Thinking("I look."), ToolCall("look", {}, "t"))],
    ),
    "Ollama's calls": (
        {
            "message": {
                "role": "assistant",
                "content": "",
                "thinking": "Hm.",
                "tool_calls": [{"function": {"name": "look", "arguments": {"a": 1}}}],
            },
            "done": True,
            "done_reason": "length",
        },
        [turn("assistant", Thinking("Hm."), ToolCall("look", {"a": 1}), mark="length")],
    ),
    "LangChain's generations": (
        {
            "generations": [
                [{"text": "Hi", "generation_info": {"finish_reason": "length"}, "message": None}]
            ],
            "llm_output": None,
        },
        [turn("assistant", "Hi", mark="length")],
    ),
    "LlamaIndex's response": (
        {"message": {"role": "assistant", "blocks": [{"block_type": "text", "text": "Hi"}]}, "raw": {}},
        [turn("assistant", "Hi")],
    ),
    "pictures": (
        {"created": 1, "data": [{"b64_json": PNG, "revised_prompt": "A boat"}]},
        [turn("assistant", "A boat", Media("image", PICTURE))],
    ),
    "Replicate's tokens": ({"output": ["Hel", "lo"]}, [turn("assistant", "Hello")]),
    "reasoning in the open": (
        {
            "output": [
                {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "So."}]},
                {"type": "reasoning", "summary": [], "content": None, "encrypted_content": "x"},
            ]
        },
        [turn("assistant", Thinking("So."))],
    ),
    "Bedrock's hidden thinking": (
        {
            "output": {
                "message": {"role": "assistant", "content": [{"reasoningContent": {"redactedContent": "x"}}]}
            }
        },
        [turn("assistant", Json("redacted_thinking", {}))],
    ),
    "Hugging Face's list": ([{"generated_text": "Hi"}], [turn("assistant", "Hi")]),
    "Helicone's tool": (
        {"_type": "tool", "status": "ok", "message": "calm"},
        [turn("tool", "calm")],
    ),
    "Bedrock's error": ({"message": "Too many requests"}, [turn("error", "Too many requests")]),
    "Mistral's error": (
        {"object": "error", "message": "Bad", "type": "invalid", "param": None, "code": None},
        [turn("error", "Bad", Json("details", {"object": "error", "type": "invalid"}))],
    ),
    "vLLM's error": ({"detail": "Not found"}, [turn("error", "Not found")]),
    "Gemini's error in a list": (
        [{"error": {"code": 429, "message": "Used up"}}],
        [turn("error", "Used up", Json("details", {"code": 429}))],
    ),
    "Ollama's error": ({"error": "model not found"}, [turn("error", "model not found")]),
    "embeddings": (
        {"object": "list", "data": [{"embedding": [0.5, 0.25], "index": 0}]},
        [
            turn(
                "other",
                Json("JSON", {"object": "list", "data": [{"embedding": [0.5, 0.25], "index": 0}]}),
                label="response",
            )
        ],
    ),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_a_response_is_laid_out_as_turns(name: str) -> None:
    body, turns = RESPONSES[name]
    assert read_conversation(None, body).turns == turns


@pytest.mark.parametrize(
    "raw", [{}, {"a": 1}, [], 5, True, {"messages": 5}, {"choices": "x"}, [1, 2], [[0.5]]]
)
def test_any_other_body_is_shown_as_json(raw: object) -> None:
    assert read_conversation(raw, raw).turns == [
        Turn("other", [Json("JSON", raw)], "request"),
        Turn("other", [Json("JSON", raw)], "response"),
    ]


@pytest.mark.parametrize("piece", [None, 5, [], {}, [[]], "x", {"text": 5}, {"role": 5}, {"parts": 3}])
def test_messages_of_any_kind_leave_nothing_out(piece: object) -> None:
    for body in ({"messages": [piece]}, {"messages": [{"role": "user", "content": piece}]}):
        [said] = read_conversation(body, None).turns
        assert said.speaker == "user"
    for answered in ({"choices": [piece]}, {"choices": [{"message": piece}]}, {"candidates": [piece]}):
        assert len(read_conversation(None, answered).turns) == 1


@pytest.mark.parametrize(
    ("messages", "title"),
    [
        (["First", "  Where\n is\tit? "], "Where is it?"),
        (["x" * 5000], "x" * 200 + "…"),
        ([[{"type": "text", "text": "Why?"}], [{"type": "tool_result", "content": "no"}]], "Why?"),
        ([[{"type": "image_url", "image_url": {"url": PICTURE}}]], ""),
        ([], ""),
    ],
)
def test_the_title_is_what_the_user_said_last(messages: list[Any], title: str) -> None:
    body = {"messages": [{"role": "user", "content": content} for content in messages]}
    assert read_conversation(body, None).title == title
