from __future__ import annotations

import pytest
from heliscore.domain.messages import described, find_name_error, shortened
from heliscore.domain.score import MAX_VALUE, MIN_VALUE, Score, read_score

from tests.ways_out import MULTIPLY, NO_POINT


@pytest.mark.parametrize(
    ("raw", "score"),
    [
        (95, Score(95, False)),
        (0, Score(0, False)),
        (1, Score(1, False)),
        (-7, Score(-7, False)),
        (True, Score(1, True)),
        (False, Score(0, True)),
        (MAX_VALUE, Score(2**63 - 1, False)),
        (MIN_VALUE, Score(-(2**63), False)),
    ],
)
def test_score_is_integer_or_boolean(raw: object, score: Score) -> None:
    assert read_score(raw) == score


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (
            95.5,
            f"expected an integer or a boolean, got 95.5; {MULTIPLY}",
        ),
        (95.0, f"expected an integer or a boolean, got 95.0; {NO_POINT}"),
        ("95", 'expected an integer or a boolean, got "95"'),
        (None, "expected an integer or a boolean, got null"),
        ([95], "expected an integer or a boolean, got an array"),
        ({"value": 95}, "expected an integer or a boolean, got an object"),
        (MAX_VALUE + 1, "expected an integer of at most 64 bits"),
        (MIN_VALUE - 1, "expected an integer of at most 64 bits"),
        (10**400, "expected an integer of at most 64 bits"),
    ],
)
def test_score_of_other_value_is_refused(raw: object, error: str) -> None:
    assert read_score(raw) == error


@pytest.mark.parametrize(
    "text", ["a", "a" * 255, "ü" * 255, "with space", "a.b/c%d", "'; DROP TABLE score", "\u00a0", "🙂"]
)
def test_text_is_accepted(text: str) -> None:
    assert find_name_error(text) is None


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "must not be empty"),
        ("a" * 256, "must have at most 255 characters, got 256"),
        ("a\0b", "must not contain control characters"),
        ("a\nb", "must not contain control characters"),
        ("a\n", "must not contain control characters"),
        ("a\x7f", "must not contain control characters"),
        ("\x85", "must not contain control characters"),
        ("\x9fa", "must not contain control characters"),
    ],
)
def test_text_is_refused(text: str, error: str) -> None:
    assert find_name_error(text) == error


@pytest.mark.parametrize(
    ("raw", "description"),
    [
        ({}, "an object"),
        ([1], "an array"),
        ("x", '"x"'),
        ('say "hi"\n', r'"say "hi"\u000a"'),
        ("x" * 81, '"' + "x" * 80 + '…"'),
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        (-(2**63), "-9223372036854775808"),
        (10**400, "an integer of more than 64 bits"),
    ],
)
def test_value_is_described(raw: object, description: str) -> None:
    assert described(raw) == description


@pytest.mark.parametrize(
    ("text", "short"),
    [("x" * 80, "x" * 80), ("x" * 81, "x" * 80 + "…"), ("a\r\n\0\x9f", r"a\u000d\u000a\u0000\u009f")],
)
def test_text_is_shortened_to_one_line(text: str, short: str) -> None:
    assert shortened(text) == short
