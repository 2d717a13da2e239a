"""A provider family: the closed set of questions that each module in `families/` answers for its format.

A family is asked by the shape of a body, never by a name that a client gave: proxies speak OpenAI's format
for everybody's models. Each question may be answered None, "not mine", and the next family is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from heliscore.providers.turns import Turn
from heliscore.providers.usage import Usage

Chunk = dict[str, object]
"""One event of a stream, decoded."""


class Fold(Protocol):
    """A stream on its way to the whole response."""

    @property
    def finished(self) -> bool:
        """Whether the provider has said that the response ends here."""

    @property
    def certain(self) -> bool:
        """Whether a chunk has come that cannot be a whole response by itself."""

    def add(self, chunk: Chunk) -> None:
        """Take the next chunk in."""

    def whole(self) -> dict[str, object]:
        """The response so far, in the shape that the provider gives without streaming."""


def _not_mine(_: object) -> None:
    return None


class Family(msgspec.Struct, frozen=True):
    """One format and its readers."""

    name: str
    read_request: Callable[[object], list[Turn] | None] = _not_mine
    read_response: Callable[[object], list[Turn] | None] = _not_mine
    read_usage: Callable[[object], Usage | None] = _not_mine
    open_stream: Callable[[Chunk], Fold | None] = _not_mine
    """A fold for the stream that begins with the chunk, which is still to be added."""

    model_in_path: Callable[[str], str | None] = _not_mine
    """The model that a URL's decoded path names."""
