from __future__ import annotations

import json

import pytest
from heliscore.api.http.json_codec import decode
from heliscore.domain.errors import InvalidInput
from hypothesis import given
from hypothesis import strategies as st

WORDS = ["NaN", "-NaN", "Infinity", "-Infinity", "nan", "inf", "-inf", "undefined", "None", "True", "False"]


def reason_of(body: bytes) -> str:
    with pytest.raises(InvalidInput) as raised:
        decode(body)
    message = str(raised.value)
    assert message.startswith("the body is not valid JSON: ")
    return message.removeprefix("the body is not valid JSON: ")


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\n", "\n"),
        ('{"scores": {"depth": ', "}}"),
        ('{"NaN":"NaN, None","b":', ',"c":1}'),
        ("[1,\n", "\n]"),
        ("[", ",NaN]"),
    ],
)
def test_word_of_another_language_is_named(word: str, before: str, after: str) -> None:
    reason = f"{word} (byte {len(before)}) is no JSON, leave the value out"
    assert reason_of(f"{before}{word}{after}".encode()) == reason


@pytest.mark.parametrize(
    ("body", "position"), [(b'{"a": Nano}', 6), (b'["NaN", x]', 8), (b"[1, Infinity2]", 4), (b"[NaN.5]", 1)]
)
def test_other_words_are_not_taken_for_one(body: bytes, position: int) -> None:
    assert reason_of(body) == f"JSON is malformed: invalid character (byte {position})"


@pytest.mark.parametrize(
    ("codec", "encoding"),
    [("utf-8-sig", "UTF-8"), ("utf-16", "UTF-16"), ("utf-32", "UTF-32")],
)
@pytest.mark.parametrize("text", ["", '{"scores": {"depth": 5}}'])
def test_byte_order_mark_is_named(codec: str, encoding: str, text: str) -> None:
    reason = f"it begins with a byte order mark of {encoding}, send UTF-8 without one"
    assert reason_of(text.encode(codec)) == reason


values = st.recursive(
    st.one_of(st.none(), st.text(), st.floats()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)


@given(values)
def test_what_python_writes_is_read_or_its_word_named(value: object) -> None:
    body = json.dumps(value)
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        assert any(reason_of(body.encode()).startswith(word) for word in ("NaN", "Infinity", "-Infinity"))
    else:
        assert decode(body.encode()) == value
