"""Checks names and shows clients' values in error messages."""

from __future__ import annotations

import re
from typing import Final

import msgspec

MAX_NAME_LENGTH: Final = 255

_INT64: Final = range(-(2**63), 2**63)
_KEY: Final = re.compile(r"(?i)(?:(?<![a-z0-9])sk|sk-helicone)[-_][^\s/]*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def find_name_error(text: str) -> str | None:
    """The error of a string as name or id of a score, a request or a property; None if it can be one."""
    if not text:
        return "must not be empty"
    if len(text) > MAX_NAME_LENGTH:
        return f"must have at most {MAX_NAME_LENGTH} characters, got {len(text)}"
    if _CONTROL.search(text):
        return "must not contain control characters"
    return None


def on_one_line(text: str) -> str:
    """A text with a blank for each character that is not printed: names may have line feeds."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def described(raw: object) -> str:
    """Show a decoded JSON value in an error message, shortened."""
    match raw:
        case dict():
            return "an object"
        case list():
            return "an array"
        case str():
            return f'"{shortened(raw)}"'
        case int() if not isinstance(raw, bool) and raw not in _INT64:
            return "an integer of more than 64 bits"
        case _:
            return msgspec.json.encode(raw).decode()


def without_keys(text: str) -> str:
    """Replace what looks like an API key, `sk-…`."""
    return _KEY.sub("sk-…", text)


def shortened(text: str, length: int = 80) -> str:
    """A client's string as part of a message: at most `length` characters, on one line."""
    text = text if len(text) <= length else text[:length] + "…"
    return _CONTROL.sub(lambda control: f"\\u{ord(control[0]):04x}", text)
