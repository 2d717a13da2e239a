from __future__ import annotations

from typing import Any

import msgspec
import pytest
from heliscore.providers.exchange import read_models, read_usage

RESPONSES: dict[str, tuple[object, dict[str, Any]]] = {
    "OpenAI's details": (
        {
            "usage": {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 20, "audio_tokens": 1},
                "completion_tokens_details": {"reasoning_tokens": 40, "audio_tokens": 2},
            }
        },
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "prompt_cache_read_tokens": 20,
            "prompt_audio_tokens": 1,
            "reasoning_tokens": 40,
            "completion_audio_tokens": 2,
        },
    ),
    "both spellings, one of them empty": (
        {
            "usage": {
                "prompt_tokens": 5,
                "completion_tokens": 2,
                "total_tokens": 7,
                "input_tokens": 0,
                "output_tokens": 0,
            }
        },
        {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    ),
    "embeddings": (
        {"usage": {"prompt_tokens": 8, "total_tokens": 8}},
        {"prompt_tokens": 8, "total_tokens": 8},
    ),
    "nothing said": (
        {"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "cost": 0}},
        {},
    ),
    "no counts": ({"usage": {"prompt_tokens": -1, "completion_tokens": True, "total_tokens": "12"}}, {}),
    "a count as a float": ({"usage": {"prompt_tokens": 5.0, "completion_tokens": 2.5}}, {"prompt_tokens": 5}),
    "Perplexity's cost": (
        {
            "usage": {
                "prompt_tokens": 5,
                "completion_tokens": 2,
                "cost": {"total_cost": 0.006, "request_cost": 0.005},
            }
        },
        {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "cost_usd": 0.006},
    ),
    "Moonshot's cache": (
        {"usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "cached_tokens": 3}},
        {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "prompt_cache_read_tokens": 3},
    ),
    "Anthropic through LiteLLM": (
        {
            "usage": {
                "prompt_tokens": 400,
                "completion_tokens": 2,
                "total_tokens": 402,
                "prompt_tokens_details": {"cached_tokens": 300, "cache_creation_tokens": 40},
                "cache_creation_input_tokens": 40,
                "cache_read_input_tokens": 300,
            }
        },
        {
            "prompt_tokens": 400,
            "completion_tokens": 2,
            "total_tokens": 402,
            "prompt_cache_read_tokens": 300,
            "prompt_cache_write_tokens": 40,
        },
    ),
    "Anthropic's SDK dump": (
        {
            "type": "message",
            "usage": {
                "cache_creation": None,
                "cache_creation_input_tokens": None,
                "cache_read_input_tokens": 0,
                "input_tokens": 3,
                "output_tokens": 4,
                "server_tool_use": None,
            },
        },
        {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "prompt_cache_read_tokens": 0},
    ),
    "Gemini with tools and sound": (
        {
            "usageMetadata": {
                "promptTokenCount": 10,
                "toolUsePromptTokenCount": 5,
                "thoughtsTokenCount": 3,
                "totalTokenCount": 18,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 4},
                    {"modality": "AUDIO", "tokenCount": 6},
                ],
            }
        },
        {
            "prompt_tokens": 15,
            "completion_tokens": 3,
            "total_tokens": 18,
            "reasoning_tokens": 3,
            "prompt_audio_tokens": 6,
        },
    ),
    "Bedrock without a total": (
        {
            "usage": {
                "inputTokens": 3,
                "outputTokens": 4,
                "cacheReadInputTokenCount": 10,
                "cacheWriteInputTokenCount": 5,
            }
        },
        {
            "prompt_tokens": 3,
            "completion_tokens": 4,
            "total_tokens": 22,
            "prompt_cache_read_tokens": 10,
            "prompt_cache_write_tokens": 5,
        },
    ),
    "Titan's results": (
        {"inputTextTokenCount": 5, "results": [{"tokenCount": 3, "outputText": "a"}, {"tokenCount": 4}]},
        {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
    ),
    "Bedrock's metrics": (
        {
            "outputs": [{"text": "a"}],
            "amazon-bedrock-invocationMetrics": {"inputTokenCount": 5, "outputTokenCount": 1},
        },
        {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
    ),
    "Cohere's first version": (
        {"text": "a", "meta": {"billed_units": {"input_tokens": 5, "output_tokens": 1}}},
        {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
    ),
    "LangChain for JavaScript": (
        {
            "text": "a",
            "llmOutput": {"tokenUsage": {"promptTokens": 5, "completionTokens": 1, "totalTokens": 6}},
        },
        {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
    ),
    "LangChain's message": (
        [
            {
                "type": "ai",
                "content": "a",
                "usage_metadata": {
                    "input_tokens": 5,
                    "output_tokens": 1,
                    "total_tokens": 6,
                    "input_token_details": {"cache_read": 2, "cache_creation": 1},
                    "output_token_details": {"reasoning": 1},
                },
            }
        ],
        {
            "prompt_tokens": 5,
            "completion_tokens": 1,
            "total_tokens": 6,
            "prompt_cache_read_tokens": 2,
            "prompt_cache_write_tokens": 1,
            "reasoning_tokens": 1,
        },
    ),
    "LlamaIndex's raw response": (
        {
            "message": {"role": "assistant"},
            "raw": {"model": "m", "usage": {"prompt_tokens": 5, "completion_tokens": 1}},
        },
        {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
    ),
    "Hugging Face's details": (
        [{"generated_text": "a", "details": {"generated_tokens": 1, "prefill": [{"id": 1}, {"id": 2}]}}],
        {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3},
    ),
    "no usage": ({"choices": []}, {}),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_usage_is_read(name: str) -> None:
    response, counts = RESPONSES[name]
    said = {
        key: value for key, value in msgspec.structs.asdict(read_usage(response)).items() if value is not None
    }
    assert said == counts


@pytest.mark.parametrize(
    ("url", "model"),
    [
        ("https://a.openai.azure.com/openai/deployments/my-gpt/chat/completions?api-version=1", "my-gpt"),
        ("https://api.openai.com/v1/engines/davinci/completions", "davinci"),
        (
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent",
            "gemini-2.5-pro",
        ),
        ("https://generativelanguage.googleapis.com/v1beta/tunedModels/mine-1:generateContent", "mine-1"),
        (
            "https://x-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/anthropic/models/claude-4@1:rawPredict",
            "claude-4@1",
        ),
        (
            "https://bedrock-runtime.eu-west-1.amazonaws.com/model/meta.llama3-v1%3A0/invoke",
            "meta.llama3-v1:0",
        ),
        (
            "https://b.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aeu%3A1%3Ainference-profile%2Feu.a.b-v1%3A0/converse-stream",
            "arn:aws:bedrock:eu:1:inference-profile/eu.a.b-v1:0",
        ),
        ("https://api-inference.huggingface.co/models/google/gemma-2b", "google/gemma-2b"),
        ("https://api.openai.com/v1/chat/completions", None),
        ("https://api.openai.com/v1/models", None),
        ("http://[", None),
        ("", None),
        (None, None),
    ],
)
def test_a_model_is_read_from_the_url(url: str | None, model: str | None) -> None:
    assert read_models({}, None, url) == (model, None)


@pytest.mark.parametrize(
    ("request_body", "response", "models"),
    [
        ({"model": "a"}, {"model": "b"}, ("a", "b")),
        ({"model_name": "a"}, {"llm_output": {"model_name": "b"}}, ("a", "b")),
        ({"modelId": "a"}, {"modelVersion": "b"}, ("a", "b")),
        ({"model": ""}, {"model": None, "model_version": "b"}, (None, "b")),
        ([], [{"response_metadata": {"model_name": "b"}}], (None, "b")),
        ({}, {"raw": {"model": "b"}}, (None, "b")),
        ({"model": 5}, {"model": {"id": 1}}, (None, None)),
    ],
)
def test_models_are_read_from_the_bodies(
    request_body: object, response: object, models: tuple[str | None, ...]
) -> None:
    assert read_models(request_body, response, None) == models
