from __future__ import annotations

import json

import msgspec
import pytest
from heliscore.api.http.json_codec import decode
from heliscore.api.http.json_surrogates import find_half, without_halves
from heliscore.domain.errors import InvalidInput
from hypothesis import given
from hypothesis import strategies as st

PIECES = ["\ud83d", "\udbff", "\udc00", "\ude00", "\U0001f600", "\\", "u", "d83d", '"', "\n"]
texts = st.lists(st.one_of(st.sampled_from(PIECES), st.characters())).map("".join)


def replaced(text: str) -> str:
    """The text with U+FFFD for each half of a pair; those side by side are put together first."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@given(st.lists(texts))
def test_each_half_and_nothing_else_is_replaced(sent: list[str]) -> None:
    body = json.dumps(sent).encode()
    mended = without_halves(body)
    assert msgspec.json.decode(mended) == [replaced(text) for text in sent]
    assert (find_half(body) is None) == (mended == body)


@pytest.mark.parametrize(
    ("body", "half"),
    [
        (rb'{"scores": {"\ud83d": 1}}', r"\ud83d"),
        (rb'{"scores": {"\uDC00x": 1}}', r"\uDC00"),
        (rb'{"scores": {"\\ud83d": 1, "\ud83d\ud83e\ude00": 1}}', r"\ud83d"),
    ],
)
def test_half_is_named_where_it_is_refused(body: bytes, half: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        decode(body)
    reason = f"{half} is half of a surrogate pair, no character"
    assert str(raised.value) == f"the body is not valid JSON: {reason}"
