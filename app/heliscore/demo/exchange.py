"""One thing that people ask, and what a model answers on a good and on a bad day."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template

import msgspec


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation up to its last answer. `$name` in a text is a variable of the prompt."""

    turns: tuple[str, ...]
    """User and assistant in turn; the user has the last word."""

    answer: str
    poor_answer: str
    """What a judge gives a low score."""

    context: str = ""
    """What was retrieved for the question."""


def filled(text: str, variables: Mapping[str, str]) -> str:
    """Put variables into a text; a `$` that names none stays."""
    return Template(text).safe_substitute(variables)
