"""What a score is: a name, a 64-bit integer, and whether it was sent as a boolean."""

from __future__ import annotations

import re
from typing import Final

import msgspec

FEEDBACK: Final = "helicone-score-feedback"
"""The score that holds thumbs up (1) and thumbs down (0); it takes no other values."""

MAX_NAME_LENGTH: Final = 255
MAX_SCORES_PER_CALL: Final = 256
MIN_VALUE: Final = -(2**63)
MAX_VALUE: Final = 2**63 - 1

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Score(msgspec.Struct, frozen=True, array_like=True):
    """One value under one name."""

    value: int
    is_boolean: bool


def read_score(raw: object) -> Score | str:
    """Make a Score of a decoded JSON value, or return an error message.

    Integers are kept, and booleans become 1 and 0. Everything else is an error, also a float that looks like
    an integer (`95.0`, `1e2`), because an evaluator that sends one will send 95.5 tomorrow.
    """
    if raw is True or raw is False:
        return Score(int(raw), True)
    if type(raw) is int:
        if MIN_VALUE <= raw <= MAX_VALUE:
            return Score(raw, False)
        return "expected an integer of at most 64 bits"
    return f"expected an integer or a boolean, got {described(raw)}"


def find_text_error(text: str, max_length: int = MAX_NAME_LENGTH) -> str | None:
    """Say why a text cannot name a score, a request or a property, or None."""
    if not text:
        return "must not be empty"
    if len(text) > max_length:
        return f"must have at most {max_length} characters, got {len(text)}"
    if _CONTROL.search(text):
        return "must not contain control characters"
    return None


def described(raw: object) -> str:
    """Show a decoded JSON value in an error message, shortened."""
    match raw:
        case dict():
            return "an object"
        case list():
            return "an array"
        case str():
            return f'"{shortened(raw)}"'
        case int() if not isinstance(raw, bool) and not MIN_VALUE <= raw <= MAX_VALUE:
            return "an integer of more than 64 bits"
        case _:
            return msgspec.json.encode(raw).decode()


def shortened(text: str, length: int = 80) -> str:
    """A client's text as part of a message: not long, and on one line."""
    text = text if len(text) <= length else text[:length] + "…"
    return _CONTROL.sub(lambda control: f"\\u{ord(control[0]):04x}", text)
