"""LIKE patterns in which a client's string stands for itself, also where it stands in a body's JSON."""

from __future__ import annotations

from typing import Final, assert_never

import msgspec

from heliscore.domain.filter_tree import StringMatch

_BEFORE_A_STRING: Final = ('"', '%["', '%{"', '% "')
"""How a string begins where PostgreSQL writes jsonb: a quotation mark, behind nothing, a bracket or a blank.
Inside a string, a backslash comes before each quotation mark."""


def escape_like(string: str) -> str:
    """Make a string stand for itself inside a pattern."""
    return string.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def string_pattern(match: StringMatch, string: str) -> str:
    """The pattern that fits such a string."""
    start = "%" if match in ("ends-with", "contains") else ""
    end = "%" if match in ("starts-with", "contains") else ""
    return f"{start}{escape_like(string)}{end}"


def json_string_patterns(match: StringMatch, string: str) -> list[str]:
    """Patterns of which at least one fits a jsonb, written as text, that has such a string.

    One that fits may do so by chance: the escape of a line feed ends in "n", `, "` stands between strings.
    """
    written = escape_like(msgspec.json.encode(string)[1:-1].decode())
    match match:
        case "equals":
            return [f'{before}{written}"%' for before in _BEFORE_A_STRING]
        case "starts-with":
            return [f"{before}{written}%" for before in _BEFORE_A_STRING]
        case "ends-with":
            return [f'%{written}"%']
        case "contains":
            return [f"%{written}%"]
        case _:
            assert_never(match)
