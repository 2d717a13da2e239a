"""Chooses the provider to which a call goes, from the list that the operator made."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.datastructures import Headers

from heliscore.domain.errors import FieldError, InvalidInput
from heliscore.domain.provider_origins import read_origin

SETTING: Final = "HELISCORE_GATEWAY_TARGETS"

_ORIGINS: Final = {"OPENAI": "https://api.openai.com", "ANTHROPIC": "https://api.anthropic.com"}
_HEADERS: Final = ("Helicone-OpenAI-Api-Base", "Helicone-Target-URL")
"""The first that is sent counts."""


class Target(msgspec.Struct, frozen=True):
    """An origin, and how the log calls the provider there."""

    origin: str
    provider: str


def find_target(headers: Headers, provider: str, origins: tuple[str, ...]) -> Target:
    """The target that a header names, or else that of the path's provider. Raises InvalidInput for one that
    is not on the list."""
    usual = _find_usual(provider, origins)
    for name in _HEADERS:
        if sent := headers.get(name, "").strip():
            origin = _read(name, sent)
            if origin not in origins:
                raise InvalidInput([FieldError(name, f"{SETTING} does not list this origin")])
            return Target(origin, provider if origin == usual else _name_of(origin))
    if usual is None:
        raise InvalidInput([FieldError("", f"{SETTING} lists no origin for this path: name one in {name}")])
    return Target(usual, provider)


def _find_usual(provider: str, origins: tuple[str, ...]) -> str | None:
    """The provider's own origin, or else the first on the list that is no other known provider's: a key must
    not go there."""
    if (own := _ORIGINS[provider]) in origins:
        return own
    return next((origin for origin in origins if origin not in _ORIGINS.values()), None)


def _name_of(origin: str) -> str:
    return next((name for name, known in _ORIGINS.items() if known == origin), "CUSTOM")


def _read(name: str, sent: str) -> str:
    try:
        return read_origin(sent)
    except ValueError as error:
        raise InvalidInput([FieldError(name, str(error))]) from None
