"""Defines scores: a name, a 64-bit integer, and whether it was sent as a boolean."""

from __future__ import annotations

from typing import Final

import msgspec

from heliscore.domain.messages import described

FEEDBACK: Final = "helicone-score-feedback"
"""The score that holds thumbs up (1) and thumbs down (0); it takes no other values."""

MAX_SCORES_PER_CALL: Final = 256
MAX_COMMENT_LENGTH: Final = 10_000
MIN_VALUE: Final = -(2**63)
MAX_VALUE: Final = 2**63 - 1

WHOLE_NUMBERS: Final = "send whole numbers: multiply fractions, e.g. by 100, and round"
"""The way out for a sender of fractions, as errors name it."""

_NO_POINT: Final = "send whole numbers without a decimal point"


def title_of(name: str) -> str:
    """The name of a score as people read it: `Feedback` for the thumbs."""
    return "Feedback" if name == FEEDBACK else name


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
    return score_error(raw)


def score_error(raw: object) -> str:
    """Say what is wrong with a decoded JSON value that is no score, and for a float what to send instead."""
    message = f"expected an integer or a boolean, got {described(raw)}"
    if type(raw) is not float:
        return message
    if not raw.is_integer():
        return f"{message}; {WHOLE_NUMBERS}"
    if abs(raw) <= 1:
        # All of it, or one of a hundred: only the sender knows.
        return f"{message}; {_NO_POINT}, and multiply fractions first, e.g. by 100, and round"
    return f"{message}; {_NO_POINT}"
