"""Streams of each family, as their providers send them and clients log them."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any, Final

Chunks = list[dict[str, Any]]


def sse(chunks: Chunks, end: str = "") -> str:
    """Server-sent events, with the event's name where the chunk has a type."""
    return (
        "".join(
            (f"event: {chunk['type']}\n" if "type" in chunk else "") + f"data: {json.dumps(chunk)}\n\n"
            for chunk in chunks
        )
        + end
    )


def lines(chunks: Chunks) -> str:
    return "".join(json.dumps(chunk) + "\n" for chunk in chunks)


def delta(index: int = 0, finish: str | None = None, **said: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": said, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "model": "m-1", "choices": [choice]}


def call(index: int, arguments: str, **named: str) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": named["name"]} if named else {})
    head = {"id": f"call_{index}", "type": "function"} if named else {}
    return {"index": index, **head, "function": function}


USAGE: Final = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}

CHAT: Final[Chunks] = [
    {"id": "", "object": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
    delta(role="assistant", content="", reasoning_content="Let me "),
    delta(content=None, reasoning_content="see."),
    delta(content="Grüße "),
    delta(1, role="assistant", content="Second "),
    delta(content="an alle."),
    delta(1, content="choice."),
    delta(tool_calls=[call(0, "", name="look")]),
    delta(tool_calls=[call(1, '{"at":', name="find")]),
    delta(tool_calls=[call(0, '{"where":"nor')]),
    delta(tool_calls=[call(0, 'th"}'), call(1, "5}")]),
    delta(finish="tool_calls"),
    delta(1, finish="stop"),
    {"id": "c1", "object": "chat.completion.chunk", "model": "m-1", "choices": [], "usage": USAGE},
]

COMPLETIONS: Final[Chunks] = [
    {"id": "t1", "object": "text_completion", "choices": [{"index": 0, "text": text, "finish_reason": end}]}
    for text, end in (("Once ", None), ("upon ", None), ("a time", "length"))
]

ANTHROPIC: Final[Chunks] = [
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-x",
            "content": [],
            "stop_reason": None,
            "usage": {"input_tokens": 7, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm, "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "yes."}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "ping"},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "I will "}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "look."}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
    },
    {
        "type": "content_block_delta",
        "index": 2,
        "delta": {"type": "input_json_delta", "partial_json": '{"at":'},
    },
    {
        "type": "content_block_delta",
        "index": 2,
        "delta": {"type": "input_json_delta", "partial_json": "[1,2]}"},
    },
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}},
    {"type": "message_stop"},
]

_RESPONSE: Final = {
    "id": "resp_1",
    "object": "response",
    "model": "gpt-x",
    "status": "in_progress",
    "output": [],
}
_ITEMS: Final[Chunks] = [
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "I add up."}],
    },
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "It is five.", "annotations": [], "logprobs": []}],
    },
    {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "add", "arguments": '{"a":2,"b":3}'},
]
RESPONSES: Final[Chunks] = [
    {"type": "response.created", "response": _RESPONSE},
    {"type": "response.output_item.added", "output_index": 0, "item": {**_ITEMS[0], "summary": []}},
    *(
        {
            "type": "response.reasoning_summary_text.delta",
            "item_id": "rs_1",
            "output_index": 0,
            "summary_index": 0,
            "delta": text,
        }
        for text in ("I add ", "up.")
    ),
    {"type": "response.output_item.done", "output_index": 0, "item": _ITEMS[0]},
    {"type": "response.output_item.added", "output_index": 1, "item": {**_ITEMS[1], "content": []}},
    *(
        {
            "type": "response.output_text.delta",
            "item_id": "msg_1",
            "output_index": 1,
            "content_index": 0,
            "delta": text,
        }
        for text in ("It is ", "five.")
    ),
    {"type": "response.output_item.done", "output_index": 1, "item": _ITEMS[1]},
    {"type": "response.output_item.added", "output_index": 2, "item": {**_ITEMS[2], "arguments": ""}},
    *(
        {
            "type": "response.function_call_arguments.delta",
            "item_id": "fc_1",
            "output_index": 2,
            "delta": text,
        }
        for text in ('{"a":2', ',"b":3}')
    ),
    {"type": "response.output_item.done", "output_index": 2, "item": _ITEMS[2]},
    {
        "type": "response.completed",
        "response": {
            **_RESPONSE,
            "status": "completed",
            "output": _ITEMS,
            "usage": {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12},
        },
    },
]


def candidate(*parts: dict[str, Any], **beside: Any) -> dict[str, Any]:
    return {
        "candidates": [{"content": {"parts": list(parts), "role": "model"}, "index": 0, **beside}],
        "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12},
        "modelVersion": "gemini-x",
    }


GEMINI: Final[Chunks] = [
    candidate({"text": "First I ", "thought": True}),
    candidate({"text": "think.", "thought": True}),
    candidate({"text": "The wind "}),
    candidate({"text": "is calm."}, {"functionCall": {"name": "look", "args": {"at": "sea"}}}),
    candidate({"text": "", "thoughtSignature": "c2ln"}, finishReason="STOP"),
]

CONVERSE: Final[Chunks] = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "So "}}}},
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "then."}}}},
    {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "c2ln"}}}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"text": "Lower "}}},
    {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"text": "the bob."}}},
    {"contentBlockStop": {"contentBlockIndex": 1}},
    {
        "contentBlockStart": {
            "contentBlockIndex": 2,
            "start": {"toolUse": {"toolUseId": "t1", "name": "look"}},
        }
    },
    {"contentBlockDelta": {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '{"at":'}}}},
    {"contentBlockDelta": {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '"sea"}'}}}},
    {"contentBlockStop": {"contentBlockIndex": 2}},
    {"messageStop": {"stopReason": "tool_use"}},
    {
        "metadata": {
            "usage": {"inputTokens": 7, "outputTokens": 5, "totalTokens": 12},
            "metrics": {"latencyMs": 9},
        }
    },
]

COHERE: Final[Chunks] = [
    {"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant", "content": []}}},
    {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I will "}}},
    {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "look."}}},
    {
        "type": "content-start",
        "index": 0,
        "delta": {"message": {"content": {"type": "text", "text": ""}}},
    },
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "A gui"}}}},
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "de."}}}},
    {"type": "content-end", "index": 0},
    {
        "type": "tool-call-start",
        "index": 0,
        "delta": {
            "message": {
                "tool_calls": {"id": "t1", "type": "function", "function": {"name": "look", "arguments": ""}}
            }
        },
    },
    {
        "type": "tool-call-delta",
        "index": 0,
        "delta": {"message": {"tool_calls": {"function": {"arguments": '{"at":"sea"}'}}}},
    },
    {"type": "tool-call-end", "index": 0},
    {
        "type": "message-end",
        "delta": {
            "finish_reason": "COMPLETE",
            "usage": {"tokens": {"input_tokens": 7, "output_tokens": 5}},
        },
    },
]

COHERE_FIRST: Final[Chunks] = [
    {"is_finished": False, "event_type": "stream-start", "generation_id": "g1"},
    {"is_finished": False, "event_type": "text-generation", "text": "A gui"},
    {"is_finished": False, "event_type": "text-generation", "text": "de."},
    {
        "is_finished": True,
        "event_type": "stream-end",
        "finish_reason": "COMPLETE",
        "response": {
            "text": "A guide.",
            "generation_id": "g1",
            "meta": {"tokens": {"input_tokens": 7, "output_tokens": 5}},
        },
    },
]

OLLAMA: Final[Chunks] = [
    {"model": "llama", "message": {"role": "assistant", "content": "", "thinking": "Hm."}, "done": False},
    {"model": "llama", "message": {"role": "assistant", "content": "Two "}, "done": False},
    {"model": "llama", "message": {"role": "assistant", "content": "rakes."}, "done": False},
    {
        "model": "llama",
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 7,
        "eval_count": 5,
    },
]

OLLAMA_GENERATE: Final[Chunks] = [
    {"model": "llama", "response": "Two ", "done": False},
    {"model": "llama", "response": "rakes.", "done": False},
    {"model": "llama", "response": "", "done": True, "prompt_eval_count": 7, "eval_count": 5},
]

MISTRAL: Final[Chunks] = [
    delta(role="assistant", content=[{"type": "thinking", "thinking": [{"type": "text", "text": "Seven "}]}]),
    delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "times."}]}]),
    delta(content="No"),
    delta(content=", not prime."),
    {**delta(finish="stop"), "usage": USAGE},
]

CONVERSATION: Final[Chunks] = [
    {"type": "conversation.response.started", "conversation_id": "conv_1"},
    {"type": "message.output.delta", "output_index": 0, "role": "assistant", "content": "No"},
    {"type": "message.output.delta", "output_index": 0, "role": "assistant", "content": ", not prime."},
    {"type": "conversation.response.done", "usage": USAGE},
]

TGI: Final[Chunks] = [
    {"index": 1, "token": {"id": 1, "text": "The ", "special": False}, "generated_text": None},
    {"index": 2, "token": {"id": 2, "text": "halyard.", "special": False}, "generated_text": None},
    {
        "index": 3,
        "token": {"id": 3, "text": "</s>", "special": True},
        "generated_text": "The halyard.",
        "details": {"finish_reason": "eos_token", "generated_tokens": 5, "input_length": 7},
    },
]

TITAN: Final[Chunks] = [
    {"outputText": "The Lima", "index": 0, "inputTextTokenCount": 7, "completionReason": None},
    {
        "outputText": ", in August.",
        "index": 0,
        "totalOutputTextTokenCount": 5,
        "completionReason": "FINISH",
    },
]

LLAMA: Final[Chunks] = [
    {"generation": "The ", "prompt_token_count": 7, "generation_token_count": 1, "stop_reason": None},
    {"generation": "Soca.", "prompt_token_count": None, "generation_token_count": 5, "stop_reason": "stop"},
]

ENVELOPES: Final[Chunks] = [
    {"chunk": {"bytes": b64encode(json.dumps(chunk).encode()).decode()}} for chunk in ANTHROPIC
]

STREAMS: Final[dict[str, str]] = {
    "chat": sse(CHAT, "data: [DONE]\n\n"),
    "chat lines": lines(CHAT),
    "chat with CRLF and comments": ": hello\r\n\r\n" + sse(CHAT, "data: [DONE]\n\n").replace("\n", "\r\n"),
    "completions": sse(COMPLETIONS, "data: [DONE]\n\n"),
    "responses": sse(RESPONSES),
    "responses lines": lines(RESPONSES),
    "anthropic": sse(ANTHROPIC),
    "anthropic lines": lines(ANTHROPIC),
    "gemini": sse(GEMINI),
    "gemini array": json.dumps(GEMINI),
    "gemini array, printed": json.dumps(GEMINI, indent=2),
    "gemini array, as sent": "[" + "\n,\n".join(json.dumps(chunk, indent=2) for chunk in GEMINI) + "\n]\n",
    "bedrock converse": lines(CONVERSE),
    "bedrock envelopes": lines(ENVELOPES),
    "bedrock titan": lines(TITAN),
    "bedrock llama": lines(LLAMA),
    "mistral": sse(MISTRAL, "data: [DONE]\n\n"),
    "mistral conversation": sse(CONVERSATION),
    "cohere": sse(COHERE),
    "cohere first": lines(COHERE_FIRST),
    "ollama": lines(OLLAMA),
    "ollama generate": lines(OLLAMA_GENERATE),
    "hugging face": sse(TGI),
}
