"""The texts of the demo: what people ask, and what a model answers on a good and on a bad day.

They are in texts/, one TOML file for each feature.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final

import msgspec

_FOLDER: Final = Path(__file__).parent / "texts"


class Exchange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A conversation up to its last answer. `$name` in a text is a variable of the prompt."""

    turns: tuple[str, ...]
    """User and assistant in turn; the user has the last word."""

    answer: str
    poor_answer: str
    """Gets a low score."""

    context: str = ""
    """The passages that were retrieved for the question."""


class Texts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All texts of a feature."""

    system: str
    exchanges: tuple[Exchange, ...]
    released_system: str = ""
    """The system prompt after the release, where the feature has one."""

    off_topic_answers: tuple[str, ...] = ()


def read_texts(name: str) -> Texts:
    """Read a file of texts/."""
    return msgspec.convert(tomllib.loads((_FOLDER / f"{name}.toml").read_text("utf-8")), Texts)


def filled(text: str, variables: Mapping[str, str]) -> str:
    """Put variables into a text; a `$` that names none stays."""
    return Template(text).safe_substitute(variables)
