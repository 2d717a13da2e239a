"""Finds and replaces halves of surrogate pairs in JSON.

JavaScript may cut a string in the middle of a character and escape the rest of it (`\\ud83d`): that is valid
by JSON's grammar, but no Unicode string.
"""

from __future__ import annotations

import re
from typing import Final

_SURROGATE: Final = re.compile(
    rb"(?<!\\)((?:\\\\)*)(?:"
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(\\u[dD][89a-fA-F][0-9a-fA-F]{2}))"
)
"""Escaped backslashes, and then a pair or half of one."""


def find_half(body: bytes) -> str | None:
    """The first escape of a surrogate without its other half."""
    if not _may_have_any(body):
        return None
    return next((found[3].decode() for found in _SURROGATE.finditer(body) if found[3]), None)


def without_halves(body: bytes) -> bytes:
    """The JSON with U+FFFD in the place of each half."""
    if not _may_have_any(body):
        return body
    return _SURROGATE.sub(lambda found: found[1] + (found[2] or rb"\ufffd"), body)


def _may_have_any(body: bytes) -> bool:
    """A quick test: the expression takes most of a second for a large body that is not JSON."""
    return b"\\ud" in body or b"\\uD" in body
