"""Halves of UTF-16's surrogate pairs in JSON. JavaScript cuts texts in the middle of a character, and escapes
what is left of it (`\\ud83d`): by JSON's grammar that is a text, but no Unicode has it."""

from __future__ import annotations

import re
from typing import Final

_SURROGATE: Final = re.compile(
    rb"(?<!\\)((?:\\\\)*)(?:"
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(\\u[dD][89a-fA-F][0-9a-fA-F]{2}))"
)
"""Escaped backslashes, and then a pair or half of one."""


def find_half(body: bytes) -> str | None:
    """The first escape of a surrogate that has not its other half beside it."""
    if not _may_have_any(body):
        return None
    return next((found[3].decode() for found in _SURROGATE.finditer(body) if found[3]), None)


def without_halves(body: bytes) -> bytes:
    """The JSON with U+FFFD in the place of each half."""
    if not _may_have_any(body):
        return body
    return _SURROGATE.sub(lambda found: found[1] + (found[2] or rb"\ufffd"), body)


def _may_have_any(body: bytes) -> bool:
    """Told at once, where a large body that is no JSON would be looked through for most of a second."""
    return b"\\ud" in body or b"\\uD" in body
