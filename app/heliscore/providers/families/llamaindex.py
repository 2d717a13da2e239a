"""What LlamaIndex's handlers write: messages whose texts stand in `blocks`, and a response with the raw one.

Requests are lists of messages, or `messages`, as OpenAI's.
"""

from __future__ import annotations

from typing import Any, Final

from heliscore.providers.family import Family
from heliscore.providers.messages import read_message
from heliscore.providers.turns import Turn


def read_response(body: Any) -> list[Turn] | None:
    """The message of a chat response."""
    match body:
        case {"message": {"blocks": [*_]} as message}:
            return read_message(message, "assistant")
    return None


FAMILY: Final = Family("llamaindex", read_response=read_response)
