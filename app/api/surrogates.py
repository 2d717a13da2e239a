"""Halves of UTF-16's surrogate pairs in JSON. JavaScript cuts texts in the middle of a character, and escapes
what is left of it (`\\ud83d`): by JSON's grammar that is a text, but no Unicode has it."""

from __future__ import annotations

import re
from typing import Final

_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""An escape; a group where it is a surrogate without its other half."""


def find_half(body: bytes) -> str | None:
    """The first escape of a surrogate that has not its other half beside it."""
    return next((escape[0].decode() for escape in _ESCAPE.finditer(body) if escape[1]), None)


def without_halves(body: bytes) -> bytes:
    """The JSON with U+FFFD in the place of each half."""
    return _ESCAPE.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], body)
