"""All families, and who of them is asked first.

The order matters where shapes overlap: a family with a narrower shape stands before one with a wider.
"""

from __future__ import annotations

from typing import Final

from heliscore.providers.families import (
    anthropic,
    bedrock_converse,
    bedrock_invoke,
    cohere,
    gemini,
    helicone,
    huggingface,
    langchain,
    llamaindex,
    mistral,
    ollama,
    openai_chat,
    openai_responses,
    promptlayer,
)
from heliscore.providers.family import Chunk, Family, Fold
from heliscore.providers.turns import Turn
from heliscore.providers.usage import Usage

FAMILIES: Final[tuple[Family, ...]] = tuple(
    module.FAMILY
    for module in (
        promptlayer,
        langchain,
        gemini,
        bedrock_converse,
        bedrock_invoke,
        llamaindex,
        ollama,
        mistral,
        cohere,
        openai_chat,
        openai_responses,
        anthropic,
        huggingface,
        helicone,
    )
)


def open_stream(chunk: Chunk) -> Fold | None:
    """A fold for the stream that begins with this chunk; None where no family knows it."""
    for family in FAMILIES:
        if (fold := family.open_stream(chunk)) is not None:
            return fold
    return None


def read_usage_of(response: object) -> Usage | None:
    """The counts of the first family that finds any."""
    return next((usage for family in FAMILIES if (usage := family.read_usage(response)) is not None), None)


def read_request_of(body: object) -> list[Turn] | None:
    """The turns of a request in the first family that knows its shape."""
    return next((turns for family in FAMILIES if (turns := family.read_request(body)) is not None), None)


def read_response_of(body: object) -> list[Turn] | None:
    """The turns of a response in the first family that knows its shape."""
    return next((turns for family in FAMILIES if (turns := family.read_response(body)) is not None), None)


def model_in_path(path: str) -> str | None:
    """The model that a URL's path names."""
    return next((model for family in FAMILIES if (model := family.model_in_path(path))), None)
